"""Expected gain of hypervolume of designs whose cheap objectives are known and whose loss is not.

The region that a front leaves free is cut into boxes. In each box a design gains the product of
what its known objectives reach and of the length its loss is expected to reach, which for a normal
distribution has a closed form (as in the expected hypervolume improvement of Emmerich et al. 2006,
with all but one objective certain).

>>> front = np.array([[0.2, 30.0], [0.4, 10.0]])  # loss, milliseconds; both minimised
>>> boxes = free_boxes(front, np.array([0.5, 40.0]))
>>> surely = expected_gain(boxes, np.array([[20.0]]), np.array([0.3]), np.array([0.0]))
>>> float(surely[0].round(9))  # 0.1 less loss than (0.4, 10) over the 10 ms up to (0.2, 30)
1.0
"""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Array = NDArray[np.float64]
_CHUNK = 1 << 22  # numbers held at once, (candidates, boxes)


def free_boxes(front: Array, reference: Array) -> Array:
    """Return disjoint boxes, (boxes, 2, objectives), of what no point of ``front`` dominates.

    ``front`` is (points, objectives), minimised, in any order and with dominated points or without;
    the region ends at ``reference`` and is open towards minus infinity. Slices along the last
    objective: exact in any dimension, and meant for the two to four objectives of a study.
    """
    inside = front[(front < reference).all(axis=1)]
    return _boxes(inside, reference)


def _boxes(front: Array, reference: Array) -> Array:
    objectives = len(reference)
    if objectives == 1:
        top = min([*front[:, 0], reference[0]])
        return np.array([[[-np.inf], [top]]])
    levels = np.unique(front[:, -1])
    edges = np.concatenate([[-np.inf], levels, reference[-1:]])
    found = []
    for low, high in pairwise(edges):
        part = _boxes(front[front[:, -1] <= low, :-1], reference[:-1])
        ends = np.broadcast_to(np.array([[low], [high]]), (len(part), 2, 1))
        found.append(np.concatenate([part, ends], axis=2))
    return np.concatenate(found)


def expected_gain(boxes: Array, known: Array, mean: Array, sd: Array) -> Array:
    """Return the expected gain of each candidate, (candidates,).

    The loss is the first objective of ``boxes``, normal with ``mean`` and ``sd``, (candidates,);
    the others are ``known``, (candidates, objectives - 1). A ``sd`` of 0 is a certain loss.
    """
    gain = np.zeros(len(mean))
    rows = max(1, _CHUNK // len(boxes))
    for start in range(0, len(mean), rows):
        part = slice(start, start + rows)
        reached = _reached(boxes[:, :, 1:], known[part])
        gain[part] = (reached * _expected_length(boxes[:, :, 0], mean[part], sd[part])).sum(axis=1)
    return gain


def certain_gain(boxes: Array, known: Array) -> Array:
    """Return the gain of candidates all of whose objectives are ``known``, (candidates,)."""
    gain = np.zeros(len(known))
    rows = max(1, _CHUNK // len(boxes))
    for start in range(0, len(known), rows):
        part = slice(start, start + rows)
        gain[part] = _reached(boxes, known[part]).sum(axis=1)
    return gain


def _reached(boxes: Array, known: Array) -> Array:
    """The product over objectives of what each candidate reaches in each box."""
    reached = np.ones((len(known), len(boxes)))
    for objective in range(known.shape[1]):
        low = np.maximum(boxes[:, 0, objective], known[:, objective, None])
        reached *= np.maximum(boxes[:, 1, objective] - low, 0.0)
    return reached


def _expected_length(ends: Array, mean: Array, sd: Array) -> Array:
    """E[max(0, high - max(low, loss))], (candidates, boxes)."""
    return _shortfall(ends[:, 1], mean, sd) - _shortfall(ends[:, 0], mean, sd)


def _shortfall(end: Array, mean: Array, sd: Array) -> Array:
    """E[max(0, end - loss)], (candidates, boxes): (end - mean) Φ(z) + sd φ(z)."""
    distance = np.where(np.isinf(end), -1e30, end)[None, :] - mean[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(sd[:, None] > 0, distance / sd[:, None], np.sign(distance) * np.inf)
    z = np.nan_to_num(z, nan=0.0, posinf=40.0, neginf=-40.0).clip(-40.0, 40.0)
    density = np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)
    expected = np.asarray(distance * ndtr(z) + sd[:, None] * density)
    return np.where(np.isinf(end)[None, :], 0.0, expected)
