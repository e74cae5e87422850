"""Samplers that suggest the same designs however often a study was interrupted.

A sampler is made anew for every trial, with a seed of the study's own seed and the trial's number.
What it learns comes from the storage, so nothing is lost; and a study that was stopped and resumed,
or shared by several workers, never repeats a random stream, which it would if each start seeded one
sampler alike.

>>> sampler = make_sampler("tpe", study="demo", seed=0)
>>> trial_seed("demo", 0, 7) == trial_seed("demo", 0, 7) != trial_seed("demo", 0, 8)
True
"""

import hashlib
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState


def trial_seed(study: str, seed: int, number: int) -> int:
    """Return the 32-bit seed of one trial."""
    text = f"{study}/{seed}/{number}".encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:4], "big")


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


SAMPLERS: dict[str, Callable[[int], BaseSampler]] = {
    "tpe": _tpe,  # the default: 100 trials in under a second
    "nsga2": _nsga2,  # needs a thousand trials or more
    "random": _random,
    "gp": _gp,  # a slightly better front than TPE, up to about 300 trials without budgets
}


def make_sampler(kind: str, study: str, seed: int) -> "SeededByTrial":
    """Return the sampler called ``kind``, one of :data:`SAMPLERS`."""
    return SeededByTrial(SAMPLERS[kind], study, seed)


class SeededByTrial(BaseSampler):
    """Hands every trial to a fresh sampler, made with the trial's own seed."""

    def __init__(self, make: Callable[[int], BaseSampler], study: str, seed: int) -> None:
        self._make, self._study, self._seed = make, study, seed
        self._current: BaseSampler = make(seed)

    def before_trial(self, study: optuna.Study, trial: FrozenTrial) -> None:
        """Make the sampler of this trial; Optuna calls this first."""
        self._current = self._make(trial_seed(self._study, self._seed, trial.number))
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
