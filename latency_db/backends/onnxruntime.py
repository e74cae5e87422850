"""Timing in ONNX Runtime, on this machine's CPU or a CUDA device.

Graphs are exported once and kept in a folder, so that a second pass and a resumed run only load
them. Inputs and outputs are bound to memory of their own before the clock starts: no copy to or
from NumPy is timed.

Optimisation is ONNX Runtime's default, all of it. Its last level lays tensors out in channel blocks
across the borders of blocks; on three networks set aside for choosing, sums held as well with it as
without.

>>> from search_space.blocks import ConvIn
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     runner = OnnxRuntimeBackend(cache=Path(folder)).prepare(ConvIn(4, 8, 16), copies=2)
...     len(runner.sample(3))
3
"""

import hashlib
import logging
import os
import warnings
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from latency_db.backends.backend import CannotRun
from latency_db.backends.host import ColdWeights, cpu_name, milliseconds, os_name, versions
from latency_db.builder_chain import CHAIN_FORMAT, Subject, key_of, program_of
from latency_db.table_row import MeasuringConditions
from search_space.atomic import atomic_write
from search_space.blocks import Block
from search_space.cost import block_cost
from search_space.errors import WalkbenchError, raise_unknown
from search_space.modules.network import example_inputs
from search_space.network import build_network
from search_space.trace import trace

LEVELS = {"none": "DISABLE_ALL", "basic": "BASIC", "extended": "EXTENDED", "all": "ALL"}
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


def default_cache() -> Path:
    """Return the folder of exported graphs: under XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "walkbench" / "onnx"


class OnnxRuntimeBackend:
    """ONNX Runtime with ``threads`` threads inside an operator and one operator at a time."""

    name = "onnxruntime"
    copies = (1, 4)
    seconds_per_graph = 1.0
    rates = (3e10, 1e9)  # one core of a laptop's processor

    def __init__(
        self,
        device: str = "cpu",
        threads: int = 1,
        batch: int = 1,
        optimise: str = "all",
        cold: bool = True,
        cache: Path | None = None,
    ):
        runtime = _runtime()
        if device not in PROVIDERS:
            raise_unknown("ONNX Runtime device", device, PROVIDERS)
        if PROVIDERS[device] not in runtime.get_available_providers():
            raise WalkbenchError(
                f"this onnxruntime has no {PROVIDERS[device]}; install onnxruntime-gpu or use "
                "--device cpu"
            )
        if optimise not in LEVELS:
            raise_unknown("optimisation level", optimise, LEVELS)
        self._provider, self._threads, self._batch = PROVIDERS[device], threads, batch
        self._level, self._cache = optimise, cache or default_cache()
        self._cold = cold and device == "cpu"
        where = cpu_name()
        if device == "cuda":
            import torch

            where = torch.cuda.get_device_name()
        self.conditions = MeasuringConditions(
            device=where,
            os=os_name(),
            runtime="onnxruntime",
            units_asked=device,
            precision="fp32",
            threads=threads,
            batch=batch,
            options=f"optimise {optimise}, weights {'cold' if cold else 'warm'}",
            versions=versions("onnxruntime", "torch"),
        )

    def prepare(self, subject: Subject, copies: int) -> "_Runner":
        """Load the graph, exporting it first where the cache lacks it."""
        path = self.export(subject, copies)
        return _Runner(self._session(path), self._provider, self._cold)

    def export(self, subject: Subject, copies: int) -> Path:
        """Return the ONNX file of ``copies`` of ``subject``, made now if it is not there."""
        text = f"{key_of(subject)}|{copies}|{self._batch}|{_operators(subject)}"
        path = self._cache / f"{hashlib.sha256(text.encode()).hexdigest()[:24]}.onnx"
        if not path.exists():
            _export(subject, copies, self._batch, path)
        return path

    def close(self) -> None:
        """Nothing is held between runners."""

    def _session(self, path: Path) -> Any:
        runtime = _runtime()
        options = runtime.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = getattr(
            runtime.GraphOptimizationLevel, f"ORT_{_enabled(self._level)}"
        )
        options.log_severity_level = 3  # errors only
        try:
            return runtime.InferenceSession(str(path), options, providers=[self._provider])
        except Exception as error:
            path.unlink(missing_ok=True)  # a graph that cannot be loaded is exported anew
            reason = str(error).strip().splitlines()[0]
            raise CannotRun(f"onnxruntime cannot load {path.name}: {reason}") from None


class _Runner:
    def __init__(self, session: Any, provider: str, cold: bool):
        runtime = _runtime()
        self.units_planned = "cpu" if provider == PROVIDERS["cpu"] else "cuda"
        self._session, self._binding = session, session.io_binding()
        self._inputs = []  # ONNX Runtime reads these arrays in place on a CPU
        random = np.random.default_rng(0)
        for wanted in session.get_inputs():
            if wanted.type == "tensor(float)":
                value = random.standard_normal(wanted.shape).astype(np.float32)
            else:
                value = np.zeros(wanted.shape, np.int64)
            self._inputs.append(value)
            memory = runtime.OrtValue.ortvalue_from_numpy(value, self.units_planned, 0)
            self._binding.bind_ortvalue_input(wanted.name, memory)
        for given in session.get_outputs():
            memory = runtime.OrtValue.ortvalue_from_shape_and_type(
                given.shape, np.float32, self.units_planned, 0
            )
            self._binding.bind_ortvalue_output(given.name, memory)
        self._before = ColdWeights(self._inputs) if cold else None
        self._run()

    def sample(self, count: int) -> list[float]:
        """Wall time of running the bound graph."""
        return milliseconds(self._run, count, self._before)

    def close(self) -> None:
        """Free the session and its memory."""
        del self._binding, self._session

    def _run(self) -> None:
        self._binding.synchronize_inputs()
        self._session.run_with_iobinding(self._binding)
        self._binding.synchronize_outputs()


def _runtime() -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise WalkbenchError(
            "backend onnxruntime needs the onnx extra; pip install 'walkbench[onnx]'"
        ) from None
    return onnxruntime


def _enabled(level: str) -> str:
    return LEVELS[level] if level == "none" else f"ENABLE_{LEVELS[level]}"


def _export(subject: Subject, copies: int, batch: int, path: Path) -> None:
    import torch

    program = program_of(subject, copies, batch)
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)  # it lists torchvision operators that nobody asked for
    try:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore")
            made = torch.onnx.export(program.module, program.inputs, dynamo=True, verbose=False)
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise CannotRun(f"torch.onnx cannot export {key_of(subject)!r}: {reason}") from None
    finally:
        log.setLevel(before)
    assert made is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        made.save(str(partial))


@lru_cache(maxsize=1 << 12)
def _operators(subject: Subject) -> str:
    """Name what a subject computes: a change of its modules makes the kept graphs stale."""
    import torch

    if isinstance(subject, Block):
        ops = block_cost(subject).ops
    else:
        with torch.device("meta"):
            ops = trace(build_network(subject), **example_inputs(subject)).ops
    text = f"{ops}|{CHAIN_FORMAT}|{versions('torch', 'onnxscript')}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]
