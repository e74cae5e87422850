"""One trial: suggest a design, price it, check its budgets, and train it only if they are kept.

Whatever becomes of it, the trial stores the design's spec, digest, cost, latency, feasibility and
provenance before anything expensive starts, so a trial that fails or is interrupted still says what
it was about. How a trial ends:

- COMPLETE: it has a value for every objective.
- PRUNED: over budget, so it was not trained and has no proxy loss; no number is invented for it.
  TPE learns from its constraints. NSGA-II and GP look at completed trials alone; to them such a
  candidate is no candidate. Where no objective needs training, it is COMPLETE and infeasible.
- FAIL with a reason in `failed`: the training diverged, or the design cannot be priced or shrunk.
  It counts as done. FAIL without a reason was interrupted; the study makes up for it.

A design whose digest was scored before in the study is not trained again: its score is taken over,
with `reused_from` naming the trial that trained.

>>> from studies.config import load_config
>>> Objective(load_config("demo"), latency=None, proxy=None)  # doctest: +ELLIPSIS
Traceback (most recent call last):
    ...
ValueError: study 'demo' needs a latency source
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import optuna
from optuna.trial import TrialState

from latency_db.latency import Latency
from latency_db.source import LatencySource
from proxies.score import Score
from search_space.cost import Cost, cost
from search_space.errors import WalkbenchError
from search_space.presets import name_of
from search_space.provenance import provenance
from search_space.spec import UNetSpec
from studies import pareto
from studies.config import StudyConfig
from studies.gallery import Gallery

Proxy = Callable[[UNetSpec], Score]

# Optuna takes a trial without constraints for a feasible one, so a budget that could not be checked
# is told to it as exceeded by 100 %. Such trials have failed: no sampler and no row reads it.
UNKNOWN_VIOLATION = 1.0
DASHBOARD_CONSTRAINTS = "constraints"  # where optuna-dashboard (to 0.21 at least) looks for them


class CandidateFailed(Exception):
    """This candidate has no values; the study goes on. The reason is stored with the trial."""


class Objective:
    """What a study calls with each trial; stores everything it learns on the trial.

    ``latency`` prices designs on the study's device, ``proxy`` trains and scores one. Either may be
    None where the study's config does not need it. ``gallery`` keeps what ``proxy``'s twins drew.
    """

    def __init__(
        self,
        config: StudyConfig,
        latency: LatencySource | None,
        proxy: Proxy | None,
        gallery: Gallery | None = None,
    ) -> None:
        if latency is None and config.device is not None:
            raise ValueError(f"study {config.name!r} needs a latency source")
        if proxy is None and "proxy_loss" in config.objectives:
            raise ValueError(f"study {config.name!r} needs a proxy")
        self.config, self.latency, self.proxy, self.gallery = config, latency, proxy, gallery

    def __call__(self, trial: optuna.Trial) -> tuple[float, ...]:
        """Return the values of the objectives; raises ``TrialPruned`` and `CandidateFailed`."""
        known: dict[str, float] = {}
        try:
            spec = self._suggest(trial)
            self._price(trial, spec, known)
            is_feasible = self._constrain(trial, known)
            if "proxy_loss" in self.config.objectives:
                if not is_feasible:
                    raise optuna.TrialPruned("over budget, not trained")
                known["proxy_loss"] = self._score(trial, spec)
        except WalkbenchError as error:
            self._constrain(trial, known)
            raise _failed(trial, str(error)) from None
        return tuple(known[name] for name in self.config.objectives)

    def _suggest(self, trial: optuna.Trial) -> UNetSpec:
        trial.set_user_attr("provenance", provenance())
        spec = self.config.space.suggest(trial)
        trial.set_user_attr("name", trial.user_attrs.get("enqueued") or name_of(spec))
        trial.set_user_attr("digest", spec.digest())
        trial.set_user_attr("spec", spec.to_dict())
        return spec

    def _price(self, trial: optuna.Trial, spec: UNetSpec, known: dict[str, float]) -> None:
        """Store cost and latency, and note in ``known`` what can be an objective or a budget."""
        priced: Cost = cost(spec)
        trial.set_user_attr("cost", dataclasses.asdict(priced))
        known.update(params=priced.params, macs=priced.macs)
        if self.latency is not None:
            latency: Latency = self.latency.predict(spec)
            device = {"device": self.latency.device, "by": self.latency.name}
            trial.set_user_attr("latency", {**dataclasses.asdict(latency), **device})
            known["latency_ms"] = latency.ms

    def _constrain(self, trial: optuna.Trial, known: dict[str, float]) -> bool:
        """Tell Optuna and our rows how far each budget is exceeded; say whether all are kept."""
        if "constraints" in trial.user_attrs:
            return bool(trial.user_attrs["feasible"])
        budgets = self.config.budgets
        violations = {
            name: pareto.violation(known[name], limit)
            for name, limit in budgets.items()
            if name in known
        }
        is_feasible = pareto.feasible(violations, budgets)
        trial.set_user_attr("constraints", violations)
        trial.set_user_attr("feasible", is_feasible)
        told = {name: violations.get(name, UNKNOWN_VIOLATION) for name in budgets}
        for name, value in told.items():
            trial.set_constraint(name, value)
        # Beside the new ones, not instead: optuna-dashboard reads only this form and would show
        # every trial as feasible. Optuna then sums each violation twice, which keeps their order.
        trial.storage.set_trial_system_attr(
            trial._trial_id, DASHBOARD_CONSTRAINTS, list(told.values())
        )
        return bool(is_feasible)

    def _score(self, trial: optuna.Trial, spec: UNetSpec) -> float:
        """Train the design, or take over the score of the trial that did; store which."""
        assert self.proxy is not None
        before = _scored_before(trial.study, spec.digest())
        score, trained_by = before or (self.proxy(spec), None)
        trial.set_user_attr("score", {**score.to_dict(), "reused_from": trained_by})
        if self.gallery is not None and trained_by is None:
            self.gallery.hang(trial)
        if not score.ok:
            raise _failed(trial, score.failed or "the proxy gave no score")
        return score.value


def _failed(trial: optuna.Trial, reason: str) -> CandidateFailed:
    trial.set_user_attr("failed", reason)
    return CandidateFailed(reason)


def _scored_before(study: optuna.Study, digest: str) -> tuple[Score, int] | None:
    """Return the score of a finished trial of this design, and the number of the one that trained.

    A study has one proxy setting (the runner refuses to mix), so its scores are at one fidelity.
    """
    for earlier in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.FAIL)):
        attrs: dict[str, Any] = earlier.user_attrs
        if attrs.get("digest") == digest and attrs.get("score"):
            stored = dict(attrs["score"])
            trained_by = stored.pop("reused_from")
            return Score.from_dict(stored), earlier.number if trained_by is None else trained_by
    return None
