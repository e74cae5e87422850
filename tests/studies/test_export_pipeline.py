"""An export opens in diffusers' stock pipelines, with its own parts or with given ones."""

import itertools
import json
import subprocess
import sys

import pytest
import torch

from proxies.train_yaml import read
from search_space.diffusers_bridge import spec_from_config
from search_space.errors import WalkbenchError
from search_space.exported import load_exported
from search_space.presets import named_spec
from search_space.spec import Conditions
from studies.export import export
from studies.export_design import Exportable
from studies.export_pipeline import components_of, pipeline_for

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
STOCK = spec_from_config(SMALL, tokens=77)
OWN = STOCK.replace(rope=True, qk_norm="rms")
XL = OWN.replace(conditions=Conditions(pooled_width=12, size_ids=6, size_width=8))

PIPELINE = """
import sys, torch, diffusers
sys.modules["search_space"] = None  # importing Walkbench fails
folder, name, samplers = sys.argv[1], sys.argv[2], sys.argv[3].split(",")
given = torch.load(folder + "/given.pt")
parts = dict.fromkeys(given.pop("absent"))
given["output_type"] = "latent"
pipe = getattr(diffusers, name).from_pretrained(folder, trust_remote_code=True, **parts)
out = {}
for sampler in samplers:
    pipe.scheduler = getattr(diffusers, sampler).from_config(pipe.scheduler.config)
    generator = torch.Generator().manual_seed(0)
    out[sampler] = pipe(num_inference_steps=4, generator=generator, **given)[0]
torch.save(out, folder + "/out.pt")
pipe.save_pretrained(folder + "/again")
getattr(diffusers, name).from_pretrained(folder + "/again", trust_remote_code=True, **parts)
"""


