"""What a longer run would reach: the loss at more steps, predicted from a curve, with an interval.

Three families of falling curves, known to fit learning curves (Domhan et al., IJCAI 2015): a power
of the steps, an exponential of the steps, and a power of the steps that begins with a plateau.
Each is ``floor + drop · g(steps)``, and comes in a second form whose floor sinks slowly, since
whether a floor is one shows late (:mod:`proxies.curve_laws`). A law may begin late: what a network
learns first follows others.

The numbers inside a law are laid out on a grid; at each node floor and drop follow by least
squares, and the node is weighed by how likely it makes the curve (noise level, floor and drop
integrated out, as a Bayesian would). The grid closes in on the nodes that matter. The prediction is
the median over all nodes, the interval that of their mixture: it holds what the laws disagree
about, how well each is determined, and the noise of the curve. With few points that is honest where
a bootstrap of residuals is not. What it cannot foresee is a fall that has not begun: on the shapes,
every twin first stays on a plateau, and curves that end there are refused.

Late points count more (:data:`RECENCY`): the first steps of training follow laws of their own.

>>> curve = [(step, 0.1 + 2 * step**-0.5) for step in (100, 150, 220, 330, 500, 750, 1000)]
>>> guess = extrapolate(curve, at_steps=4000)
>>> round(guess.value, 4), guess.low <= guess.value <= guess.high, guess.points
(0.1316, True, 7)
"""

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special

from proxies.curve_laws import LAWS, Floats, Law
from proxies.score import Score
from proxies.score_parts import Extrapolated
from search_space.errors import WalkbenchError

MIN_POINTS = 5  # two more than the parameters of the simplest law
MIN_SPAN = 3.0  # last step over first: a shorter piece of curve shows no bend
RECENCY = 0.5  # a point's variance grows by (last step / its step) to this power
PLATEAU = 0.6  # of the loss before training: on shapes, twins rest above and fall fast below
CHANCES = (0.1, 0.9)  # the 80 % interval

