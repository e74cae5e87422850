"""What a longer run would reach: the loss at more steps, predicted from a curve, with an interval.

Three families of falling curves, known to fit learning curves (Domhan et al., IJCAI 2015): a power
of the steps, an exponential of the steps, and a power of the steps that begins with a plateau.
Each is ``floor + drop · g(steps)`` with one or two numbers inside g. Those numbers are laid out on
a grid; at each node floor and drop follow by least squares, and the node is weighed by how likely
it makes the curve (noise level, floor and drop integrated out, as a Bayesian would). The grid
closes in on the nodes that matter. The prediction is the median over all nodes, and the interval is
that of the mixture: it holds what the families disagree about, how well each is determined, and the
noise of the curve itself. With few points that is honest where a bootstrap of residuals is not.

Late points count more (:data:`RECENCY`): the first steps of training follow laws of their own.

>>> curve = [(step, 0.1 + 2 * step**-0.5) for step in (100, 150, 220, 330, 500, 750, 1000)]
>>> guess = extrapolate(curve, at_steps=4000)
>>> round(guess.value, 4), guess.low <= guess.value <= guess.high, guess.points
(0.1316, True, 7)
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from proxies.score import Score
from proxies.score_parts import Extrapolated
from search_space.errors import WalkbenchError

MIN_POINTS = 5  # two more than the parameters of the simplest family
MIN_SPAN = 3.0  # last step over first: a shorter piece of curve shows no bend
RECENCY = 0.5  # a point's variance grows by (last step / its step) to this power
CHANCES = (0.1, 0.9)  # the 80 % interval

_NODES = {1: 96, 2: 24}  # per axis of the grid, by the number of axes
_ZOOMS = 12
_NEGLIGIBLE = 1e-4  # weight of a node, over the best one's, that the next grid may leave out
_ROUNDING = 1e-9  # of the loss: no curve is known better, which bounds the likelihood

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class _Family:
    """A shape g(x; θ) that falls to zero; x is steps over the last step, θ lies in a box."""

    name: str
    shape: Callable[[Floats, Floats], Floats]  # x (n,), θ (J, axes) to (J, n)
    box: tuple[tuple[float, float], ...]


def _power(x: Floats, theta: Floats) -> Floats:
    out: Floats = x ** -np.exp(theta[:, :1])
    return out


def _exponential(x: Floats, theta: Floats) -> Floats:
    out: Floats = np.exp(-np.exp(theta[:, :1]) * (x - 1))
    return out


def _delayed_power(x: Floats, theta: Floats) -> Floats:
    """Flat until x0 = exp(θ₁), then x to the power −exp(θ₀)."""
    exponent, start = np.exp(theta[:, :1]), np.exp(theta[:, 1:])
    out: Floats = special.expit(exponent * (np.log(start) - np.log(x)))
    return out


_LOG = math.log
FAMILIES = (
    _Family("power", _power, ((_LOG(0.05), _LOG(4)),)),
    _Family("exponential", _exponential, ((_LOG(0.1), _LOG(30)),)),
    _Family("delayed power", _delayed_power, ((_LOG(0.2), _LOG(6)), (_LOG(0.02), _LOG(2)))),
)


@dataclass(frozen=True, eq=False)
class _Nodes:
    """Predictions at the nodes of one grid: Student-t each, with log weights."""

    log_weight: Floats  # (J,)
    location: Floats  # (J,)
    scale: Floats  # (J,)


def extrapolate_score(score: Score, at_steps: int) -> Extrapolated:
    """Return the loss of ``score``'s run after ``at_steps``, from its validations on the way."""
    if not score.ok:
        raise WalkbenchError(f"a failed score has no longer run to predict ({score.failed})")
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
    found = [_posterior(family, x, losses, float(target)) for family in FAMILIES]
    log_weight, location, scale = (
        np.concatenate([getattr(nodes, name) for nodes in found])
        for name in ("log_weight", "location", "scale")
    )
    if not np.isfinite(log_weight).any():
        raise WalkbenchError(
            f"the losses do not fall over the {len(x)} points of the curve; there is no law to "
            "extrapolate, train longer"
        )
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    freedom = len(x) - 2
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
    if at_steps <= steps[-1]:
        raise WalkbenchError(
            f"{at_steps} steps are not beyond the curve, which ends at {steps[-1]:.0f}; "
            "ask for more"
        )
    return steps, losses


