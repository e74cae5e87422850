"""Timing in Core ML with coremltools' own benchmarker, on this Mac or on a given device.

coremltools (8.3 and newer, macOS only) loads a model, times predictions where they happen, and
tells which compute unit each operator was planned for. Nothing of that is done again here; this
module converts the block, asks, and writes down the plan: an operator that was meant for the Neural
Engine and runs elsewhere can cost ten times as much, so it is marked loudly.

>>> describe_plan([("ane", 0.9), ("cpu", 0.1)], wants_ane=True)
'CPU FALLBACK 10 %, ane 90 %'
>>> describe_plan([("gpu", 1.0)], wants_ane=False)
'gpu 100 %'
"""

import asyncio
import os
import platform
from collections.abc import Awaitable, Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from latency_db.backends.backend import CannotRun, Runner
from latency_db.backends.coreml_export import Recipe, coremltools, export_one, package_path, quiet
from latency_db.backends.host import cpu_name, versions
from latency_db.builder_chain import Subject, key_of
from latency_db.packages.network_packages import export_network, network_folder
from latency_db.table_row import NOT_RECORDED, MeasuringConditions
from search_space.blocks import Block
from search_space.errors import WalkbenchError, raise_unknown

T = TypeVar("T")
UNITS = {"all": "ALL", "cpu-and-ne": "CPU_AND_NE", "cpu-and-gpu": "CPU_AND_GPU", "cpu": "CPU_ONLY"}
_DEVICES = {
    "MLNeuralEngineComputeDevice": "ane",
    "MLGPUComputeDevice": "gpu",
    "MLCPUComputeDevice": "cpu",
}


class CoreMLBackend:
    """Core ML on this Mac."""

    name = "coreml"
    copies = (2, 8)  # a call costs far more than a block: longer chains than on a CPU
    seconds_per_graph = 5.0
    rates = (2e12, 1e10)  # an iPhone's Neural Engine: 2 TMAC/s, 20 GB/s of 2-byte values

    def __init__(self, units: str = "all", folder: Path | None = None, **recipe: Any):
        """``recipe`` is what :class:`Recipe` takes: target, precision, layout, batch."""
        require_mac(self.name)
        self._session = Session(None, units, Recipe(**recipe), folder)
        self.conditions = self._session.conditions(cpu_name(), _mac_os())

    def prepare(self, subject: Subject, copies: int) -> Runner:
        """Convert, load and return the graph."""
        return self._session.prepare(subject, copies)

    def close(self) -> None:
        """End the event loop."""
        self._session.close()


class Session:
    """One device (None: this Mac), one recipe, and the event loop that coremltools wants."""

    def __init__(self, device: Any, units: str, recipe: Recipe, folder: Path | None):
        if units not in UNITS:
            raise_unknown("compute units", units, UNITS)
        self.device, self.units, self.recipe = device, units, recipe
        self._folder = folder or default_folder()
        self._loop = asyncio.Runner()

    def conditions(self, device: str, os_version: str) -> MeasuringConditions:
        """Conditions that all rows of this session share."""
        return MeasuringConditions(
            device=device,
            os=os_version,
            runtime="coreml",
            units_asked=self.units,
            precision=self.recipe.precision,
            threads=0,
            batch=self.recipe.batch,
            options=str(self.recipe),
            versions=versions("coremltools", "torch"),
        )

    def prepare(self, subject: Subject, copies: int) -> Runner:
        """Convert unless the folder has it, load it on the device, read its plan.

        A whole network may be several programs.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        if not isinstance(subject, Block):
            notes = export_network(subject, self._folder, self.recipe)
            where = network_folder(subject, self._folder, self.recipe)
            return InTurn([self._load(where / n["file"], key_of(subject)) for n in notes])
        refused = export_one(subject, copies, self._folder, self.recipe)
        if refused is not None:
            raise CannotRun(refused)
        path = package_path(subject, copies, self._folder, self.recipe)
        return self._load(path, key_of(subject))

    def _load(self, path: Path, key: str) -> "Timed":
        """Load one package on the device and read its plan."""
        ct = coremltools()
        units = getattr(ct.ComputeUnit, UNITS[self.units])
        from coremltools.models.ml_program.experimental.perf_utils import MLModelBenchmarker

        try:
            with quiet():
                model = ct.models.MLModel(str(path), compute_units=units, skip_model_load=True)
                benchmarker = MLModelBenchmarker(model, self.device)
            planned = self.run(self._plan(path, units))
        except Exception as error:
            raise device_error(error, key) from None
        return Timed(self, benchmarker, planned, key)

    def run(self, work: Awaitable[T]) -> T:
        """Wait for a coroutine of coremltools."""
        return self._loop.run(work)  # type: ignore[arg-type]

    def close(self) -> None:
        """End the event loop."""
        self._loop.close()

    async def _plan(self, path: Path, units: Any) -> str:
        """Compile, load the compute plan from the device, and describe it."""
        ct = coremltools()
        from coremltools.models.ml_program.experimental import compute_plan_utils

        compiled = ct.models.utils.compile_model(str(path))
        plan = await compute_plan_utils.load_compute_plan_from_path_on_device(
            path=compiled, compute_units=units, device=self.device
        )
        return describe_plan(shares(plan), wants_ane=self.units in ("all", "cpu-and-ne"))


class Timed:
    """A loaded graph; samples come from coremltools' benchmarker, in milliseconds."""

    def __init__(self, session: Session, benchmarker: Any, planned: str, key: str):
        self.units_planned = planned
        self._session, self._benchmarker, self._key = session, benchmarker, key

    def sample(self, count: int) -> list[float]:
        """Return ``count`` prediction times, measured on the device."""
        try:
            measured = self._session.run(
                self._benchmarker.benchmark_predict(iterations=count, warmup=True)
            )
        except Exception as error:
            raise device_error(error, self._key) from None
        return [float(ms) for ms in measured.samples]

    def close(self) -> None:
        """Unload the graph from the device, if it was ever loaded."""
        loaded, self._benchmarker._loaded_model = self._benchmarker._loaded_model, None
        if loaded is not None:
            self._session.run(loaded.unload())


