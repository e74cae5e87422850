"""Timing in Core AI with coreai-torch's own benchmarker, on this Mac.

Core AI is Apple's newer framework; its packages are a beta (`walkbench[coreai]`). The benchmarker
needs the runtime of macOS 27, which it uses under `USE_OS_COREAI=1`; it times operators where they
run and does not say on which unit, so "planned" is what was asked. Nothing of this has been run on
hardware: the tests hold it against the signatures and results of the real benchmarker.

>>> CoreAIBackend.copies
(2, 8)
"""

import hashlib
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn

from latency_db.backends.backend import CannotRun
from latency_db.backends.coreml import default_folder
from latency_db.backends.host import cpu_name, os_name, versions
from latency_db.builder_chain import CHAIN_FORMAT, Subject, key_of, program_of
from latency_db.packages import coreai_runtime
from latency_db.table_row import MeasuringConditions
from search_space.errors import WalkbenchError, raise_unknown

UNITS = ("default", "cpu")
PRECISIONS = ("fp16", "fp32")


class CoreAIBackend:
    """Core AI on this Mac."""

    name = "coreai"
    copies = (2, 8)  # as for Core ML: a call costs far more than a block
    seconds_per_graph = 5.0
    rates = (2e12, 1e10)

    def __init__(
        self,
        units: str = "default",
        precision: Literal["fp16", "fp32"] = "fp16",
        batch: int = 1,
        folder: Path | None = None,
    ):
        if units not in UNITS:
            raise_unknown("compute units", units, UNITS)
        if precision not in PRECISIONS:
            raise_unknown("Core AI precision", precision, PRECISIONS)
        if find_spec("coreai_torch") is None:
            raise WalkbenchError(
                "backend coreai needs the coreai extra; pip install 'walkbench[coreai]'"
            )
        if not coreai_runtime.can_measure():
            raise WalkbenchError(
                "backend coreai needs macOS 27 and the system's Core AI: set USE_OS_COREAI=1 "
                "there; here its interpreter only checks programs (`walkbench export --coreai`)"
            )
        self._units, self._precision, self._batch = units, precision, batch
        self._folder = folder or default_folder().with_name("coreai")
        self.conditions = MeasuringConditions(
            device=cpu_name(),
            os=os_name(),
            runtime="coreai",
            units_asked=units,
            precision=precision,
            threads=0,
            batch=batch,
            versions=versions("coreai-torch", "coreai-core", "torch"),
        )

    def prepare(self, subject: Subject, copies: int) -> "_Runner":
        """Convert unless the folder has it, and return the program."""
        program = program_of(subject, copies, self._batch)
        module = _ByName(program.module)
        inputs = {f"input_{i}": tensor for i, tensor in enumerate(program.inputs)}
        if self._precision == "fp16":
            module.half()
            inputs = {n: t.half() if t.is_floating_point() else t for n, t in inputs.items()}
        count = _outputs(module, inputs)
        said = f"{key_of(subject)}|{copies}|{self._batch}|{self._precision}|{CHAIN_FORMAT}"
        said += f"|{self.conditions.versions}"
        digest = hashlib.sha256(said.encode()).hexdigest()[:24]
        path = self._folder / f"{digest}{coreai_runtime.SUFFIX}"
        if not path.exists():
            self._folder.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}")
            try:
                names = [f"output_{i}" for i in range(count)]
                coreai_runtime.save(module, inputs, names, partial)
            except WalkbenchError as error:
                raise CannotRun(f"{key_of(subject)!r}: {error}") from None
            partial.replace(path)
        return _Runner(path, inputs, self._units)

    def close(self) -> None:
        """Nothing is held between runners."""


class _ByName(nn.Module):
    """A module of positional tensors, called by name; always gives a tuple."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, **tensors: Tensor) -> tuple[Tensor, ...]:
        out: Any = self.module(*tensors.values())
        return (out,) if isinstance(out, Tensor) else tuple(out)


class _Runner:
    """A saved program; samples come from coreai-torch's benchmarker, in milliseconds."""

    def __init__(self, path: Path, inputs: Mapping[str, Tensor], units: str):
        self.units_planned = units
        self._path, self._inputs = path, inputs

    def sample(self, count: int) -> list[float]:
        """Return ``count`` execution times."""
        return coreai_runtime.run_times(self._path, self._inputs, count, self.units_planned)

    def close(self) -> None:
        """Nothing is loaded between samples."""


def _outputs(module: nn.Module, inputs: Mapping[str, Tensor]) -> int:
    """How many tensors the module gives, from running it once."""
    import torch

    with torch.no_grad():
        return len(module(**inputs))
