"""How far the estimates are off, on rows that the model never saw.

Errors per chip and split, for rows whose lab and family, family, or lab was left out, beside the
baseline fitted in the same splits, with a bootstrap over families for the difference. Interval
coverage is counted with intervals that were calibrated without the row's own lab and family.

>>> score([1.0, 2.0, 4.0], [1.1, 2.0, 3.0])["median_pct"]
10.0
"""

import math
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from scipy.stats import kendalltau, spearmanr

from latency_db.fitted import calibrate
from latency_db.held_out import Held
from search_space.errors import raise_unknown

Split = Literal["strict", "all", "unets"]
SPLITS: tuple[Split, ...] = ("strict", "all", "unets")
MINIMUM = 3  # rows below which a share or a rank says nothing
RESAMPLES = 2000


def select(held: Sequence[Held], chip: str | None, split: Split) -> list[Held]:
    """Return the rows of ``chip`` (None: every chip) in ``split``.

    strict: classifiers marked for calibration. all: every rebuilt FP16 row, with those at 512 px,
    ablations and suspected fallbacks, but no UNets. unets: those.
    """
    if split not in SPLITS:
        raise_unknown("split", split, SPLITS)
    return [row for row in held if _belongs(row, split) and (chip is None or row.item.chip == chip)]


def _belongs(row: Held, split: Split) -> bool:
    if split == "strict":
        return row.item.use == "calib"
    return row.item.is_unet == (split == "unets")


def score(truth: Sequence[float], predicted: Sequence[float]) -> dict[str, float | None]:
    """Return the errors of ``predicted``, in percent of ``truth``, and rank correlations.

    Correlations are None below :data:`MINIMUM` rows.
    """
    error = np.abs(np.asarray(predicted) / np.asarray(truth) - 1) * 100
    ranks: tuple[float | None, float | None] = (None, None)
    if len(error) >= MINIMUM:
        rho, tau = spearmanr(truth, predicted).statistic, kendalltau(truth, predicted).statistic
        ranks = (_finite(rho), _finite(tau))
    return {
        "median_pct": round(float(np.median(error)), 2),
        "p90_pct": round(float(np.quantile(error, 0.9)), 2),
        "within_10_pct": round(float(np.mean(error <= 10) * 100), 1),
        "within_20_pct": round(float(np.mean(error <= 20) * 100), 1),
        "spearman": ranks[0],
        "kendall": ranks[1],
    }


def _finite(value: float) -> float | None:
    return round(float(value), 3) if math.isfinite(value) else None


def report(held: Sequence[Held], chip: str | None, split: Split) -> dict[str, Any] | None:
    """Return the scores of one chip and split, or None when it has no row.

    ``gain`` is the baseline's median error minus ours, in points, with its 90 % bootstrap interval
    over families; it is None where a chip has too few rows for a baseline.
    """
    rows = select(held, chip, split)
    if not rows:
        return None
    truth = [row.item.latency_ms for row in rows]
    out: dict[str, Any] = {"chip": chip or "all", "split": split, "n": len(rows)}
    out |= score(truth, [row.ms for row in rows])
    out["coverage_80_pct"] = coverage(held, rows)
    raced = [row for row in rows if math.isfinite(row.baseline_ms)]
    out |= {"baseline": None, "gain": None}
    if raced and split != "unets":
        truth = [row.item.latency_ms for row in raced]
        out["baseline"] = score(truth, [row.baseline_ms for row in raced])
        out["gain"] = gain(raced)
    return out


def coverage(held: Sequence[Held], rows: Sequence[Held], own_lab: bool = True) -> float:
    """Return the percentage of ``rows`` inside intervals calibrated on other families and labs.

    ``own_lab=False`` leaves rows of the same lab out of the calibration too.
    """
    inside = 0
    groups = {(row.item.family, None if own_lab else row.item.lab) for row in rows}
    for family, lab in groups:
        others = [
            r.z
            for r in held
            if r.item.family != family and r.item.lab != lab and r.item.use != "context"
        ]
        interval = calibrate(others)
        own = [r.z for r in rows if r.item.family == family and lab in (None, r.item.lab)]
        inside += sum(interval.low_z <= z <= interval.high_z for z in own)
    return round(100 * inside / len(rows), 1)


def gain(rows: Sequence[Held], seed: int = 0) -> dict[str, float]:
    """Return how many points the median error is below the baseline's: value, low, high (90 %).

    The bootstrap draws whole families, because rows of one family err together.
    """
    families = sorted({row.item.family for row in rows})
    ours = {f: np.array([_error(r, r.ms) for r in rows if r.item.family == f]) for f in families}
    base = {
        f: np.array([_error(r, r.baseline_ms) for r in rows if r.item.family == f])
        for f in families
    }

    def difference(chosen: Sequence[str]) -> float:
        a = np.median(np.concatenate([base[f] for f in chosen]))
        return float(a - np.median(np.concatenate([ours[f] for f in chosen])))

    draw = np.random.default_rng(seed)
    drawn = [
        difference([families[i] for i in draw.integers(len(families), size=len(families))])
        for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, [0.05, 0.95])
    return {
        "points": round(difference(families), 2),
        "low": round(float(low), 2),
        "high": round(float(high), 2),
    }


def _error(row: Held, ms: float) -> float:
    return abs(ms / row.item.latency_ms - 1) * 100


def unet_errors(held: Sequence[Held]) -> list[dict[str, Any]]:
    """Return each published UNet on each chip, as predicted without that model on any chip.

    Several published runs on one chip count once, by their median.
    """
    groups: dict[tuple[str, str], list[Held]] = {}
    for row in select(held, None, "unets"):
        groups.setdefault((row.item.model, row.item.chip), []).append(row)
    out = []
    for (model, chip), rows in groups.items():
        published = float(np.median([row.item.latency_ms for row in rows]))
        ms, variance = rows[0].ms, rows[0].log_variance
        family = rows[0].item.family
        others = [r for r in held if r.item.family != family and r.item.use != "context"]
        interval = calibrate([r.z for r in others])
        latency = interval.around(ms, variance)
        out.append(
            {
                "model": model,
                "chip": chip,
                "published_ms": published,
                "estimated_ms": round(ms, 1),
                "low_ms": round(latency.low, 1),
                "high_ms": round(latency.high, 1),
                "error_pct": round((ms / published - 1) * 100, 1),
            }
        )
    return out