@pytest.fixture
def sampled(tmp_path, monkeypatch):
    """Run an export in a fresh process that has no Walkbench; return its latents and messages."""
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))

    def run(spec, absent, given, samplers):
        folder = tmp_path / "out"
        export(Exportable(spec), folder)
        torch.save({**given, "absent": absent}, folder / "given.pt")
        name = json.loads((folder / "model_index.json").read_text())["_class_name"]
        done = subprocess.run(
            [sys.executable, "-P", "-c", PIPELINE, str(folder), name, ",".join(samplers)],
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return folder, torch.load(folder / "out.pt"), done.stderr

    return run


def random(*shape):
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.slow
def test_the_stock_pipeline_integrates_the_velocity_of_the_network(sampled):
    embeds, nothing = random(1, 77, 24), random(1, 77, 24) * 0
    latents = random(1, 4, 16, 16)
    given = {"prompt_embeds": embeds, "negative_prompt_embeds": nothing, "latents": latents}
    given |= {"height": 128, "width": 128, "guidance_scale": 1.0}
    absent = ["vae", "text_encoder", "tokenizer"]
    samplers = ["DPMSolverMultistepScheduler", "UniPCMultistepScheduler"]
    folder, out, said = sampled(OWN, absent, given, samplers)
    assert not [line for line in said.splitlines() if "deprecat" in line or "not expected" in line]
    unet, x = load_exported(folder), latents
    # Euler steps of the straight path from noise to picture, fine enough to be the limit
    times = torch.linspace(0.999, 0.0, 201)
    with torch.no_grad():
        for now, following in itertools.pairwise(times):
            x = x + (following - now) * unet(x, (1000 * now).reshape(1), embeds)
    distance = (x - latents).std()
    for sampler in samplers:
        assert (out[sampler] - x).std() < 0.15 * distance, sampler


@pytest.mark.slow
def test_a_design_with_pooled_text_and_size_numbers_opens_in_the_xl_pipeline(sampled):
    assert pipeline_for(XL).name == "StableDiffusionXLPipeline"
    given = {"prompt_embeds": random(1, 77, 24), "pooled_prompt_embeds": random(1, 12)}
    given |= {"height": 128, "width": 128, "guidance_scale": 1.0}
    absent = ["vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"]
    _, out, _ = sampled(XL, absent, given, ["DPMSolverMultistepScheduler"])
    assert out["DPMSolverMultistepScheduler"].isfinite().all()


def test_a_design_that_no_stock_pipeline_can_call_says_why_and_has_no_index(tmp_path):
    spec = OWN.replace(conditions=Conditions(classes=3))
    export(Exportable(spec), tmp_path / "out")
    assert not (tmp_path / "out" / "model_index.json").exists()
    assert "No stock pipeline passes class labels" in (tmp_path / "out" / "README.md").read_text()
    assert "size numbers" in (pipeline_for(named_spec("dreamlite")).why_not or "")


@pytest.fixture(scope="module")
def parts(tmp_path_factory):
    """A tiny Stable Diffusion pipeline, saved as diffusers saves it."""
    from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, StableDiffusionPipeline
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

    folder = tmp_path_factory.mktemp("parts")
    words = {word: i for i, word in enumerate(["<|startoftext|>", "<|endoftext|>", "a</w>"])}
    (folder / "vocab.json").write_text(json.dumps(words))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    tokenizer = CLIPTokenizer(str(folder / "vocab.json"), str(folder / "merges.txt"))
    tokenizer.model_max_length = 77
    text = CLIPTextConfig(
        vocab_size=3, hidden_size=24, intermediate_size=8, num_hidden_layers=1,
        num_attention_heads=2, bos_token_id=0, eos_token_id=1,
    )  # fmt: skip
    vae = AutoencoderKL(block_out_channels=(8,) * 4, norm_num_groups=4, latent_channels=4,
                        down_block_types=("DownEncoderBlock2D",) * 4,
                        up_block_types=("UpDecoderBlock2D",) * 4)  # fmt: skip
    export(Exportable(STOCK), folder / "unet-of-it")
    pipe = StableDiffusionPipeline.from_pretrained(
        folder / "unet-of-it", vae=vae, text_encoder=CLIPTextModel(text), tokenizer=tokenizer
    )
    assert isinstance(pipe.scheduler, DPMSolverMultistepScheduler)
    pipe.save_pretrained(folder / "pipe")
    return folder / "pipe"


def test_the_sampler_shifts_times_as_training_does(tmp_path):
    for latent, shift in ((16, 1.0), (128, 3.0)):
        folder = tmp_path / str(latent)
        export(Exportable(OWN.replace(latent_size=latent)), folder)
        sampler = json.loads((folder / "scheduler" / "scheduler_config.json").read_text())
        assert (sampler["prediction_type"], sampler["use_flow_sigmas"]) == ("flow_prediction", True)
        assert sampler["flow_shift"] == shift == read(folder / "train.yaml").flow.shift


def test_parts_of_a_pipeline_are_copied_and_draw_a_picture(parts, tmp_path, monkeypatch):
    from diffusers import StableDiffusionPipeline

    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))
    export(Exportable(OWN), tmp_path / "out", components=components_of(str(parts), OWN))
    for part in ("vae", "text_encoder", "tokenizer"):
        for path in (parts / part).iterdir():
            assert (tmp_path / "out" / part / path.name).read_bytes() == path.read_bytes()
    pipe = StableDiffusionPipeline.from_pretrained(tmp_path / "out", trust_remote_code=True)
    pipe.set_progress_bar_config(disable=True)
    image = pipe("a", num_inference_steps=2, guidance_scale=2.0).images[0]
    assert image.size == (128, 128)
    assert 'pipe("a red circle")' in (tmp_path / "out" / "README.md").read_text()


def test_a_pipeline_may_be_named_without_being_read(tmp_path):
    components = components_of("maker/model", OWN)
    export(Exportable(OWN), tmp_path, components=components)
    about = json.loads((tmp_path / "export.json").read_text())
    assert about["components"] == {"named": "maker/model", "copied": []}
    assert '"maker/model", unet=None' in (tmp_path / "README.md").read_text()
    assert json.loads((tmp_path / "model_index.json").read_text())["vae"] == [None, None]


def test_parts_that_do_not_fit_the_design_are_refused_with_both_numbers(parts, tmp_path):
    with pytest.raises(WalkbenchError, match="latent channels of its VAE is 4, the design has 8"):
        components_of(str(parts), OWN.replace(in_channels=8))
    wide = OWN.replace(context=OWN.context.__class__(width=32))
    with pytest.raises(WalkbenchError, match="text embeddings is 24, the design has 32"):
        components_of(str(parts), wide)
    with pytest.raises(WalkbenchError, match="has no text_encoder_2, which StableDiffusionXL"):
        components_of(str(parts), XL)
    with pytest.raises(WalkbenchError, match="cannot be read: No such file"):
        components_of(str(tmp_path), OWN)
    with pytest.raises(WalkbenchError, match="no stock pipeline passes class labels"):
        components_of(str(parts), OWN.replace(conditions=Conditions(classes=3)))
