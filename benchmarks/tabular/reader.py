"""Read the tabular benchmark; needs pandas and pyarrow, and nothing of Walkbench.

>>> designs = read_designs()
>>> len(designs), int(designs["on_front"].sum())
(176256, 28)
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

HERE = Path(__file__).parent
SEED_LOG_SD = json.loads((HERE / "summary.json").read_text())["summary"]["seed_log_sd"]


def read_curves() -> pd.DataFrame:
    """Return one row per point of every recorded training curve."""
    return pd.read_parquet(HERE / "curves.parquet")


def read_designs() -> pd.DataFrame:
    """Return one row per design of the enumerated space, with costs, latency and loss."""
    return pd.read_parquet(HERE / "designs.parquet")


def value_of(column: pd.Series) -> list:
    """Return an axis's values as Python objects; None where the axis has no effect."""
    return [None if pd.isna(text) else json.loads(text) for text in column]


def train(designs: pd.DataFrame, row: int, seed: int) -> float:
    """Return the loss that one training run would find: the true one, with a seed's noise."""
    noise = np.random.default_rng([row, seed]).normal()
    return float(designs["loss"].iloc[row] * np.exp(SEED_LOG_SD * noise))
