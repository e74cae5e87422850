"""`GreyboxSampler`: an Optuna sampler that models the loss and computes every other objective.

It reads what earlier trials say from the study, so it works with several workers, after a restart,
and beside designs that were enqueued by name. Trials of other workers that are being trained count
as if their losses came as expected. What Optuna's samplers cannot do, it does by construction: no
design over budget is proposed.

>>> import optuna
>>> from search_space.cost import cost
>>> from search_space.space import SearchSpace
>>> from studies.greybox.pool import PoolSize
>>> from studies.greybox.prices import Priced
>>> switches = Switches.of(SearchSpace.load("pocket"))
>>> prices = Priced(switches, ("params",), lambda design: {"params": cost(design).params})
>>> search = Search(prices, ("params",), {"params": 400e6}, size=PoolSize(20, 20, 20))
>>> study = optuna.create_study(
...     directions=["minimize", "minimize"], sampler=GreyboxSampler(search, ("loss", "params"), 0)
... )
>>> design = switches.space.suggest(study.ask())
>>> cost(design).params <= 400e6
True
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial, TrialState

from search_space.errors import WalkbenchError
from studies.greybox.proposal import History, NoDesignWithinBudgets, Search
from studies.greybox.rung_losses import on_one_rung
from studies.greybox.switches import Levels, Switches, UnknownValue

_FIXED = "fixed_params"  # where Optuna keeps the parameters of an enqueued trial


class GreyboxSampler(BaseSampler):
    """Proposes the candidate of largest expected gain; ``seed`` is the trial's own.

    ``objectives`` are the study's, in the order of its values; the one that ``search`` does not
    compute is the loss.
    """

    def __init__(self, search: Search, objectives: Sequence[str], seed: int) -> None:
        unknown = [name for name in objectives if name not in search.cheap]
        if len(unknown) != int(search.trained):
            raise WalkbenchError(
                "sampler 'greybox' models one trained objective, "
                f"got {', '.join(unknown) or 'none'}; use 'tpe'"
            )
        self._search, self._seed = search, seed
        self._loss = list(objectives).index(unknown[0]) if unknown else None
        self._sign = 1.0

    def infer_relative_search_space(
        self, study: optuna.Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Return every axis: which of them have an effect, the proposal says."""
        switches = self._search.prices.switches
        if _is_complete(switches, trial.system_attrs.get(_FIXED, {})):
            return {}  # a design enqueued whole
        return dict(switches.distributions)

    def sample_relative(
        self, study: optuna.Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Return the parameters of the proposed design."""
        if not search_space:
            return {}
        switches = self._search.prices.switches
        given = trial.system_attrs.get(_FIXED, {})
        fixed = switches.row(given) if given else None
        maximised = study.directions[self._loss or 0] is optuna.study.StudyDirection.MAXIMIZE
        self._sign = -1.0 if maximised else 1.0
        history = self._history(study, trial.number)
        try:
            row = self._search.propose(history, self._seed, trial.number, fixed)
        except NoDesignWithinBudgets as nothing:
            # The study refuses such budgets when it starts; a trial must end one way or another.
            row = nothing.levels
        return switches.params(row)

    def sample_independent(
        self,
        study: optuna.Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Return a value for an axis that no proposal named: an enqueued design left it out."""
        sampler = optuna.samplers.RandomSampler(seed=self._seed)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _history(self, study: optuna.Study, number: int) -> History:
        rows, loss, rungs, pending, failed, unknown = [], [], [], [], [], 0
        switches = self._search.prices.switches
        for trial in study.get_trials(deepcopy=False):
            row = _row(switches, trial)
            if trial.number == number or trial.state is TrialState.WAITING:
                continue
            is_running = trial.state is TrialState.RUNNING
            if row is None:
                unknown += is_running and not trial.params and trial.number < number
                continue
            rows.append(row)
            loss.append(self._loss_of(trial))
            rungs.append(int(trial.user_attrs.get("rung", 0)))
            pending.append(is_running)
            failed.append(trial.state is TrialState.FAIL and "failed" in trial.user_attrs)
        if not rows:
            empty = History.empty(len(switches.names))
            return History(empty.levels, empty.loss, empty.pending, empty.failed, unknown)
        levels, losses = np.stack(rows), np.array(loss)
        taken, broken = np.array(pending), np.array(failed)
        if any(rungs):
            designs = [row.tobytes() for row in rows]
            kept, losses = on_one_rung(designs, np.array(rungs), losses)
            levels, losses = levels[kept], losses[kept]
            taken, broken = taken[kept], broken[kept]
        return History(levels, losses, taken, broken, unknown)

    def _loss_of(self, trial: FrozenTrial) -> float:
        if trial.state is not TrialState.COMPLETE or self._loss is None:
            return float("nan")
        return self._sign * float(trial.values[self._loss])


def _row(switches: Switches, trial: FrozenTrial) -> Levels | None:
    """Return a trial's switches; None where it has no whole design of this space."""
    if not trial.params:
        return None
    try:
        return switches.row(trial.params)
    except UnknownValue:
        return None


def _is_complete(switches: Switches, params: Mapping[str, Any]) -> bool:
    """Whether enqueued parameters leave nothing to propose."""
    if not params:
        return False
    try:
        switches.settle(switches.row(params))
    except (KeyError, UnknownValue, WalkbenchError):
        return False
    return True
