"""Ridge regression on a design's switches: a baseline that needs labelled designs but no training.

Every field of a network's JSON that differs between the designs is a column: numbers as they are,
words one column each. Each design is predicted from all others, with the strength of the ridge that
predicts those best when each of them is left out in turn, so that nothing of a design's own result
reaches its prediction.

>>> columns = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [1.0, 1.0], [0.0, 1.0], [1.0, 1.0]])
>>> truth = columns @ [2.0, -1.0]
>>> bool(np.abs(left_one_out(columns, truth) - truth).max() < 0.2)
True
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from latency_db.agreement import Values
from search_space.spec import UNetSpec

STRENGTHS = tuple(np.geomspace(1e-2, 1e3, 11).tolist())  # of standardised columns


def switches(specs: Sequence[UNetSpec]) -> Values:
    """Return the columns, (designs, columns), in which ``specs`` differ; equal ones once."""
    fields = [dict(_leaves(spec.to_dict())) for spec in specs]
    names = sorted({name for one in fields for name in one})
    columns: list[tuple[float, ...]] = []
    for name in names:
        values = [one.get(name) for one in fields]
        columns += _columns(values)
    different = dict.fromkeys(column for column in columns if len(set(column)) > 1)
    return np.array(list(different), dtype=float).T.reshape(len(specs), len(different))


def left_one_out(columns: Values, truth: Values) -> Values:
    """Return the prediction of every design from all others, (designs,)."""
    everyone = np.arange(len(truth))
    return np.array(
        [_predict(columns, truth, everyone[everyone != i], i) for i in range(len(truth))]
    )


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict | list | tuple):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in pairs:
            yield from _leaves(one, f"{path}.{key}")
    else:
        yield path, value


def _columns(values: Sequence[Any]) -> list[tuple[float, ...]]:
    """Return one column of numbers, or one for each word; a field that a design lacks is zero."""
    words = sorted({value for value in values if isinstance(value, str)})
    if words:
        return [tuple(float(value == word) for value in values) for word in words]
    return [tuple(float(value or 0) for value in values)]


def _predict(columns: Values, truth: Values, others: Any, one: int) -> float:
    seen = columns[others]
    mean, deviation = seen.mean(axis=0), seen.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    x, y = (seen - mean) / deviation, truth[others] - truth[others].mean()
    u, s, vt = np.linalg.svd(x, full_matrices=False)
    errors = [_left_out_error(u, s, y, strength) for strength in STRENGTHS]
    strength = STRENGTHS[int(np.argmin(errors))]
    weights = vt.T @ (s / (s**2 + strength) * (u.T @ y))
    return float((columns[one] - mean) / deviation @ weights + truth[others].mean())


def _left_out_error(u: Values, s: Values, y: Values, strength: float) -> float:
    """Return the mean squared error of each of ``y`` predicted without itself (PRESS)."""
    shrunk = s**2 / (s**2 + strength)
    fitted = u @ (shrunk * (u.T @ y))
    leverage = (u**2 @ shrunk) + 1 / len(y)  # the mean counts too
    return float((((y - fitted) / (1 - leverage).clip(min=1e-9)) ** 2).mean())
