"""How much each choice of a space decides each objective: PED-ANOVA over a study's trials.

An axis with a large share is one in which the best tenth of the trials differs from all of them.
That is what the trials say, and a sampler's trials are no random sample: the standard error is over
resamples of the trials, and does not cover that.

>>> trials = [
...     TrialRecord(n, "COMPLETE", params={"x": n % 4, "y": n % 3}, values={"loss": float(n % 4)})
...     for n in range(48)
... ]
>>> [found.axis for found in importances(trials, "loss", resamples=2)]
['x', 'y']
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna
from optuna.distributions import CategoricalDistribution
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from search_space.errors import WalkbenchError
from studies import pareto
from studies.reading import StudyData
from studies.records import TrialRecord

LEAST_TRIALS = 20  # with fewer, the best tenth is one trial
RESAMPLES = 20


@dataclass(frozen=True)
class Importance:
    """The share of one axis in what decides an objective; all shares add up to 1."""

    axis: str
    share: float
    stderr: float


def usable(trials: Sequence[TrialRecord], objective: str) -> list[TrialRecord]:
    """Return the trials that have both a design of the space and a value of the objective.

    Of a study with rungs those of the first, which has every design.
    """
    first = (trial for trial in trials if trial.params and trial.rung == 0)
    return [trial for trial in first if trial.value(objective) is not None]


def usable_of(study: StudyData, objective: str) -> list[TrialRecord]:
    """Return :func:`usable` trials of ``study``, of a large one some at even distances."""
    table = study.table
    rows = np.flatnonzero(~np.isnan(table.value(objective)) & (table.rungs == 0))
    return usable(study.some(rows), objective)


def importances(
    trials: Sequence[TrialRecord], objective: str, resamples: int = RESAMPLES
) -> list[Importance]:
    """Return every axis's share in ``objective``, the largest first.

    Trials over budget count where they have a value. Raises :class:`WalkbenchError` with fewer than
    :data:`LEAST_TRIALS` trials.
    """
    found = usable(trials, objective)
    if len(found) < LEAST_TRIALS:
        raise WalkbenchError(
            f"importance needs {LEAST_TRIALS} trials with a value of {objective}, there are "
            f"{len(found)}; run more trials"
        )
    shares = _shares(found, objective)
    rng = np.random.default_rng(0)
    again = [
        _shares([found[i] for i in rng.integers(0, len(found), len(found))], objective)
        for _ in range(resamples)
    ]
    errors = {axis: float(np.std([a.get(axis, 0.0) for a in again], ddof=1)) for axis in shares}
    ranked = sorted(shares, key=lambda axis: (-shares[axis], axis))
    return [Importance(axis, shares[axis], errors[axis]) for axis in ranked]


def _shares(trials: Sequence[TrialRecord], objective: str) -> dict[str, float]:
    """Ask Optuna, by a study in memory: its values are minimised and its choices those seen."""
    choices: dict[str, dict[Any, None]] = {}
    for trial in trials:
        for axis, value in trial.params.items():
            choices.setdefault(axis, {})[value] = None
    distributions = {axis: CategoricalDistribution(tuple(c)) for axis, c in choices.items()}
    with _silent():
        study = optuna.create_study(storage=optuna.storages.InMemoryStorage())
        study.add_trials([_plain(trial, objective, distributions) for trial in trials])
        return get_param_importances(study, evaluator=PedAnovaImportanceEvaluator())


def _plain(
    trial: TrialRecord, objective: str, distributions: dict[str, CategoricalDistribution]
) -> optuna.trial.FrozenTrial:
    value = trial.value(objective)
    assert value is not None
    return optuna.create_trial(
        params=dict(trial.params),
        distributions={axis: distributions[axis] for axis in trial.params},
        value=pareto.oriented((value,), (objective,))[0],
    )


@contextmanager
def _silent() -> Iterator[None]:
    """Keep Optuna's remarks off stderr."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        optuna.logging.set_verbosity(before)
