"""The network that a spec describes: it runs, uses its conditions, and checks its inputs."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space.errors import WalkbenchError
from search_space.modules.network import example_inputs
from search_space.plan import plan
from search_space.presets import named_spec
from search_space.spec import Conditions, Context, Mid, Path, Site, Stage, UNetSpec
from search_space.unet import UNet
from tests.search_space.strategies import specs

ATTENDS = Path((Site(1),), self_attention=True, cross_attention=True)
STAGE = Stage(16, 2, 8, ATTENDS, ATTENDS, kv_heads=1)
SMALL = UNetSpec(
    (STAGE, STAGE),
    Mid(1, 2, True, True),
    time_width=16,
    context=Context(12, 5),
    conditions=Conditions(pooled_width=6, size_ids=2, size_width=8, classes=3),
    norm_groups=4,
    latent_size=8,
)


def random_inputs(spec: UNetSpec, batch: int = 2) -> dict[str, torch.Tensor]:
    return example_inputs(spec, batch, torch.Generator().manual_seed(0))


@pytest.mark.slow
@given(specs(), st.integers(1, 3), st.integers(1, 3), st.integers(1, 2))
@settings(max_examples=12)
def test_any_valid_spec_keeps_the_shape_of_any_latents(
    spec: UNetSpec, rows: int, columns: int, batch: int
) -> None:
    factor = 2 ** (len(spec.stages) - 1)
    with torch.device("meta"):
        inputs = example_inputs(spec, batch)
        inputs["latents"] = torch.zeros(batch, spec.in_channels, factor * rows, factor * columns)
        out = UNet(spec)(**inputs)
    assert out.shape == (batch, spec.out_channels, factor * rows, factor * columns)


@given(specs())
@settings(max_examples=8)
def test_any_valid_spec_computes_finite_numbers_and_gradients(spec: UNetSpec) -> None:
    torch.manual_seed(0)
    unet = UNet(spec)
    out = unet(**random_inputs(spec))
    assert out.isfinite().all()
    out.square().mean().backward()
    used = {name for name, p in unet.named_parameters() if p.grad is not None}
    unused = {name for name, _ in unet.named_parameters()} - used
    if not _reads_context(spec):
        unused = {name for name in unused if not name.startswith("input.context")}
    assert not unused


def _reads_context(spec: UNetSpec) -> bool:
    paths = [path for stage in spec.stages for path in (stage.down, stage.up)]
    return any(part.cross_attention for part in (*paths, *([spec.mid] if spec.mid else [])))


@pytest.mark.thinned
@pytest.mark.parametrize("name", ["sdxl", "sd15", "dreamlite", "snapgen-t2i", "M/qk-norm-rope"])
def test_named_specs_run_on_meta_at_a_small_oblong_latent(name: str) -> None:
    spec = named_spec(name).replace(latent_size=16)
    with torch.device("meta"):
        inputs = example_inputs(spec)
        inputs["latents"] = torch.zeros(1, 4, 16, 8)
        assert UNet(spec)(**inputs).shape == (1, 4, 16, 8)


def test_submodules_are_named_as_the_plan_names_its_steps() -> None:
    unet = UNet(SMALL)
    for path, _ in plan(SMALL).steps():
        assert unet.get_submodule(path) is not None


@pytest.mark.parametrize("name", ["timesteps", "context", "pooled", "size_ids", "classes"])
def test_every_condition_changes_the_prediction(name: str) -> None:
    torch.manual_seed(0)
    unet, inputs = UNet(SMALL).eval(), random_inputs(SMALL)
    with torch.no_grad():
        before = unet(**inputs)
        after = unet(**{**inputs, name: inputs[name] + 1})
    assert (before - after).abs().max() > 1e-5


def test_rows_of_a_batch_do_not_see_one_another() -> None:
    torch.manual_seed(0)
    unet, inputs = UNet(SMALL).double().eval(), random_inputs(SMALL)
    inputs = {k: v if k == "classes" else v.double() for k, v in inputs.items()}
    with torch.no_grad():
        both = unet(**inputs)
        first = unet(**{name: value[:1] for name, value in inputs.items()})
    torch.testing.assert_close(both[:1], first)


def test_more_or_fewer_tokens_than_the_spec_says_are_fine() -> None:
    inputs = random_inputs(SMALL)
    inputs["context"] = torch.randn(2, 31, 12)
    assert UNet(SMALL)(**inputs).shape == (2, 4, 8, 8)


def test_examples_are_zeros_without_a_generator_and_repeat_with_one() -> None:
    assert not example_inputs(SMALL)["latents"].any()
    one, other = random_inputs(SMALL), random_inputs(SMALL)
    assert all(torch.equal(one[name], other[name]) for name in one)


Change = Callable[[dict[str, Any]], object]
WRONG: list[tuple[Change, str]] = [
    (lambda i: i.update(latents=torch.zeros(2, 3, 8, 8)), r"latents have shape \(2, 3, 8, 8\)"),
    (lambda i: i.update(latents=torch.zeros(4, 8, 8)), r"\(B, 4, H, W\) is needed"),
    (lambda i: i.update(latents=torch.zeros(2, 4, 8, 7)), "latents are 8×7; multiples of 2 are"),
    (lambda i: i.update(timesteps=torch.tensor(5.0)), r"timesteps have shape \(\); \(2,\) is"),
    (lambda i: i.update(timesteps=torch.zeros(3)), r"timesteps have shape \(3,\); \(2,\) is"),
    (lambda i: i.update(context=torch.zeros(2, 5, 9)), r"context has .* \(B, T, 12\) is needed"),
    (lambda i: i.update(context=torch.zeros(2, 12)), r"context has shape \(2, 12\)"),
    (lambda i: i.update(context=torch.zeros(1, 5, 12)), "context has 1 rows for 2 latents"),
    (lambda i: i.pop("pooled"), r"pooled is missing; this spec needs \(2, 6\)"),
    (lambda i: i.update(pooled=torch.zeros(2, 7)), r"pooled is of shape \(2, 7\); .* \(2, 6\)"),
    (lambda i: i.pop("size_ids"), "size_ids is missing"),
    (lambda i: i.update(size_ids=torch.zeros(1, 2)), r"size_ids is of shape \(1, 2\)"),
    (lambda i: i.pop("classes"), r"classes is missing; this spec needs \(2,\)"),
    (lambda i: i.update(classes=torch.zeros(1, dtype=torch.long)), r"classes is of shape \(1,\)"),
]


@pytest.mark.parametrize(("change", "message"), WRONG)
def test_a_wrong_input_is_named_with_the_shape_that_is_needed(change: Change, message: str) -> None:
    inputs: dict[str, Any] = random_inputs(SMALL)
    change(inputs)
    with pytest.raises(WalkbenchError, match=message):
        UNet(SMALL)(**inputs)


@pytest.mark.parametrize("name", ["pooled", "size_ids", "classes"])
def test_a_condition_the_spec_does_not_have_is_refused(name: str) -> None:
    spec = SMALL.replace(conditions=Conditions())
    inputs = {**random_inputs(spec), name: random_inputs(SMALL)[name]}
    with pytest.raises(WalkbenchError, match=f"{name} was given, but this spec has no such"):
        UNet(spec)(**inputs)
