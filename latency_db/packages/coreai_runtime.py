"""Core AI: convert a part of a network to an `.aimodel` and execute it. All that knows coreai.

Core AI is Apple's newer framework (iOS 27). Its packages are a beta (`walkbench[coreai]`, versions
pinned): the converter has no lowering for nearest-neighbour upsampling, so this module exports that
as two `repeat_interleave`; its interpreter runs programs on any system, far slower than a phone.
"""

import asyncio
import contextlib
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from search_space.errors import WalkbenchError
from search_space.modules import Resample

ENTRY = "main"
SUFFIX = ".aimodel"


class RepeatedResample(nn.Module):
    """`Resample` whose upsampling repeats rows and columns: the same values, other operators."""

    def __init__(self, resample: Resample):
        super().__init__()
        self.direction, self.has_conv = resample.direction, resample.has_conv
        if self.has_conv:
            self.conv = resample.conv

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) to (B, C, H/2, W/2) or (B, C, 2H, 2W)."""
        if self.direction == "up":
            x = x.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
        elif not self.has_conv:
            x = F.avg_pool2d(x, 2)
        return self.conv(x) if self.has_conv else x


def save(
    module: nn.Module, inputs: Mapping[str, Tensor], outputs: Sequence[str], path: Path
) -> None:
    """Convert ``module``, called with ``inputs`` by name, and write it to ``path`` (`.aimodel`).

    Raises :class:`WalkbenchError` for an operator that the converter does not know.
    """
    coreai_torch = _converter()
    _rewrite(module)
    try:
        with torch.no_grad(), _silent():
            exported = torch.export.export(module, (), kwargs=dict(inputs))
            exported = exported.run_decompositions(coreai_torch.get_decomp_table())
            made = coreai_torch.TorchConverter(mode=coreai_torch.TorchConverter.Mode.RELEASE)
            made.add_exported_program(
                exported,
                input_names=list(inputs),
                output_names=list(outputs),
                entrypoint_name=ENTRY,
            )
            made.to_coreai().save_asset(path)
    except (NotImplementedError, ValueError, TypeError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise WalkbenchError(f"Core AI cannot convert the network: {reason}") from None


def execute(path: Path, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Run a saved program in Core AI's interpreter and return its outputs by name."""
    asset = _asset(path)
    from coreai.runtime import NDArray

    async def run() -> dict[str, Tensor]:
        given = {name: NDArray(tensor.numpy()) for name, tensor in inputs.items()}
        async with asset.executable() as model:
            outputs = await model.load_function(ENTRY)(given)
        return {name: torch.from_numpy(value.numpy().copy()) for name, value in outputs.items()}

    with _silent():
        return asyncio.run(run())


def run_times(path: Path, inputs: Mapping[str, Tensor], runs: int, units: str) -> list[float]:
    """Return the milliseconds of each of ``runs`` executions, by Core AI's own benchmarker.

    It times operators where they run; a run's time is the sum over its operators. ``units`` is
    "default" or "cpu". macOS with `USE_OS_COREAI=1` only.
    """
    from coreai.runtime import SpecializationOptions

    program = _asset(path).program
    from coreai_torch.debugging.benchmarker import CoreAIBenchmarker

    kind = SpecializationOptions
    options = kind.cpu_only() if units == "cpu" else kind.default()
    benchmarker = CoreAIBenchmarker(program, ENTRY, specialization_options=options)
    given = {name: tensor.numpy() for name, tensor in inputs.items()}
    with _silent():
        result = asyncio.run(benchmarker.benchmark(given, num_runs=runs))
    return run_sums(result, runs)


def run_sums(result: Any, runs: int) -> list[float]:
    """Add the operators' milliseconds up run by run.

    Raises :class:`WalkbenchError` when a run lacks operators: the sum would be too small.
    """
    samples = [timing.measurement.samples for timing in result.operation_timings]
    if not samples or result.unattributed_samples or any(len(s) != runs for s in samples):
        raise WalkbenchError(
            f"Core AI's benchmarker named {len(samples)} operators in {runs} runs and left "
            f"{result.unattributed_samples} times unnamed; their sum is no time of the whole"
        )
    return [float(sum(times)) for times in zip(*samples, strict=True)]


def can_measure() -> bool:
    """Whether Core AI's runtime of the system, which alone has compute units, can be used here."""
    try:
        from coreai.runtime import SpecializationOptions
    except ImportError:
        return False
    return bool(SpecializationOptions.is_supported())


def _asset(path: Path) -> Any:
    _converter()
    from coreai.authoring import AIModelAsset

    return AIModelAsset.load(path)


@cache
def _converter() -> Any:
    try:
        import coreai_torch
    except ImportError:
        raise WalkbenchError(
            "Core AI needs the coreai extra; pip install 'walkbench[coreai]'"
        ) from None
    return coreai_torch


def _rewrite(module: nn.Module) -> None:
    for name, child in module.named_children():
        if isinstance(child, Resample):
            setattr(module, name, RepeatedResample(child))
        else:
            _rewrite(child)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Keep what converter and runtime write off the terminal, native code included."""
    with contextlib.ExitStack() as stack:
        sink = stack.enter_context(open(os.devnull, "w", encoding="utf-8"))
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        for number in (1, 2):
            stack.callback(_restore, os.dup(number), number)
            os.dup2(sink.fileno(), number)
        stack.enter_context(contextlib.redirect_stdout(sink))
        stack.enter_context(contextlib.redirect_stderr(sink))
        yield


def _restore(saved: int, number: int) -> None:
    os.dup2(saved, number)
    os.close(saved)
