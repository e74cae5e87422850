"""Prices: exact costs, latencies with their intervals, the published walk.

>>> f"{cost('F/mqa').macs / cost('F/thin').macs:.2f}"
'0.50'
"""

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from latency_db.latency import Latency
from latency_db.sources import source_of
from search_space.cost import Cost
from search_space.cost import cost as exact_cost
from search_space.cost_table import step_costs
from studies.walk import WALK_DEVICE, FamilyChoice, walk_rows
from walkbench.designs import Design, network


def cost(design: Design) -> Cost:
    """Return the exact cost of one forward pass at batch 1, at the design's own sizes.

    Parameters and MACs (one multiply-accumulate counts once) are traced from the modules that run;
    bytes are at 2 bytes a value. Of several programs, what one picture costs.
    """
    return exact_cost(network(design))


def cost_table(design: Design) -> pd.DataFrame:
    """Return one row per step in forward order: path, part, block, params, macs.

    The columns ``params`` and ``macs`` sum to those of :func:`cost`.
    """
    columns = ["path", "part", "block", "params", "macs"]
    rows = [
        (step.path, step.part, step.block.key, step.params, step.macs)
        for step in step_costs(network(design))
    ]
    return pd.DataFrame(rows, columns=columns)


def latency(
    design: Design, device: str | None = None, tables: Sequence[str | Path] = ()
) -> Latency:
    """Return the latency of one forward pass at batch 1: milliseconds with an 80 % interval.

    Without ``tables`` it is the estimate of ``device``'s chip, fitted to published measurements
    (the source is ``estimated``), narrower for a device that was calibrated. With tables, names or
    paths, it is the sum of measured blocks. Raises :class:`WalkbenchError` for an unknown device or
    table, and where neither is given.
    """
    return source_of(device, tables).predict(network(design))


def walk(family: FamilyChoice = "M", device: str | None = WALK_DEVICE) -> pd.DataFrame:
    """Return the walk from SDXL to SnapGen (arXiv 2412.09619), one row per step.

    Columns are exact ``params`` and ``macs``, ``latency_ms`` with its interval, their changes
    against the step in ``against`` as fractions, ``published`` figures with source and confidence,
    and the ``proxy_loss`` that short training measured. ``device=None`` leaves latencies out.
    Raises :class:`WalkbenchError` for an unknown family (M, F or both) or device.
    """
    return pd.DataFrame(walk_rows(family, device))
