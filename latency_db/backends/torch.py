"""Timing in torch itself, eager, on this machine's CPU or a CUDA device.

Eager torch pays for every operator it starts, so small blocks cost more than in a compiled runtime;
the table says so by its runtime. On CUDA each run is timed by events on the device.

>>> from search_space.blocks import ConvIn
>>> runner = TorchBackend().prepare(ConvIn(4, 8, 16), copies=2)
>>> len(runner.sample(3))
3
"""

import torch

from latency_db.backends.backend import CannotRun
from latency_db.backends.host import ColdWeights, cpu_name, milliseconds, os_name, versions
from latency_db.builder_chain import Program, Subject, key_of, program_of
from latency_db.table_row import MeasuringConditions
from search_space.errors import WalkbenchError

DTYPES = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


class TorchBackend:
    """Eager torch on ``device`` ("cpu" or "cuda"), with ``threads`` threads on a CPU."""

    name = "torch"
    copies = (1, 4)
    seconds_per_graph = 0.05
    rates = (3e10, 1e9)  # one core of a laptop's processor

    def __init__(
        self,
        device: str = "cpu",
        threads: int = 1,
        precision: str = "fp32",
        batch: int = 1,
        cold: bool = True,
    ):
        if device not in ("cpu", "cuda"):
            raise WalkbenchError(f"torch device {device!r} is not one of cpu, cuda")
        if device == "cuda" and not torch.cuda.is_available():
            raise WalkbenchError("no CUDA device is visible to torch; use --device cpu")
        if precision not in DTYPES:
            raise WalkbenchError(f"precision {precision!r} is not one of {', '.join(DTYPES)}")
        self._device, self._dtype, self._batch = device, DTYPES[precision], batch
        self._cold = cold and device == "cpu"
        torch.set_num_threads(threads)
        where = cpu_name() if device == "cpu" else torch.cuda.get_device_name()
        self.conditions = MeasuringConditions(
            device=where,
            os=os_name(),
            runtime="torch",
            units_asked=device,
            precision=precision,
            threads=threads if device == "cpu" else 0,
            batch=batch,
            options=f"eager, weights {'cold' if cold else 'warm'}",
            versions=versions("torch"),
        )

    def prepare(self, subject: Subject, copies: int) -> "_Runner":
        """Return the module, warm on the device."""
        try:
            program = program_of(subject, copies, self._batch)
            return _Runner(program, self._device, self._dtype, self._cold)
        except RuntimeError as error:  # an operator that the precision or the device lacks
            reason = str(error).strip().splitlines()[0]
            raise CannotRun(f"torch cannot run {key_of(subject)!r}: {reason}") from None

    def close(self) -> None:
        """Free what CUDA keeps."""
        if self._device == "cuda":
            torch.cuda.empty_cache()


class _Runner:
    def __init__(self, program: Program, device: str, dtype: torch.dtype, cold: bool):
        self.units_planned = device
        self._cuda = device == "cuda"
        self._module = program.module.to(device=device, dtype=dtype)
        self._inputs = [
            t.to(device, dtype if t.is_floating_point() else t.dtype) for t in program.inputs
        ]
        arrays = [t.view(torch.uint8).numpy() for t in self._inputs if t.dim()] if cold else []
        self._before = ColdWeights(arrays) if cold else None
        self._run()

    def sample(self, count: int) -> list[float]:
        """Wall time on a CPU, time between events on CUDA."""
        if not self._cuda:
            return milliseconds(self._run, count, self._before)
        marks = []
        for _ in range(count):
            start = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            end = torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
            start.record()
            self._run()
            end.record()
            marks.append((start, end))
        torch.cuda.synchronize()
        return [float(start.elapsed_time(end)) for start, end in marks]

    def close(self) -> None:
        """Drop the module."""
        del self._module, self._inputs

    def _run(self) -> None:
        with torch.inference_mode():
            self._module(*self._inputs)