def _posterior(family: _Family, x: Floats, y: Floats, target: float) -> _Nodes:
    """Return the nodes of the last of several grids, each around what the one before found."""
    box = np.array(family.box)  # (axes, 2)
    volume = np.prod(box[:, 1] - box[:, 0])
    count = _NODES[len(box)]
    for zoom in range(_ZOOMS):
        width = (box[:, 1] - box[:, 0]) / count  # (axes,)
        axes = [low + w * (np.arange(count) + 0.5) for (low, _), w in zip(box, width, strict=True)]
        theta = np.stack(
            [a.ravel() for a in np.meshgrid(*axes, indexing="ij")], axis=1
        )  # (J, axes)
        nodes = _solve(family.shape, x, y, target, theta)
        log_cell = float(np.log(np.prod(width) / volume))  # the prior is flat over the first box
        nodes = _Nodes(nodes.log_weight + log_cell, nodes.location, nodes.scale)
        best = nodes.log_weight.max()
        if not np.isfinite(best) or zoom == _ZOOMS - 1:
            break
        kept = theta[nodes.log_weight > best + math.log(_NEGLIGIBLE)]
        closer = np.stack([kept.min(axis=0) - width, kept.max(axis=0) + width], axis=1)
        closer = np.clip(closer, box[:, :1], box[:, 1:])
        if (closer[:, 1] - closer[:, 0] > 0.7 * (box[:, 1] - box[:, 0])).all():
            break
        box = closer
    return nodes


def _solve(
    shape: Callable[[Floats, Floats], Floats], x: Floats, y: Floats, target: float, theta: Floats
) -> _Nodes:
    """Fit floor and drop at every node; predict at ``target``.

    The two linear unknowns are the fitted values at the first and the last point, flat a priori:
    unlike floor and drop they mean the same in every family, so evidence compares between them.
    """
    ends = np.array([x[0], 1.0])
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        g = shape(np.concatenate([x, ends, [target, np.inf]]), theta)  # (J, n + 4)
        first, last = g[:, -4, None], g[:, -3, None]
        share = (g - last) / (first - last)  # 1 at the first point, 0 at the last one
    n, weight = len(x), x**RECENCY  # (n,) inverse variances
    basis = np.stack([share, 1 - share], axis=2)  # (J, n + 4, 2)
    at, to, end = basis[:, :n], basis[:, -2], basis[:, -1]
    gram = np.einsum("jna,n,jnb->jab", at, weight, at)  # (J, 2, 2)
    usable = np.isfinite(gram).all(axis=(1, 2)) & np.isfinite(end).all(axis=1)
    gram[~usable] = np.eye(2)
    at, to, end = (np.where(np.isfinite(part), part, 0.0) for part in (at, to, end))
    determinant = np.linalg.det(gram)
    usable &= determinant > 1e-12
    gram[~usable] = np.eye(2)
    inverse = np.linalg.inv(gram)
    ends_fit = np.einsum("jab,jnb,n,n->ja", inverse, at, weight, y)  # (J, 2)
    residual = y - np.einsum("jna,ja->jn", at, ends_fit)
    squares = (weight * residual**2).sum(axis=1)  # (J,)
    usable &= ends_fit[:, 0] >= ends_fit[:, 1]
    squares = squares + n * (_ROUNDING * y[-1]) ** 2
    freedom = n - 2
    log_weight = -0.5 * np.log(np.where(usable, determinant, 1)) - 0.5 * freedom * np.log(squares)
    noise = squares / freedom
    variance = noise * (1 + np.einsum("ja,jab,jb->j", to, inverse, to))
    location = (to * ends_fit).sum(axis=1)
    # A loss has a floor of at least 0: weigh a node by how likely that is, and where its best floor
    # is below, predict with a floor of 0.
    floor = (end * ends_fit).sum(axis=1)
    spread = np.sqrt(noise * np.einsum("ja,jab,jb->j", end, inverse, end))
    log_weight += np.log(np.maximum(special.stdtr(freedom, floor / spread), 1e-300))
    bare, bare_to = g[:, :n], g[:, -2]
    with np.errstate(invalid="ignore", divide="ignore"):
        drop = (bare * weight * y).sum(axis=1) / (bare**2 * weight).sum(axis=1)
        location = np.where(floor < 0, drop * bare_to, location)
    usable &= np.isfinite(location)
    location = np.where(usable, location, y[-1])
    return _Nodes(np.where(usable, log_weight, -np.inf), location, np.sqrt(variance))


def _quantile(
    chance: float, weight: Floats, location: Floats, scale: Floats, freedom: int
) -> float:
    """Return where the mixture of Student-t distributions reaches ``chance``, by bisection."""
    used = weight > 0
    weight, location, scale = weight[used], location[used], scale[used]
    low, high = (float(f(location + s * 60 * scale)) for f, s in ((np.min, -1), (np.max, 1)))
    for _ in range(80):
        middle = (low + high) / 2
        below = float(weight @ special.stdtr(freedom, (middle - location) / scale))
        low, high = (middle, high) if below < chance else (low, middle)
    return (low + high) / 2
