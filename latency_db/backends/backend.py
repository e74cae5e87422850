"""`Backend`: one way of timing a block or a network on a device, and the registry of all of them.

A backend turns a subject into a runner; a runner takes samples. Everything else (warm-up, rounds,
chains, slopes, files) is the builder's and the same for all. :func:`register_backend` adds one;
:class:`latency_db.testing.LatencyBackendSuite` checks it.

>>> sorted(BACKENDS)
['coreai', 'coreml', 'coreml-iphone', 'onnxruntime', 'torch']
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol, cast, runtime_checkable

from latency_db.builder_chain import Subject
from latency_db.table_row import MeasuringConditions
from search_space.errors import WalkbenchError, raise_unknown


class CannotRun(WalkbenchError):
    """A block that a backend cannot run; measuring the others continues."""


@runtime_checkable
class Runner(Protocol):
    """A loaded graph."""

    @property
    def units_planned(self) -> str:
        """Compute units the runtime chose, such as ``ane`` or ``ane 90 %, CPU FALLBACK 10 %``."""

    def sample(self, count: int) -> list[float]:
        """Run ``count`` times and return the milliseconds of each run."""

    def close(self) -> None:
        """Free the graph."""


@runtime_checkable
class Backend(Protocol):
    """One way of timing blocks and networks."""

    @property
    def name(self) -> str:
        """Name on the command line."""

    @property
    def conditions(self) -> MeasuringConditions:
        """Conditions that all rows measured here share."""

    @property
    def copies(self) -> tuple[int, int]:
        """N1 and N2, the numbers of copies in the chains that suit the device."""

    @property
    def seconds_per_graph(self) -> float:
        """Rough seconds to make a graph ready, for predicting how long a measurement takes."""

    @property
    def rates(self) -> tuple[float, float]:
        """Rough MACs and moved values per second, to an order of magnitude, for the same."""

    def prepare(self, subject: Subject, copies: int) -> Runner:
        """Build, load and return a graph; raises :class:`CannotRun` for this subject alone."""

    def close(self) -> None:
        """Release the device."""


# Name on the command line: the class, or the module and the name of a class loaded on first use.
BACKENDS: dict[str, type[Backend] | tuple[str, str]] = {
    "onnxruntime": ("latency_db.backends.onnxruntime", "OnnxRuntimeBackend"),
    "torch": ("latency_db.backends.torch", "TorchBackend"),
    "coreai": ("latency_db.backends.coreai", "CoreAIBackend"),
    "coreml": ("latency_db.backends.coreml", "CoreMLBackend"),
    "coreml-iphone": ("latency_db.backends.coreml_iphone", "IPhoneBackend"),
}


def register_backend(kind: Any) -> Any:
    """Add the backend class ``kind`` under its ``name`` and return it; usable as a decorator.

    Raises :class:`WalkbenchError` when another backend has the name.
    """
    if BACKENDS.get(kind.name, kind) is not kind:
        raise WalkbenchError(f"a latency backend {kind.name!r} exists; give this one another name")
    BACKENDS[kind.name] = kind
    return kind


def backend_class(name: str) -> Any:
    """Return the class of the backend called ``name``, without trying whether it works here."""
    if name not in BACKENDS:
        raise_unknown("latency backend", name, BACKENDS)
    found = BACKENDS[name]
    return getattr(import_module(found[0]), found[1]) if isinstance(found, tuple) else found


def backend_of(name: str, **options: Any) -> Backend:
    """Return the backend called ``name``; raises :class:`WalkbenchError` when it cannot work here.

    Options are those of the backend's constructor; an unknown one is an error.
    """
    make = cast(Callable[..., Backend], backend_class(name))
    given = {key: value for key, value in options.items() if value is not None}
    try:
        return make(**given)
    except TypeError as error:
        if "unexpected keyword" not in str(error):
            raise
        option = str(error).rsplit(" ", 1)[-1]
        raise WalkbenchError(f"backend {name} has no option {option}; leave it out") from None
