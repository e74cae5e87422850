"""Trials that another tool added to a study, scored when they are read.

`optuna tell` stores parameters and values, and nothing that says whether budgets are kept. Such a
trial's design follows from its parameters, so its exact metrics, latency and budgets are computed
here, and what it was told of them is replaced. A trained metric is taken as told. Where nothing can
be computed (parameters outside the space, another latency model) the trial is unchecked, which no
front takes for feasible.

>>> Outside(StudyRecord()).attributes({"kv_heads.2": 1})
{}
"""

import copy
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from latency_db.source import LatencySource
from latency_db.sources import source_of
from search_space.errors import WalkbenchError
from search_space.network import Network
from search_space.presets import name_of
from search_space.space import FixedValues, SearchSpace
from studies import pareto, record_codec
from studies.candidate import measured, priced
from studies.metric import Measured
from studies.metrics import METRICS, known
from studies.records import LatencyOrigin, StudyRecord


class Outside:
    """Scores trials from outside of the study that ``shared`` describes."""

    def __init__(self, shared: StudyRecord, objectives: Sequence[str] = ()) -> None:
        self.shared, self.objectives = shared, tuple(objectives)
        self._found: dict[str, dict[str, Any]] = {}

    def is_outside(self, trial: FrozenTrial) -> bool:
        """Whether another tool completed ``trial``: it says nothing of its design."""
        return trial.state is TrialState.COMPLETE and "digest" not in trial.user_attrs

    def scored(self, trial: FrozenTrial) -> FrozenTrial:
        """Return ``trial`` as Walkbench would have stored it; others than from outside as is."""
        if not self.is_outside(trial):
            return trial
        found = self.attributes(trial.params)
        if not found:
            return trial
        scored = copy.copy(trial)
        scored._user_attrs = {**trial.user_attrs, **found}
        scored.values = [
            found["measured"][name][0] if name in found["measured"] else value
            for name, value in zip(self.objectives, trial.values, strict=True)
        ]
        return scored

    def attributes(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the attributes of a trial with ``params``; none where it cannot be scored."""
        key = repr(sorted(params.items()))
        if key not in self._found:
            try:
                self._found[key] = self._score(params)
            except WalkbenchError:
                self._found[key] = {}
        return self._found[key]

    def _score(self, params: Mapping[str, Any]) -> dict[str, Any]:
        network = self._network(params)
        if network is None:
            return {}
        budgets = self.shared.budgets
        names = [n for n in dict.fromkeys([*self.objectives, *budgets]) if known(n) is not None]
        latency = self._latency
        if latency is None:
            names = [n for n in names if METRICS.get(n).stage != "lookup"]
        candidate = priced(network, latency)
        found: dict[str, Measured] = measured(candidate, names, "free", "lookup")
        missed = {
            name: METRICS.get(name).violation(found[name].value, limit)
            for name, limit in budgets.items()
            if name in found
        }
        stored = _Attributes()
        record_codec.write_design(stored, network, name_of(network))
        if candidate.cost is not None:
            record_codec.write_cost(stored, candidate.cost)
        if candidate.latency is not None and latency is not None:
            origin = LatencyOrigin(latency.device, latency.name, latency.revision)
            record_codec.write_latency(stored, candidate.latency, origin, candidate.programs)
        record_codec.write_measured(stored, found)
        record_codec.write_constraints(stored, missed, pareto.feasible(missed, budgets))
        return stored.user_attrs

    def _network(self, params: Mapping[str, Any]) -> Network | None:
        space = self._space
        if space is None or set(params) - {axis.name for axis, _ in space.axes}:
            return None
        try:
            network: Network = space.suggest(FixedValues(params))
        except KeyError:  # an axis that has an effect was not asked for
            return None
        return network if network in space else None

    @cached_property
    def _space(self) -> SearchSpace | None:
        """The study's space; None where it is not known any more."""
        stored, name = self.shared.space_content, self.shared.space
        try:
            if stored is not None and "base" in stored:
                space = SearchSpace.from_dict(stored)
            elif name is not None:
                space = SearchSpace.load(name)
            else:
                return None
        except WalkbenchError:
            return None
        return space if space.digest() == self.shared.space_digest else None

    @cached_property
    def _latency(self) -> LatencySource | None:
        """What prices the study's designs; None for another source or another revision of it."""
        if self.shared.device is None or not self.shared.revisions:
            return None
        try:
            source = source_of(self.shared.device)
        except WalkbenchError:
            return None
        same = source.name == self.shared.latency_by
        return source if same and source.revision == self.shared.revisions[-1].latency else None


class _Attributes:
    """Takes what is written to a trial."""

    def __init__(self) -> None:
        self.user_attrs: dict[str, Any] = {record_codec.OUTSIDE: True}

    def set_user_attr(self, key: str, value: Any) -> None:
        self.user_attrs[key] = value