class InTurn:
    """The programs of one network, timed one after the other: a run is the sum of its programs."""

    def __init__(self, programs: Sequence[Timed]):
        self._programs = programs
        self.units_planned = "; ".join(dict.fromkeys(p.units_planned for p in programs))

    def sample(self, count: int) -> list[float]:
        """Return ``count`` times of the network."""
        times = [program.sample(count) for program in self._programs]
        return [sum(run) for run in zip(*times, strict=True)]

    def close(self) -> None:
        """Unload every program."""
        for program in self._programs:
            program.close()


def shares(plan: Any) -> list[tuple[str, float]]:
    """Return, per operator of a compute plan, its preferred unit and its share of the cost."""
    out = []
    for operation in plan.model_structure.program.functions["main"].block.operations:
        usage = plan.get_compute_device_usage_for_mlprogram_operation(operation)
        if usage is None:
            continue  # constants run nowhere
        kind = type(usage.preferred_compute_device).__name__
        cost = plan.get_estimated_cost_for_mlprogram_operation(operation)
        out.append((_DEVICES.get(kind, kind), 1.0 if cost is None else float(cost.weight)))
    return out


def describe_plan(parts: Iterable[tuple[str, float]], wants_ane: bool) -> str:
    """Say in words which units were planned, with a loud mark on what left the Neural Engine."""
    total: dict[str, float] = {}
    for unit, share in parts:
        total[unit] = total.get(unit, 0.0) + share
    whole = sum(total.values())
    if not whole:
        return NOT_RECORDED
    words = []
    for unit, share in sorted(total.items(), key=lambda item: (item[0] == "ane", -item[1])):
        fallback = wants_ane and unit != "ane"
        name = f"{unit.upper()} FALLBACK" if fallback else unit
        words.append(f"{name} {share / whole:.0%}".replace("%", " %"))
    return ", ".join(words)


def require_mac(backend: str) -> None:
    """Raise :class:`WalkbenchError` unless this is macOS with coremltools installed."""
    if platform.system() != "Darwin":
        raise WalkbenchError(
            f"backend {backend} needs macOS: Core ML runs nowhere else; here use `walkbench "
            "latency export` and measure the packages on a Mac, or --backend onnxruntime"
        )
    if find_spec("coremltools") is None:
        raise WalkbenchError(
            f"backend {backend} needs the coreml extra; pip install 'walkbench[coreml]'"
        )


def device_error(error: Exception, key: str) -> WalkbenchError:
    """Turn what coremltools raised into a line that says what to do next."""
    text = getattr(error, "message", None) or str(error) or type(error).__name__
    text = text.decode(errors="replace") if isinstance(text, bytes) else str(text)
    first = text.strip().splitlines()[0] if text.strip() else type(error).__name__
    low = text.lower()
    if isinstance(error, WalkbenchError):
        return error
    if "locked" in low or "passcode" in low:
        return WalkbenchError(
            "the phone is locked; unlock it, set Auto-Lock to Never, and go on with --resume"
        )
    if "developer mode" in low:
        return WalkbenchError(
            "the phone is not in developer mode; switch it on under Settings › Privacy & Security, "
            "restart the phone, and go on with --resume"
        )
    lost = ("disconnected", "not connected", "no longer", "timed out", "tunnel", "does not exist")
    if type(error).__name__ == "_DeviceCtlError" or any(word in low for word in lost):
        return WalkbenchError(
            f"the phone cannot be reached ({first}); attach it by cable, unlock it, keep the test "
            "app in front, and go on with --resume"
        )
    return CannotRun(f"Core ML cannot run {key!r}: {first}")


def default_folder() -> Path:
    """Return the folder of converted blocks: under XDG_CACHE_HOME or ~/.cache."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "walkbench" / "coreml"


def _mac_os() -> str:
    return f"macOS {platform.mac_ver()[0]} {platform.machine()}"
