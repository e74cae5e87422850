"""Walkbench from Python: price, time, train, search and export text-to-image networks.

Wherever a function takes a design, it takes a network, the name of one that ships, or the path of a
JSON file. Sizes are in pixels of the latent, latencies in milliseconds, bytes at half precision.
What cannot be done raises :class:`WalkbenchError`, which says what is allowed.

>>> import walkbench as wb
>>> wb.cost("sd15").params
859520964
>>> wb.latency("snapgen-t2i", "iPhone 15 Pro").source
'estimated'

Names load on first use: importing the package loads neither torch nor Optuna.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latency_db.devices import device_names
    from latency_db.latency import Latency
    from latency_db.source import LatencySource
    from latency_db.sources import source_of
    from proxies.score import Difference, Score, difference
    from proxies.training_run import TrainingSettings
    from search_space.cost import Cost
    from search_space.decoder.spec import DecoderSpec
    from search_space.errors import WalkbenchError
    from search_space.network import Network
    from search_space.space import SearchSpace
    from search_space.spec import UNetSpec
    from studies.config import StudyConfig
    from studies.export import Exported
    from studies.reading import StudyData
    from studies.records import TrialRecord
    from walkbench.designs import Drawing, build, draw, names, network
    from walkbench.exporting import export, load_exported
    from walkbench.pricing import cost, cost_table, latency, walk
    from walkbench.searching import (
        front,
        read_study,
        report,
        run_study,
        sample,
        space,
        study_config,
        study_names,
        trial_table,
    )
    from walkbench.training import score, training_settings

__all__ = [
    "Cost",
    "DecoderSpec",
    "Difference",
    "Drawing",
    "Exported",
    "Latency",
    "LatencySource",
    "Network",
    "Score",
    "SearchSpace",
    "StudyConfig",
    "StudyData",
    "TrainingSettings",
    "TrialRecord",
    "UNetSpec",
    "WalkbenchError",
    "build",
    "cost",
    "cost_table",
    "device_names",
    "difference",
    "draw",
    "export",
    "front",
    "latency",
    "load_exported",
    "names",
    "network",
    "read_study",
    "report",
    "run_study",
    "sample",
    "score",
    "source_of",
    "space",
    "study_config",
    "study_names",
    "training_settings",
    "trial_table",
    "walk",
]

_MODULES = {
    "latency_db.devices": ("device_names",),
    "latency_db.latency": ("Latency",),
    "latency_db.source": ("LatencySource",),
    "latency_db.sources": ("source_of",),
    "proxies.score": ("Difference", "Score", "difference"),
    "proxies.training_run": ("TrainingSettings",),
    "search_space.cost": ("Cost",),
    "search_space.decoder.spec": ("DecoderSpec",),
    "search_space.errors": ("WalkbenchError",),
    "search_space.network": ("Network",),
    "search_space.space": ("SearchSpace",),
    "search_space.spec": ("UNetSpec",),
    "studies.config": ("StudyConfig",),
    "studies.export": ("Exported",),
    "studies.reading": ("StudyData",),
    "studies.records": ("TrialRecord",),
    "walkbench.designs": ("Drawing", "build", "draw", "names", "network"),
    "walkbench.exporting": ("export", "load_exported"),
    "walkbench.pricing": ("cost", "cost_table", "latency", "walk"),
    "walkbench.searching": (
        "front", "read_study", "report", "run_study", "sample", "space", "study_config",
        "study_names", "trial_table",
    ),
    "walkbench.training": ("score", "training_settings"),
}  # fmt: skip
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    """Load a public name from its module on first use."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_MODULE_OF[name]), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
