"""Engines train runs somewhere: in this process, in worker processes, on other machines.

An engine is one module and one entry of ``ENGINES``; code outside of Walkbench calls
``ENGINES.register``. :mod:`studies.engines.protocol` says what an engine is, and
:class:`studies.engines.testing.EngineSuite` checks it.

>>> ENGINES.names()
('serial', 'processes')
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from search_space.registry import Registry

if TYPE_CHECKING:
    from proxies.callbacks import Callback
    from studies.engines.protocol import Engine, EngineFactory

__all__ = ["ENGINES", "engine"]

ENGINES: "Registry[EngineFactory]" = Registry(
    "engine",
    {
        "serial": "studies.engines.serial:SerialEngine",
        "processes": "studies.engines.processes:ProcessEngine",
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
