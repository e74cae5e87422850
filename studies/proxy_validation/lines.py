"""The summary of a validation in words: what the table and the page of plots both print.

>>> dict(lines({"spearman": 0.8, "spearman_low": 0.6, "spearman_high": 0.9, "kendall": None}))
{'Spearman, short against long': '0.80 (0.60 to 0.90)', 'Kendall': '–'}
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

Summary = Mapping[str, Any]


def lines(summary: Summary) -> list[tuple[str, str]]:
    """Return (what it is, its value with its interval) for what ``summary`` has, in order."""
    return [
        (heading, write(summary, key))
        for key, heading, write in _LINES
        if summary.get(key, {}) != {}
    ]


def _number(summary: Summary, key: str) -> str:
    return _decimals(summary[key])


def _decimals(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def _interval(summary: Summary, key: str) -> str:
    if summary[key] is None:
        return "–"
    low, high = (_decimals(summary[f"{key}_{end}"]) for end in ("low", "high"))
    return f"{_number(summary, key)} ({low} to {high})"


def _words(summary: Summary, key: str) -> str:
    value = summary[key]
    return "–" if value is None else f"{value:,}" if isinstance(value, int) else str(value)


def _ceiling(summary: Summary, key: str) -> str:
    if summary[key] is None:
        return "– (needs two seeds)"
    few, many = summary["noise_ceiling_groups"]
    return f"{_number(summary, key)} (groups of {few} and {many} seeds)"


def _each(summary: Summary, key: str) -> str:
    ranked = sorted(summary[key].items(), key=lambda pair: -(pair[1] or 0.0))
    return _listed((name, value) for name, value in ranked)


def _steps(summary: Summary, key: str) -> str:
    return _listed((f"{at['steps']:,}", at["spearman_same_run"]) for at in summary[key])


def _buckets(summary: Summary, key: str) -> str:
    return " · ".join(map(_decimals, summary[key])) or "–"


def _pairs(summary: Summary, key: str) -> str:
    found = summary[key]
    need, others = _decimals(found["kendall"]), _decimals(found["kendall_others"])
    return f"{found['share']:.0%} of pairs; Kendall {need} among them, {others} among the others"


def _listed(named: Iterable[tuple[str, float | None]]) -> str:
    return " · ".join(f"{name} {_decimals(value)}" for name, value in named)


_LINES: list[tuple[str, str, Callable[[Summary, str], str]]] = [
    ("n_designs", "designs", _words),
    ("seeds", "seeds finished for all", _words),
    ("spearman", "Spearman, short against long", _interval),
    ("spearman_corrected", "  corrected for noise in the long runs", _number),
    ("spearman_one_short_seed", "  with one seed of the short runs", _number),
    ("spearman_better_half", "Spearman in the better half", _interval),
    ("spearman_better_half_corrected", "  corrected likewise", _number),
    ("spearman_within_bands", "Spearman within latency bands", _number),
    ("partial_spearman_given_macs", "Spearman that MACs do not explain", _number),
    ("kendall", "Kendall", _interval),
    ("precision_at_5", "of the best 5, found among the first 5", _number),
    ("regret", "regret of the first, share of the range", _number),
    ("noise_ceiling", "noise ceiling, long against long", _ceiling),
    ("compute_ratio", "multiply-adds, short over long", _number),
    ("best_baseline", "best baseline", _words),
    ("gain_over_best_baseline", "  gain over the best one", _interval),
    ("baselines", "Spearman of what costs no training", _each),
    ("by_steps", "long runs by steps, against their ends", _steps),
    ("by_bucket", "short runs by timestep, picture to noise", _buckets),
    ("second_latent", "differ in what a second resolution shows", _pairs),
    ("failed_runs", "failed runs", _words),
    ("left_out", "left out", _words),
]