_STARTS = 3  # points at which the law may begin
_NODES = {1: 48, 2: 16, 3: 8}  # per axis of the grid, by the number of axes
_ZOOMS = {1: 10, 2: 6, 3: 4}  # at most; only the simple laws need to be exact
_NEGLIGIBLE = 1e-4  # weight of a node, over the best one's, that the next grid may leave out
_ROUNDING = 1e-9  # of the loss: no curve is known better, which bounds the likelihood


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Predictions at the nodes of one grid: Student-t each, with log weights."""

    log_weight: Floats  # (J,)
    location: Floats  # (J,)
    scale: Floats  # (J,)
    freedom: Floats  # (J,)


def extrapolate_score(score: Score, at_steps: int) -> Extrapolated:
    """Return the loss of ``score``'s run after ``at_steps``, from its validations on the way.

    Raises :class:`WalkbenchError` for a failed score, for one on the shapes that has not left the
    first plateau, and as :func:`extrapolate` does.
    """
    if not score.ok:
        raise WalkbenchError(f"a failed score has no longer run to predict ({score.failed})")
    plateau = PLATEAU * (score.start or math.inf)
    if score.fidelity.data == "shapes" and score.value > plateau:
        raise WalkbenchError(
            f"the loss is still {score.value:.3g} of {score.start:.3g} at the start, where twins "
            f"stay until they fall all at once; train until it is below {plateau:.3g}"
        )
    points = [(step, loss) for step, _, loss in score.curve]
    return extrapolate([*points, (score.fidelity.steps, score.value)], at_steps)


def extrapolate(curve: Sequence[tuple[int, float]], at_steps: int) -> Extrapolated:
    """Return the loss expected after ``at_steps``, with an 80 % interval, from (step, loss) points.

    The interval is of the loss that such a run would show, its noise included. It never rises with
    ``at_steps``. Raises :class:`WalkbenchError` for fewer than ``MIN_POINTS`` points, points that
    span too little or are not finite, and for steps that are not beyond the last point.
    """
    steps, losses = _checked(curve, at_steps)
    x, target = steps / steps[-1], at_steps / steps[-1]
    found = [
        _posterior(law, x, losses, float(target), start)
        for start in sorted(set(np.linspace(0, len(x) - MIN_POINTS, _STARTS).round().astype(int)))
        for law in LAWS
    ]
    log_weight, location, scale, freedom = (
        np.concatenate([getattr(nodes, name) for nodes in found])
        for name in ("log_weight", "location", "scale", "freedom")
    )
    if not np.isfinite(log_weight).any():
        raise _no_law(len(x))
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    low, high = (_quantile(chance, weight, location, scale, freedom) for chance in CHANCES)
    order = np.argsort(location)
    middle = int(np.searchsorted(weight[order].cumsum(), 0.5))
    value = float(location[order][min(middle, len(order) - 1)])
    return Extrapolated(value, max(0.0, low), high, int(at_steps), len(x))


def _checked(curve: Sequence[tuple[int, float]], at_steps: int) -> tuple[Floats, Floats]:
    points = sorted(dict(curve).items())
    if len(points) < MIN_POINTS:
        raise WalkbenchError(
            f"{len(points)} points of a curve are too few to extrapolate from; {MIN_POINTS} or "
            "more are needed, validate more often on the way"
        )
    steps, losses = (np.array(column, dtype=float) for column in zip(*points, strict=True))
    if not (np.isfinite(losses).all() and (losses > 0).all() and steps[0] > 0):
        raise WalkbenchError(
            "a curve to extrapolate needs positive steps and finite losses above 0"
        )
    if steps[-1] < MIN_SPAN * steps[0]:
        raise WalkbenchError(
            f"points from step {steps[0]:.0f} to {steps[-1]:.0f} span too little to extrapolate; "
            f"the last must be at {MIN_SPAN:g} times the first or later"
        )
    if losses[-1] >= losses[0]:
        raise _no_law(len(points))
    if at_steps <= steps[-1]:
        raise WalkbenchError(
            f"{at_steps} steps are not beyond the curve, which ends at {steps[-1]:.0f}; "
            "ask for more"
        )
    return steps, losses


def _no_law(points: int) -> WalkbenchError:
    return WalkbenchError(
        f"the losses do not fall over the {points} points of the curve; there is no law to "
        "extrapolate, train longer"
    )


def _posterior(law: Law, x: Floats, y: Floats, target: float, start: int) -> _Nodes:
    """Return the nodes of the last of several grids, each around what the one before found."""
    box = np.array(law.box)  # (axes, 2)
    volume = np.prod(box[:, 1] - box[:, 0])
    count = _NODES[len(box)]
    # Points before the start follow no law: any loss up to the highest is as likely there.
    log_before = -start * float(np.log(y.max()))
    x, y, spread = x[start:], y[start:], y.max()
    for zoom in range(_ZOOMS[len(box)]):
        width = (box[:, 1] - box[:, 0]) / count  # (axes,)
        axes = [low + w * (np.arange(count) + 0.5) for (low, _), w in zip(box, width, strict=True)]
        theta = np.stack(
            [a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1
        )  # (J, axes)
        nodes = _solve(law, x, y, spread, target, theta)
        log_cell = float(np.log(np.prod(width) / volume))  # the prior is flat over the first box
        log_weight = nodes.log_weight + log_cell + log_before
        nodes = dataclasses.replace(nodes, log_weight=log_weight)
        best = nodes.log_weight.max()
        if not np.isfinite(best) or zoom == _ZOOMS[len(box)] - 1:
            break
        kept = theta[nodes.log_weight > best + math.log(_NEGLIGIBLE)]
        closer = np.stack([kept.min(axis=0) - width, kept.max(axis=0) + width], axis=1)
        closer = np.clip(closer, box[:, :1], box[:, 1:])
        if (closer[:, 1] - closer[:, 0] > 0.7 * (box[:, 1] - box[:, 0])).all():
            break
        box = closer
    return nodes


def _solve(
    law: Law,
    x: Floats,
    y: Floats,
    spread: float,
    target: float,
    theta: Floats,
) -> _Nodes:
    """Fit floor and drop at every node; predict at ``target``.

    The two linear unknowns are the fitted values at the first and the last point, flat a priori
    between 0 and ``spread``: unlike floor and drop they mean the same in every law, so evidence
    compares between them. A loss has a floor of at least 0: a node is weighed by how likely that
    is, and where its best floor is lower it predicts with a floor of 0.
    """
    n, weight = len(x), x**RECENCY  # (n,) inverse variances
    with np.errstate(all="ignore"):  # where a shape is flat in these steps, the node is dropped
        places = np.concatenate([x, [target]])
        g, h = law.shape(places, theta), law.floor(places, theta)  # (J, n + 1)
        # Of h·floor + g·drop: which part of the values at the first and the last point each place
        # has, and which part of these the floor has.
        (g1, h1), (gn, hn) = (g[:, :1], h[:, :1]), (g[:, n - 1, None], h[:, n - 1, None])
        cross = g1 * hn - gn * h1  # (J, 1)
        from_first, from_last = (g * hn - gn * h) / cross, (g1 * h - g * h1) / cross
        p, q = from_first[:, :n], from_last[:, :n]  # (J, n)
        pp, pq, qq = (p * p) @ weight, (p * q) @ weight, (q * q) @ weight  # (J,) normal equations
        py, qy = p @ (weight * y), q @ (weight * y)
        determinant = pp * qq - pq**2
        first, last = (qq * py - pq * qy) / determinant, (pp * qy - pq * py) / determinant
        residual = y - first[:, None] * p - last[:, None] * q
        squares = residual**2 @ weight + n * (_ROUNDING * y[-1]) ** 2  # (J,)
        freedom = n - 2
        noise = squares / freedom

        def combine(a: Floats, b: Floats) -> tuple[Floats, Floats]:
            """Return value and variance of ``a·first + b·last``."""
            variance = (a * a * qq - 2 * a * b * pq + b * b * pp) / determinant
            return a * first + b * last, noise * variance

        location, variance = combine(from_first[:, n], from_last[:, n])
        floor, floor_variance = combine((-gn / cross)[:, 0], (g1 / cross)[:, 0])
        drop = ((hn / cross)[:, 0] * first) - (h1 / cross)[:, 0] * last
        bare = (g[:, :n] @ (weight * y)) / (g[:, :n] ** 2 @ weight)
        location = np.where(floor < 0, bare * g[:, n], location)
        log_weight = (
            special.gammaln(freedom / 2)
            - 0.5 * freedom * np.log(math.pi * squares)
            - 0.5 * np.log(determinant)
            + 0.5 * np.log(weight).sum()
            - 2 * math.log(spread)
            + np.log(np.maximum(special.stdtr(freedom, floor / np.sqrt(floor_variance)), 1e-300))
        )
    usable = np.isfinite(log_weight) & np.isfinite(location) & (first >= last) & (drop >= 0)
    usable &= determinant > 1e-12
    scale = np.sqrt(np.where(usable, noise + variance, 1.0))
    return _Nodes(
        np.where(usable, log_weight, -np.inf),
        np.where(usable, location, y[-1]),
        scale,
        np.full(len(theta), float(freedom)),
    )


def _quantile(
    chance: float, weight: Floats, location: Floats, scale: Floats, freedom: Floats
) -> float:
    """Return where the mixture of Student-t distributions reaches ``chance``, by bisection."""
    used = weight > 0
    weight, location, scale, freedom = (a[used] for a in (weight, location, scale, freedom))
    low, high = (float(f(location + s * 60 * scale)) for f, s in ((np.min, -1), (np.max, 1)))
    for _ in range(80):
        middle = (low + high) / 2
        below = float(weight @ special.stdtr(freedom, (middle - location) / scale))
        low, high = (middle, high) if below < chance else (low, middle)
    return (low + high) / 2
