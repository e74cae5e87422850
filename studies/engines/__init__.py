"""Engines train runs somewhere: in this process, in worker processes, on other machines.

An engine is one module and one entry of ``ENGINES``; code outside of Walkbench calls
``ENGINES.register``. :mod:`studies.engines.protocol` says what an engine is, and
:class:`studies.engines.testing.EngineSuite` checks it.

Some also run whole workers of a study (:mod:`studies.engines.crew`).

>>> ENGINES.names()
('serial', 'processes', 'ray')
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from search_space.errors import WalkbenchError
from search_space.registry import Registry

if TYPE_CHECKING:
    from proxies.callbacks import Callback
    from studies.engines.crew import Crew, Job, Resources
    from studies.engines.protocol import Engine, EngineFactory

__all__ = ["ENGINES", "crew_of", "engine"]

ENGINES: "Registry[EngineFactory]" = Registry(
    "engine",
    {
        "serial": "studies.engines.serial:SerialEngine",
        "processes": "studies.engines.processes:ProcessEngine",
        "ray": "studies.engines.ray:RayEngine",
    },
)


def engine(
    name: str,
    *,
    workers: int = 1,
    checkpoints: Path | None = None,
    callbacks: "Sequence[Callback]" = (),
) -> "Engine":
    """Return the engine called ``name``, to be entered by ``with``.

    ``workers`` train at once where the engine has several. Runs are saved in the folder
    ``checkpoints`` by digest and go on from there. ``callbacks`` are told of every run; an engine
    that trains elsewhere pickles them. Raises :class:`WalkbenchError` for an unknown name and for
    what the engine does not offer.
    """
    return ENGINES.get(name)(workers=workers, checkpoints=checkpoints, callbacks=callbacks)


def crew_of(name: str, job: "Job", resources: "Resources") -> "Crew":
    """Return what starts workers of a study by the engine called ``name``.

    Raises :class:`WalkbenchError` for an unknown name, an engine that starts none, and resources
    that it does not offer.
    """
    crew = getattr(ENGINES.get(name), "crew", None)
    if crew is None:
        others = [one for one in ENGINES.names() if hasattr(ENGINES.get(one), "crew")]
        raise WalkbenchError(
            f"engine {name!r} starts no workers of a study; these do: {', '.join(others)}"
        )
    made: Crew = crew(job, resources)
    return made
