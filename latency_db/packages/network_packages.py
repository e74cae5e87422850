"""Whole networks as Core ML packages to be timed: random weights, cut where one is too large.

A folder of blocks (:mod:`latency_db.backends.coreml_export`) holds a network as a folder of its
own, `network-…`, with a list of its programs.

>>> from search_space.presets import named_spec
>>> network_folder(named_spec("sd15"), Path("out"), Recipe()).name.startswith("network-")
True
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from latency_db.backends.coreml_export import Recipe, slug
from latency_db.packages.coreml_package import COREML
from latency_db.packages.coreml_part import Settings
from latency_db.packages.package_folder import write_packages
from latency_db.packages.parts import cut, sizes_at
from latency_db.packages.weights import RandomWeights
from search_space.network import Network

WEIGHT_BITS = {"fp16": 16, "fp32": 32}


def export_network(
    network: Network,
    folder: Path,
    recipe: Recipe,
    progress: Callable[[int, int, str], None] | None = None,
) -> list[dict[str, Any]]:
    """Convert the programs of ``network`` that are missing; return the notes of all of them.

    Raises :class:`latency_db.backends.backend.CannotRun` when one cannot be converted.
    """
    settings = Settings(recipe.target, recipe.precision, recipe.layout, batch=recipe.batch)
    parts = cut(network, sizes_at(WEIGHT_BITS[recipe.precision]))
    where = network_folder(network, folder, recipe)
    return write_packages(parts, RandomWeights(), settings, COREML, where, progress)


def network_folder(network: Network, folder: Path, recipe: Recipe) -> Path:
    """Return where the programs of ``network`` lie, made or not."""
    return folder / slug(f"network {network.digest()}|{asdict(recipe)}", 1)
