"""Shapes worked out by rule are torch's own, to the stride, and nothing else is answered."""

import subprocess
import sys
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from search_space import trace as tracing
from search_space.meta_outputs import quick_output
from search_space.modules import block_inputs, build
from search_space.modules.network import example_inputs
from search_space.plan import plan
from search_space.presets import all_named
from search_space.spec import UNetSpec
from search_space.trace import trace
from search_space.unet import UNet
from tests.search_space.strategies import specs


class Compare(TorchDispatchMode):
    """Asks both torch and the rules, and fails where they differ."""

    def __init__(self) -> None:
        super().__init__()
        self.answered: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func.overloadpacket.__name__
        quick, slow = quick_output(name, args, kwargs), func(*args, **(kwargs or {}))
        if quick is not None:
            self.answered.add(name)
            given, expected = ([t] if isinstance(t, Tensor) else list(t) for t in (quick, slow))
            assert [facts(t) for t in given] == [facts(t) for t in expected], name
        return slow


def facts(t: Tensor) -> tuple[object, ...]:
    return (
        t.shape,
        [s for s, n in zip(t.stride(), t.shape, strict=True) if n > 1],
        t.dtype,
        t.device,
    )


@pytest.mark.slow
def test_rules_say_what_torch_says_for_every_block_of_every_named_spec() -> None:
    blocks = {step.block for spec in all_named().values() for _, step in plan(spec).steps()}
    with torch.device("meta"), torch.no_grad(), Compare() as both:
        for block in blocks:
            build(block)(**block_inputs(block))
    assert {"native_group_norm", "native_layer_norm", "addmm", "cat", "add"} <= both.answered


@pytest.mark.slow
@given(specs())
@settings(max_examples=6)
def test_rules_say_what_torch_says_for_any_spec(spec: UNetSpec) -> None:
    with torch.device("meta"), torch.no_grad(), Compare():
        UNet(spec)(**example_inputs(spec))


@pytest.mark.parametrize("name", ["sd15", "M/snapgen"])
def test_a_trace_is_the_same_without_the_rules(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with torch.device("meta"):
        unet, inputs = UNet(all_named()[name]), example_inputs(all_named()[name])
    quick = trace(unet, **inputs)
    monkeypatch.setattr(tracing, "quick_output", lambda *_: None)
    assert trace(unet, **inputs) == quick


X = torch.zeros(2, 4, 6, device="meta")


@pytest.mark.parametrize(
    "call",
    [
        lambda: X.transpose(0, 1) + torch.zeros(4, 2, 6, device="meta"),
        lambda: torch.zeros(4, 2, 6, device="meta") + X.transpose(0, 1),
        lambda: X.permute(2, 0, 1) * X.permute(2, 0, 1),
        lambda: X[..., ::2] * 2,
        lambda: X.expand(3, 2, 4, 6) - 1,
        lambda: X[:, :1].expand(2, 4, 6) / X.flip(0),
        lambda: torch.zeros(6, device="meta") + X,
        lambda: torch.zeros(2, 1, 1, device="meta") * torch.zeros(4, 6, device="meta"),
        lambda: torch.zeros(2, 3, 5, 5, device="meta").to(memory_format=torch.channels_last) + 1,
        lambda: X + torch.tensor(1.0),
        lambda: X.half() + X,
        lambda: X.int() * 2,
        lambda: X.int() / 2,
        lambda: X * True,
        lambda: X[:0] + 1,
        lambda: torch.cat([X, X[:, :1]], dim=-2),
        lambda: torch.cat([X.half(), X], dim=0),
        lambda: torch.cat([X.transpose(0, 1), X.transpose(0, 1)]),
        lambda: torch.arange(3, 10, 2, device="meta", dtype=torch.float32),
        lambda: torch.arange(7, device="meta"),
    ],
)
def test_unusual_operands_get_torchs_strides_or_no_answer(call: Any) -> None:
    with Compare():
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda: X + torch.zeros(5, device="meta"),
        lambda: torch.cat([X, torch.zeros(1, 3, 6, device="meta")]),
        lambda: torch.addmm(
            torch.zeros(5, device="meta"),
            torch.zeros(2, 3, device="meta"),
            torch.zeros(4, 5, device="meta"),
        ),
    ],
)
def test_operands_that_do_not_fit_still_fail(call: Any) -> None:
    class Module(torch.nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            result: Tensor = call()
            return result

    with pytest.raises(tracing.WalkbenchError, match="Module cannot be traced on meta"):
        trace(Module(), X)


@pytest.mark.slow
def test_pricing_sdxl_does_not_import_torchs_compiler() -> None:
    code = (
        "import sys, search_space.cost as c, search_space.presets as p;"
        "c.cost(p.named_spec('sdxl')); print('torch._dynamo' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
