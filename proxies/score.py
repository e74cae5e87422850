"""`Score`: the loss of a short training run, with its error and its cost.

A score is a validation loss on random numbers that all candidates share, so two scores are
compared sample by sample (:func:`difference`): most of the spread of a loss belongs to the sample
and cancels. Scores compare only at one data set, resolution and parametrisation; :class:`Fidelity`
says which run it was. A run that diverged is a failed score: its value is infinite, never good.

>>> run = Fidelity(steps=100, seconds=2.0, width=16, latent=24, batch=16, seed=0, data="shapes")
>>> a = Score.of_losses((0.5, 0.7, 0.9), run)
>>> b = Score.of_losses((0.4, 0.6, 0.8), run)
>>> round(a.value, 3), round(a.stderr, 3)
(0.7, 0.115)
>>> difference(a, b).value > 0.09, difference(a, b).stderr < 1e-9
(True, True)
>>> Score.failure("loss is nan at step 7", run).ok
False
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from proxies.score_parts import (
    Composition,
    Distance,
    Extrapolated,
    PictureErrors,
    PictureQuality,
)
from search_space.errors import WalkbenchError


@dataclass(frozen=True)
class Fidelity:
    """The cost of a score, and the conditions of its run.

    ``seconds`` is measured training time, without the making of data and the validation; ``width``
    and ``latent`` are the twin's (:func:`proxies.twin.twin`); ``data`` names the data set.
    ``precision`` and ``compiled`` say how it was trained (:mod:`proxies.hardware`); a
    ``micro_batch`` smaller than the batch was accumulated. ``settings`` is the digest of the run's
    :class:`proxies.training_run.TrainingSettings`. Scores of version 0.1 may lack the last two,
    which are 0 and empty then.
    """

    steps: int
    seconds: float
    width: int
    latent: int
    batch: int
    seed: int
    data: str = "shapes"
    device: str = "cpu"
    precision: str = "float32"
    compiled: bool = False
    micro_batch: int = 0
    settings: str = ""


@dataclass(frozen=True)
class Difference:
    """``a − b`` over the same samples, with the standard error of the paired difference."""

    value: float
    stderr: float


@dataclass(frozen=True)
class Score:
    """A validation loss, lower is better, as mean and standard error over ``n`` samples.

    The standard error is the spread over validation samples; the spread over training seeds is
    larger and only several runs show it. ``buckets`` are mean losses of equal shares of the samples
    in order of their timestep, noise last. ``losses`` has the samples one by one. ``curve`` has
    (step, seconds, loss) of the validations on the way, ``train_loss_sum`` the sum of training
    losses, ``start`` the validation loss before training. ``stopped`` says why a run ended early,
    ``failed`` why there is no loss. ``composition`` (of drawn pictures), ``distances`` (of these
    from real ones), ``extrapolated`` (a longer run) and ``picture`` (few steps, few bits) are
    present on request, ``quality`` of decoders.
    """

    value: float
    stderr: float
    n: int
    fidelity: Fidelity
    buckets: tuple[float, ...] = ()
    losses: tuple[float, ...] = ()
    curve: tuple[tuple[int, float, float], ...] = ()
    train_loss_sum: float = 0.0
    params: int = 0
    start: float | None = None
    stopped: str | None = None
    failed: str | None = None
    composition: Composition | None = None
    distances: tuple[Distance, ...] = ()
    extrapolated: Extrapolated | None = None
    picture: PictureErrors | None = None
    quality: PictureQuality | None = None

    @property
    def ok(self) -> bool:
        """Whether the run ended with a finite loss."""
        return self.failed is None

    @classmethod
    def of_losses(cls, losses: Sequence[float], fidelity: Fidelity, **more: Any) -> Self:
        """Return the score of per-sample ``losses``; one that is not finite makes it a failure."""
        n = len(losses)
        if n < 2:
            raise WalkbenchError(f"a score needs at least 2 validation samples, got {n}")
        if not all(map(math.isfinite, losses)):
            return cls.failure("the validation loss is not finite", fidelity, **more)
        mean = math.fsum(losses) / n
        variance = math.fsum((loss - mean) ** 2 for loss in losses) / (n - 1)
        return cls(mean, math.sqrt(variance / n), n, fidelity, losses=tuple(losses), **more)

    @classmethod
    def failure(cls, reason: str, fidelity: Fidelity, **more: Any) -> Self:
        """Return a failed score: infinitely bad, with its reason."""
        more = {k: v for k, v in more.items() if k not in ("losses", "buckets")}
        return cls(math.inf, math.inf, 0, fidelity, failed=reason, **more)

    def loss_at(self, steps: int) -> float:
        """Return the loss that the run had after ``steps``; infinite where it had failed by then.

        Not a number for a run that went on and was not validated there.
        """
        end = self.value if self.fidelity.steps <= steps else math.nan
        return next((loss for at, _, loss in self.curve if steps <= at <= steps + 1), end)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; what is not finite, as in a failed score, becomes null."""
        data: dict[str, Any] = _finite(dataclasses.asdict(self))
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Read what :meth:`to_dict` wrote, now or before it had all of today's fields.

        Raises :class:`WalkbenchError` if fields do not fit.
        """
        try:
            fields = dict(data)
            fields["fidelity"] = Fidelity(**fields["fidelity"])
            for name in ("value", "stderr"):
                fields[name] = math.inf if fields[name] is None else float(fields[name])
            for name in ("buckets", "losses"):
                fields[name] = tuple(fields.get(name, ()))
            curve = fields.get("curve", ())
            fields["curve"] = tuple((int(s), t, math.inf if v is None else v) for s, t, v in curve)
            if fields.get("train_loss_sum", 0.0) is None:
                fields["train_loss_sum"] = math.nan
            for name, part in _PARTS.items():
                fields[name] = part(**fields[name]) if fields.get(name) else None
            fields["distances"] = tuple(Distance(**d) for d in fields.get("distances") or ())
            return cls(**fields)
        except (KeyError, TypeError, ValueError) as error:
            raise WalkbenchError(f"not a score: {error}; run the proxy again to make one") from None


_PARTS: dict[str, Callable[..., Any]] = {
    "composition": Composition,
    "extrapolated": Extrapolated,
    "picture": PictureErrors.of,
    "quality": PictureQuality,
}


def _finite(value: Any) -> Any:
    """Return ``value`` with None for every number in it that is not finite."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def difference(a: Score, b: Score) -> Difference:
    """Return ``a − b`` by sample; raises :class:`WalkbenchError` where they do not compare."""
    for score in (a, b):
        if not score.ok:
            raise WalkbenchError(f"a failed score has no difference to another ({score.failed})")
    kind_a, kind_b = (
        (s.fidelity.data, s.fidelity.latent, s.n, len(s.losses) == s.n) for s in (a, b)
    )
    if kind_a != kind_b or not kind_a[-1]:
        raise WalkbenchError(
            f"scores of {kind_a[0]} at latent {kind_a[1]} with {len(a.losses)} samples and of "
            f"{kind_b[0]} at latent {kind_b[1]} with {len(b.losses)} do not compare; "
            "run both on the same data, latent and validation size"
        )
    short_a, short_b = a.fidelity.precision, b.fidelity.precision
    if short_a != short_b:
        raise WalkbenchError(
            f"scores trained in {short_a} and in {short_b} do not compare; train both in one "
            "precision"
        )
    paired = Score.of_losses([x - y for x, y in zip(a.losses, b.losses, strict=True)], a.fidelity)
    return Difference(paired.value, paired.stderr)
