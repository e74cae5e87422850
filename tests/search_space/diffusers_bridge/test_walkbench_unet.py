"""The class that an export carries: diffusers' conventions, the outputs of `UNet`."""

import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings

from search_space.conv import CONV_KINDS, Conv, ConvKind, register_conv
from search_space.diffusers_bridge import spec_from_config
from search_space.diffusers_bridge.carried import CARRIED, carried_source
from search_space.diffusers_bridge.own_config import own_config
from search_space.diffusers_bridge.stock import stock_inputs
from search_space.errors import WalkbenchError
from search_space.initialise import initialise
from search_space.modules.moments import Moments
from search_space.modules.network import example_inputs
from search_space.spec import Conditions, UNetSpec
from search_space.unet import UNet
from tests.search_space.strategies import specs

SMALL = {
    "_class_name": "UNet2DConditionModel",
    "block_out_channels": [16, 32],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": [2, 4],
    "cross_attention_dim": 24,
    "norm_num_groups": 8,
    "sample_size": 16,
}
SPEC = spec_from_config(SMALL, tokens=5).replace(rope=True, qk_norm="rms")


def model_class():
    from search_space.diffusers_bridge.walkbench_unet import WalkbenchUNet2DConditionModel

    return WalkbenchUNet2DConditionModel


def own(spec: UNetSpec = SPEC, **options):
    model = model_class().from_config(own_config(spec, **options))
    model.load_state_dict(initialise(UNet(spec), 0).state_dict())
    return model


def inputs_of(spec: UNetSpec, batch: int = 2):
    return example_inputs(spec, batch, torch.Generator().manual_seed(0))


@given(specs())
@settings(max_examples=10, deadline=None)
def test_any_design_has_the_parameters_and_the_output_of_its_unet(spec):
    unet, given = initialise(UNet(spec), 0), inputs_of(spec)
    with torch.no_grad():
        assert torch.equal(own(spec)(**stock_inputs(spec, given)).sample, unet(**given))


def test_timesteps_may_be_numbers_scalars_or_one_for_each_sample():
    model, given = own(), inputs_of(SPEC)
    x, context = given["latents"], given["context"]
    with torch.no_grad():
        expected = model(x, torch.tensor([500.0, 500.0]), context).sample
        for t in (500, 500.0, torch.tensor(500), torch.tensor([500]), torch.tensor([500, 500])):
            assert torch.equal(model(x, t, encoder_hidden_states=context).sample, expected)
        assert torch.equal(model(x, 500, context, return_dict=False)[0], expected)


def test_conditions_are_required_exactly_where_the_design_has_them():
    given = inputs_of(SPEC)
    call = (given["latents"], 1, given["context"])
    with pytest.raises(ValueError, match="text_embeds was given, but this network has no such"):
        own()(*call, added_cond_kwargs={"text_embeds": torch.zeros(2, 4)})
    spec = SPEC.replace(conditions=Conditions(classes=3))
    with pytest.raises(ValueError, match="class_labels is missing; this network needs it"):
        own(spec)(*call)
    assert own(spec)(*call, class_labels=torch.tensor([0, 2])).sample.shape == (2, 4, 16, 16)
    for name in ("timestep_cond", "attention_mask", "encoder_attention_mask"):
        with pytest.raises(ValueError, match=f"{name} was given, but this network has no use"):
            own()(*call, **{name: torch.zeros(2, 5)})
    with pytest.raises(ValueError, match="'gligen'; only 'scale' has a use"):
        own()(*call, cross_attention_kwargs={"gligen": 1})
    with pytest.raises(ValueError, match="sample is 15×16; multiples of 2 are needed"):
        own()(torch.zeros(2, 4, 15, 16), *call[1:])


def test_saving_and_loading_returns_the_same_network(tmp_path):
    model, given = own(), stock_inputs(SPEC, inputs_of(SPEC))
    model.save_pretrained(tmp_path)
    assert (tmp_path / f"{CARRIED}.py").read_text() == carried_source()
    again = model_class().from_pretrained(tmp_path)
    with torch.no_grad():
        assert torch.equal(again(**given).sample, model(**given).sample)
    assert UNetSpec.from_dict(dict(again.config.spec)) == SPEC
    half = model_class().from_pretrained(tmp_path, torch_dtype=torch.bfloat16)
    assert half.dtype == torch.bfloat16
    bf16 = {name: value.bfloat16() for name, value in given.items()}
    assert half(**bf16).sample.dtype == torch.bfloat16


