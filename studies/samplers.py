"""The registry of samplers, and the seeds that make resumed studies suggest the same designs.

A sampler is made anew for every trial, seeded by the study's seed, its space and the trial's
number. What it learns comes from the storage, so nothing is lost, and a study that is resumed or
shared by several workers never repeats a random stream, as it would if each start seeded one
sampler alike. The seed does not depend on the study's name, so two studies of one config suggest
the same designs.

To add a sampler, :func:`register` it; `tests/extending/test_add_sampler.py` does.

>>> SAMPLERS.names()
('tpe', 'nsga2', 'random', 'gp', 'greybox')
>>> trial_seed(0, "d65df1277220", 7) == trial_seed(0, "d65df1277220", 7)
True
"""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from search_space.registry import Registry
from studies.sought import Sought


@dataclass(frozen=True)
class SamplerKind:
    """A way to suggest designs: ``make(seed)`` returns Optuna's sampler.

    A sampler that needs to know what is searched has ``informed`` instead, which returns such a
    function for a study's space, objectives and budgets. ``repeats_unseen`` is true for one that
    looks at complete trials alone and would suggest a candidate over budget, which is never trained
    and so never complete, again and again.
    """

    name: str
    make: Callable[[int], BaseSampler] | None = None
    repeats_unseen: bool = False
    informed: Callable[[Sought], Callable[[int], BaseSampler]] | None = None


SAMPLERS: Registry[SamplerKind] = Registry("sampler")


def register(kind: SamplerKind) -> SamplerKind:
    """Add ``kind`` to the registry; raises :class:`WalkbenchError` for a name that is taken."""
    SAMPLERS.register(kind.name, kind)
    return kind


def _tpe(seed: int) -> BaseSampler:
    # Axes are conditional (no attention geometry without a transformer): `group` samples together
    # those that occur together. The constant liar, which keeps workers apart, is Optuna's default.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed, multivariate=True, group=True)


def _nsga2(seed: int) -> BaseSampler:
    return optuna.samplers.NSGAIISampler(seed=seed)


def _random(seed: int) -> BaseSampler:
    return optuna.samplers.RandomSampler(seed=seed)


def _gp(seed: int) -> BaseSampler:
    return optuna.samplers.GPSampler(seed=seed)


def _greybox(sought: Sought) -> Callable[[int], BaseSampler]:
    from studies.greybox.informed import informed

    return informed(sought)


register(SamplerKind("tpe", _tpe))  # the default: 100 trials in under a second
register(SamplerKind("nsga2", _nsga2))  # needs a thousand trials or more
register(SamplerKind("random", _random))
register(SamplerKind("gp", _gp, repeats_unseen=True))  # better than TPE up to about 300 trials
register(SamplerKind("greybox", informed=_greybox))  # models the loss alone, computes the others


def trial_seed(seed: int, space_digest: str, number: int) -> int:
    """Return the 32-bit seed of one trial."""
    text = f"{seed}/{space_digest}/{number}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big")


def make_sampler(kind: str, sought: Sought) -> "SeededByTrial":
    """Return the sampler called ``kind`` for what a study seeks.

    Raises :class:`WalkbenchError` for an unknown one, and for objectives that it cannot search.
    """
    known = SAMPLERS.get(kind)
    make = known.make if known.informed is None else known.informed(sought)
    if make is None:
        raise ValueError(f"sampler {kind!r} is registered with neither make nor informed")
    return SeededByTrial(make, sought.seed, sought.space.digest())


class SeededByTrial(BaseSampler):
    """Hands every trial to a fresh sampler, made with the trial's own seed."""

    def __init__(self, make: Callable[[int], BaseSampler], seed: int, space_digest: str) -> None:
        self._make, self._seed, self._space_digest = make, seed, space_digest
        self._current: BaseSampler = make(seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Make the sampler of this trial; Optuna calls this first."""
        self._current = self._make(trial_seed(self._seed, self._space_digest, trial.number))
        self._current.before_trial(study, trial)

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """As the trial's sampler does."""
        return self._current.infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """As the trial's sampler does."""
        return self._current.sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """As the trial's sampler does."""
        return self._current.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """As the trial's sampler does."""
        self._current.after_trial(study, trial, state, values)
