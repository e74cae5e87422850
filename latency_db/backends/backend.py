"""`Backend`: one way of timing a block or a network on a device, and the names of all of them.

A backend turns a subject into a runner; a runner gives samples. Everything else (warm-up, rounds,
chains, slopes, files) is the builder's and the same for all.

>>> sorted(BACKENDS)
['coreml', 'coreml-iphone', 'onnxruntime', 'torch']
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any, Protocol, cast, runtime_checkable

from latency_db.builder_chain import Subject
from latency_db.table_row import Conditions
from search_space.errors import WalkbenchError, raise_unknown


class CannotRun(WalkbenchError):
    """A block that a backend cannot run; the others go on."""


@runtime_checkable
class Runner(Protocol):
    """A graph that is loaded and ready."""

    @property
    def units_planned(self) -> str:
        """Compute units the runtime chose, such as ``ane`` or ``ane 90 %, CPU FALLBACK 10 %``."""

    def sample(self, count: int) -> list[float]:
        """Run ``count`` times and return the milliseconds of each run."""

    def close(self) -> None:
        """Free the graph."""


@runtime_checkable
class Backend(Protocol):
    """One way of timing."""

    @property
    def name(self) -> str:
        """The name on the command line."""

    @property
    def conditions(self) -> Conditions:
        """What every row measured here has in common."""

    @property
    def copies(self) -> tuple[int, int]:
        """N1 and N2 of the chains that suit the device."""

    @property
    def seconds_per_graph(self) -> float:
        """Rough time to make a graph ready, for telling how long a measurement will take."""

    def prepare(self, subject: Subject, copies: int) -> Runner:
        """Build, load and return a graph; raises :class:`CannotRun` for this subject alone."""

    def close(self) -> None:
        """Let the device go."""


# Name on the command line: module that adapts the runtime, and the class in it.
BACKENDS: dict[str, tuple[str, str]] = {
    "onnxruntime": ("latency_db.backends.onnxruntime", "OnnxRuntimeBackend"),
    "torch": ("latency_db.backends.torch", "TorchBackend"),
    "coreml": ("latency_db.backends.coreml", "CoreMLBackend"),
    "coreml-iphone": ("latency_db.backends.coreml_iphone", "IPhoneBackend"),
}


def backend_class(name: str) -> Any:
    """Return the class of the backend called ``name``, without trying whether it works here."""
    if name not in BACKENDS:
        raise_unknown("latency backend", name, BACKENDS)
    module, attribute = BACKENDS[name]
    return getattr(import_module(module), attribute)


def backend_of(name: str, **options: Any) -> Backend:
    """Return the backend called ``name``; raises :class:`WalkbenchError` when it cannot work here.

    Options are those of the backend's constructor; one that it does not have is an error.
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