def test_gradient_checkpointing_changes_no_gradient_and_runs_blocks_twice():
    model, given = own(), stock_inputs(SPEC, inputs_of(SPEC))
    calls = []
    layer = next(m for m in model.modules() if type(m).__name__ == "TransformerLayer")
    res = next(m for m in model.modules() if type(m).__name__ == "ResBlock")
    for module in (layer, res):
        module.register_forward_pre_hook(lambda module, *_: calls.append(type(module).__name__))

    def gradients():
        calls.clear()
        model.zero_grad()
        model(**given).sample.square().mean().backward()
        return [p.grad.clone() for p in model.parameters()], len(calls)

    plain, once = gradients()
    assert not model.is_gradient_checkpointing
    model.enable_gradient_checkpointing()
    assert model.is_gradient_checkpointing
    recomputed, twice = gradients()
    assert (once, twice) == (2, 4)
    assert all(map(torch.equal, plain, recomputed))
    model.disable_gradient_checkpointing()
    assert gradients()[1] == 2


def test_attention_goes_through_torchs_fused_kernel(monkeypatch):
    called, fused = [], torch.nn.functional.scaled_dot_product_attention
    monkeypatch.setattr(
        torch.nn.functional,
        "scaled_dot_product_attention",
        lambda *args, **options: called.append(1) or fused(*args, **options),
    )
    with torch.no_grad():
        own()(**stock_inputs(SPEC, inputs_of(SPEC)))
    layers = [m for m in own().modules() if type(m).__name__ == "TransformerLayer"]
    assert len(called) == 2 * len(layers)  # self- and cross-attention


def test_lora_trains_saves_loads_and_scales(tmp_path):
    peft = pytest.importorskip("peft")
    given, config = stock_inputs(SPEC, inputs_of(SPEC)), peft.LoraConfig(target_modules=["q", "v"])
    model = own()
    with torch.no_grad():
        before = model(**given).sample
    model.requires_grad_(False)
    model.add_adapter(config)
    trained = {name: p for name, p in model.named_parameters() if p.requires_grad}
    assert trained and all("lora_" in name for name in trained)
    for p in trained.values():
        torch.nn.init.constant_(p, 0.05)
    with torch.no_grad():
        after = model(**given).sample
        assert not torch.allclose(after, before)
        off = model(**given, cross_attention_kwargs={"scale": 0.0}).sample
        assert torch.allclose(off, before, atol=1e-6)
    model.save_lora_adapter(tmp_path)
    other = own()
    other.load_lora_adapter(tmp_path, prefix=None, use_safetensors=True)
    with torch.no_grad():
        assert torch.allclose(other(**given).sample, after, atol=1e-6)
        other.fuse_lora()
        assert torch.allclose(other(**given).sample, after, atol=1e-5)


def test_with_moments_the_output_is_the_guess_and_what_the_network_adds():
    moments = Moments(-0.3, 0.2)
    given = stock_inputs(SPEC, inputs_of(SPEC))
    x, t = given["sample"], given["timestep"] / 1000
    with torch.no_grad():
        residual = own()(**{**given, "sample": moments.normalised(x, t)}).sample
        expected = moments.guess(x, t) + moments.residual_std(x, t) * residual
        got = own(moments={"mean": -0.3, "variance": 0.2})(**given).sample
    assert torch.allclose(got, expected, atol=1e-6)


LOADER = """
import sys
assert not any(name.split(".")[0] == "search_space" for name in sys.modules)
sys.modules["search_space"] = None  # importing it fails from here on
import torch
from diffusers import AutoModel
unet = AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True)
given = torch.load(sys.argv[1] + "/given.pt")
with torch.no_grad():
    torch.save(unet(**given).sample, sys.argv[1] + "/out.pt")
unet.save_pretrained(sys.argv[1] + "/again")
"""


@pytest.mark.slow
def test_the_carried_file_runs_without_walkbench_to_the_last_bit(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    model, given = own(), stock_inputs(SPEC, inputs_of(SPEC))
    model.save_pretrained(tmp_path)
    torch.save(given, tmp_path / "given.pt")
    done = subprocess.run(
        [sys.executable, "-P", "-c", LOADER, str(tmp_path)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with torch.no_grad():
        assert torch.equal(torch.load(tmp_path / "out.pt"), model(**given).sample)
    assert "not expected" not in done.stderr  # every field of the config has a reader
    again, first = (tmp_path / "again", tmp_path)
    assert (again / f"{CARRIED}.py").read_bytes() == (first / f"{CARRIED}.py").read_bytes()
    config = json.loads((again / "config.json").read_text())
    assert config.pop("_name_or_path") == str(tmp_path)
    assert config == json.loads((first / "config.json").read_text()) == own_config(SPEC)


def test_a_convolution_registered_elsewhere_cannot_be_carried():
    register_conv(ConvKind("foreign", lambda *_: torch.nn.Identity()))
    try:
        stages = tuple(replace(stage, conv=Conv("foreign")) for stage in SPEC.stages)
        with pytest.raises(WalkbenchError, match=r"'foreign' is registered outside .* dense, sep"):
            own_config(SPEC.replace(stages=stages))
    finally:
        del CONV_KINDS["foreign"]
