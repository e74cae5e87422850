"""Every difference to another tool is accounted for, to the last unit."""

import sys
from dataclasses import replace
from typing import Any

import pytest
import torch
from hypothesis import given, settings

from search_space.cost import cost
from search_space.cost_table import cost_rows
from search_space.crosscheck import _extend, crosscheck
from search_space.errors import WalkbenchError
from search_space.modules.network import example_inputs
from search_space.presets import named_spec
from search_space.spec import Conditions, UNetSpec
from search_space.unet import UNet
from tests.search_space.strategies import specs


def narrow(name: str, **changes: Any) -> UNetSpec:
    """The spec called ``name`` with the same blocks, narrower, at a small latent."""
    spec = named_spec(name)
    stages = [
        replace(s, channels=16 * (i + 1), heads=2, head_dim=8, kv_heads=min(s.kv_heads, 2))
        for i, s in enumerate(spec.stages)
    ]
    return spec.replace(stages=tuple(stages), norm_groups=8, latent_size=16, **changes)


SNAPGEN = narrow("snapgen-t2i")


@pytest.fixture(autouse=True)
def tools() -> None:
    pytest.importorskip("fvcore")
    pytest.importorskip("thop")


@pytest.mark.parametrize(
    "spec",
    [
        SNAPGEN,
        narrow("sd21"),
        narrow("dreamlite", qk_norm="layer"),
        narrow("M/mqa", sampler="none", conditions=Conditions(classes=10)),
    ],
)
@pytest.mark.slow
def test_every_difference_is_accounted_for(spec: UNetSpec) -> None:
    rows = {row.tool: row for row in crosscheck(spec)}
    for row in rows.values():
        assert row.macs - cost(spec).macs == row.difference
        assert "not accounted for" not in row.reason
    assert rows["torch FlopCounterMode"].difference == 0
    assert rows["fvcore with an attention handle"].difference > 0  # norms, resizing
    assert rows["fvcore"].difference < 0  # no attention
    assert rows["thop"].difference < 0


@pytest.mark.slow
def test_fvcore_on_the_real_module_says_what_three_small_latents_say() -> None:
    from fvcore.nn import FlopCountAnalysis

    rows = {row.tool: row for row in crosscheck(SNAPGEN)}
    inputs = tuple(example_inputs(SNAPGEN).values())
    with torch.no_grad():
        analysis = FlopCountAnalysis(UNet(SNAPGEN).eval(), inputs)
        counted = analysis.unsupported_ops_warnings(False).tracer_warnings("none").total()
    assert rows["fvcore"].macs == counted


def test_three_points_give_a_quadratic_everywhere() -> None:
    points = {x: 3 + 5 * x + 7 * x * x for x in (16, 64, 144)}
    assert _extend(points, 16384) == 3 + 5 * 16384 + 7 * 16384**2


@pytest.mark.parametrize("missing", ["fvcore.nn", "thop.profile"])
def test_a_missing_tool_is_named_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(WalkbenchError, match=r"pip install walkbench\[crosscheck\]"):
        crosscheck(SNAPGEN)


@given(specs())
@settings(max_examples=10)
def test_rows_of_blocks_sum_to_the_cost_of_any_spec(spec: UNetSpec) -> None:
    rows, total = cost_rows(spec), cost(spec)
    for field in ("params", "macs", "weight_bytes", "activation_bytes"):
        assert sum(getattr(row, field) for row in rows) == getattr(total, field)
    assert len({row.block for row in rows}) == len(rows)
