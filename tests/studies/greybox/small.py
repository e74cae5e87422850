"""A conditional space with a made-up loss, small enough to enumerate and to price at once."""

import numpy as np

from search_space.cost import cost
from search_space.space import SearchSpace
from studies.greybox.pool import PoolSize
from studies.greybox.prices import Priced
from studies.greybox.proposal import History, Search
from studies.greybox.switches import Switches

SPACE = SearchSpace.from_toml(
    """
name = "small"
base = "F/mqa"
[axes]
mid = [false, true]
mid_depth = [1, 2, 4]
"depth.1.down" = { low = 0, high = 2 }
"depth.2.down" = { low = 1, high = 4 }
"depth.2.up" = [2, 4]
"kv_heads.2" = ["all", 1]
"ff_ratio.2" = [3.0, 4.0]
"""
)
SWITCHES = Switches.of(SPACE)
SIZE = PoolSize(base=96, fresh=32, single=128, moved=16, double=32, crossed=32)


def priced() -> Priced:
    """Return parameters and MACs of designs of the small space."""
    return Priced(SWITCHES, ("params", "macs"), lambda design: vars(cost(design)))


def search(budgets=None, trained=True, seed=0) -> Search:
    """Return a search for a small loss and few parameters."""
    cheap = ("params",) if trained else ("params", "macs")
    return Search(PRICES, cheap, budgets or {}, trained, seed, SIZE)


def loss_of(row) -> float:
    """An additive loss with one pairwise effect; inactive switches add nothing."""
    level = np.maximum(row, 0)
    return float(0.2 - 0.02 * level[1] - 0.01 * level[3] - 0.015 * level[4] * (level[5] == 1))


def history(rows, loss=None, pending=(), failed=()) -> History:
    """Return a history of ``rows``; those pending or failed have no loss."""
    rows = np.array(rows, np.int16).reshape(-1, len(SWITCHES.names))
    numbers = range(len(rows))
    losses = [loss_of(row) for row in rows] if loss is None else loss
    known = [np.nan if i in pending or i in failed else losses[i] for i in numbers]
    return History(
        rows,
        np.array(known, float),
        np.array([i in pending for i in numbers], bool),
        np.array([i in failed for i in numbers], bool),
    )


PRICES = priced()  # prices are exact whoever asks, so tests share what is priced
