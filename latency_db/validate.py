"""Validate a table: its whole networks against the sums of their blocks.

A table that timed whole networks beside their blocks can be asked how well one predicts the other:
errors, bias, and whether the networks come out in the right order, before and after the affine
correction. The correction of a network is always fitted on *other* networks (ten folds).
Parameters, MACs and bytes stand beside as baselines: what could be had without measuring a block.

Intervals are percentiles of 2000 resamples of the networks.

>>> cases = [Case(f"n{i}", 10.0 + i, 9.0 + i, i + 1, i + 1, i + 1) for i in range(12)]
>>> found = report(cases)
>>> found["n"], round(found["bias_pct"], 1), found["kendall"]
(12, -6.5, 1.0)
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from latency_db.agreement import interval, kendall, resamples, spearman
from latency_db.table import Table
from latency_db.table_correction import MIN_NETWORKS, fit_correction
from latency_db.table_source import TableSource
from search_space.cost import cost
from search_space.errors import WalkbenchError

FOLDS = 10
Correlation = Callable[["np.ndarray", "np.ndarray"], float]
BASELINES = ("params", "macs", "bytes")


@dataclass(frozen=True)
class Case:
    """One network: its time as a whole, the sum of its blocks, and what the baselines know."""

    digest: str
    whole_ms: float
    sum_ms: float
    macs: int
    params: int
    bytes: int  # weights and activations moved


def cases_of(table: Table) -> list[Case]:
    """Return the networks of ``table`` whose blocks it holds too.

    Raises :class:`WalkbenchError` when they are too few to validate anything.
    """
    cases = []
    source = TableSource.of(table)
    for network in table.networks:
        total = source.block_sum(network.spec)
        if total is not None:
            c = cost(network.spec)
            moved = c.weight_bytes + c.activation_bytes
            digest = network.spec.digest()
            cases.append(Case(digest, network.ms, total, c.macs, c.params, moved))
    if len(cases) < 2 * MIN_NETWORKS:
        raise WalkbenchError(
            f"table {table.name} holds {len(cases)} whole networks with all their blocks; "
            f"{2 * MIN_NETWORKS} are needed; `walkbench latency validate TABLE --space S` measures "
            "them"
        )
    return cases


def report(cases: Sequence[Case], seed: int = 0) -> dict[str, Any]:
    """Return errors in percent, shares and rank correlations, with 95 % intervals.

    Errors are ``predicted / measured - 1``. ``gain_over_macs_low`` is the lower end of the interval
    of the difference in Kendall's tau between the uncorrected sum and MACs.
    """
    whole = np.array([case.whole_ms for case in cases])
    total = np.array([case.sum_ms for case in cases])
    corrected = cross_fitted(total, whole, seed)
    draws = resamples(len(cases), seed + 1)
    out: dict[str, Any] = {"n": len(cases)}
    out |= _errors(total, whole, draws, "")
    out |= _errors(corrected, whole, draws, "_corrected")
    out |= _ranks(total, whole, draws, "")
    out |= _ranks(corrected, whole, draws, "_corrected")
    for name in BASELINES:
        values = np.array([float(getattr(case, name)) for case in cases])
        out |= {f"{name}_{k}": v for k, v in _baseline(values, total, whole, draws, seed).items()}
        out[f"gain_over_{name}_low"] = out[f"{name}_kendall_gain_low"]
    fit = fit_correction(list(total), list(whole))
    return {**out, "correction_offset_ms": fit.offset_ms, "correction_scale": fit.scale}


def rows(cases: Sequence[Case], seed: int = 0) -> list[dict[str, Any]]:
    """Return one row per network, slowest first, with its errors in percent."""
    whole = np.array([case.whole_ms for case in cases])
    corrected = cross_fitted(np.array([case.sum_ms for case in cases]), whole, seed)
    out = [
        {
            "digest": case.digest,
            "whole_ms": case.whole_ms,
            "sum_ms": case.sum_ms,
            "error_pct": 100 * (case.sum_ms / case.whole_ms - 1),
            "corrected_ms": float(fixed),
            "error_corrected_pct": 100 * (float(fixed) / case.whole_ms - 1),
            "params": case.params,
            "macs": case.macs,
            "bytes": case.bytes,
        }
        for case, fixed in zip(cases, corrected, strict=True)
    ]
    return sorted(out, key=lambda row: -float(str(row["whole_ms"])))


def cross_fitted(x: "np.ndarray", whole: "np.ndarray", seed: int = 0) -> "np.ndarray":
    """Return ``whole`` predicted from ``x`` by fits that have not seen the network they predict."""
    order = np.random.default_rng(seed).permutation(len(x))
    out = np.empty(len(x))
    for fold in np.array_split(order, min(FOLDS, len(x))):
        others = np.setdiff1d(order, fold)
        fit = fit_correction(list(x[others]), list(whole[others]))
        out[fold] = fit.offset_ms + fit.scale * x[fold]
    return out


def _errors(
    predicted: "np.ndarray", whole: "np.ndarray", draws: "np.ndarray", suffix: str
) -> dict[str, float]:
    error = 100 * (predicted / whole - 1)
    absolute = np.abs(error)
    low, high = interval(lambda i: float(np.median(absolute[i])), draws)
    return {
        f"median_abs_error{suffix}_pct": float(np.median(absolute)),
        f"median_abs_error{suffix}_pct_low": low,
        f"median_abs_error{suffix}_pct_high": high,
        f"p90_abs_error{suffix}_pct": float(np.quantile(absolute, 0.9)),
        f"bias{suffix}_pct": float(np.median(error)),
        f"within_5{suffix}_pct": 100 * float(np.mean(absolute <= 5)),
        f"within_10{suffix}_pct": 100 * float(np.mean(absolute <= 10)),
    }


def _ranks(
    predicted: "np.ndarray", whole: "np.ndarray", draws: "np.ndarray", suffix: str
) -> dict[str, float]:
    out: dict[str, float] = {}
    for name, statistic in (("kendall", kendall), ("spearman", spearman)):

        def resampled(i: "np.ndarray", statistic: Correlation = statistic) -> float:
            return statistic(predicted[i], whole[i])

        low, high = interval(resampled, draws)
        out[f"{name}{suffix}"] = statistic(predicted, whole)
        out[f"{name}{suffix}_low"], out[f"{name}{suffix}_high"] = low, high
    return out


def _baseline(
    values: "np.ndarray", total: "np.ndarray", whole: "np.ndarray", draws: "np.ndarray", seed: int
) -> dict[str, float]:
    """A quantity that needs no measurement: its ranks, its errors once scaled, our gain over it."""
    scale = values / values.mean() * whole.mean()  # the fit should not work on 10⁹ and 10¹ at once
    fitted = cross_fitted(scale, whole, seed)
    low, high = interval(
        lambda i: kendall(total[i], whole[i]) - kendall(values[i], whole[i]), draws
    )
    return {
        "kendall": kendall(values, whole),
        "spearman": spearman(values, whole),
        "median_abs_error_pct": float(np.median(100 * np.abs(fitted / whole - 1))),
        "kendall_gain": kendall(total, whole) - kendall(values, whole),
        "kendall_gain_low": low,
        "kendall_gain_high": high,
    }
