"""`EarlierRuns`: training runs that any study of a storage has made, found by their digests.

A run's digest says network, data, recipe, budget, twin and seed, so a run that another study made
has the score that this one would get. Studies that something else made, or a later version wrote,
are left out. Each finished trial is read once.

>>> study = optuna.create_study()
>>> EarlierRuns(study, TrialLog(study)).find("0123456789ab") is None
True
"""

from collections.abc import Callable
from dataclasses import dataclass

import optuna

from search_space.errors import WalkbenchError
from studies.record_codec import decode_study
from studies.records import TrialRecord
from studies.trial_log import TrialLog


@dataclass(frozen=True)
class EarlierRun:
    """A trial that made a training run, and the name of its study."""

    study: str
    trial: TrialRecord

    @property
    def place(self) -> str:
        """Study and trial as records name them: small/7."""
        return f"{self.study}/{self.trial.number}"


class EarlierRuns:
    """The runs of ``study``, whose trials are ``log``, and of the other studies of its storage."""

    def __init__(self, study: optuna.Study, log: TrialLog) -> None:
        self._study, self._own = study, log
        self._others: dict[str, TrialLog | None] = {}  # None: nothing that can be read

    def find(self, run: str) -> EarlierRun | None:
        """Return the first trial that made ``run``, one of the study's own before others'."""
        return self._first(lambda log: log.trained(run))

    def find_decoder(self, run: str) -> EarlierRun | None:
        """Return the first trial whose picture's decoder was trained in ``run``."""
        return self._first(lambda log: log.trained_decoder(run))

    def _first(self, trained: Callable[[TrialLog], TrialRecord | None]) -> EarlierRun | None:
        own = trained(self._own)
        if own is not None:
            return EarlierRun(self._study.study_name, own)
        for name in optuna.get_all_study_names(self._study._storage):
            log = None if name == self._study.study_name else self._log(name)
            try:
                found = trained(log) if log is not None else None
            except WalkbenchError:  # a trial of another version
                self._others[name] = found = None
            if found is not None:
                return EarlierRun(name, found)
        return None

    def _log(self, name: str) -> TrialLog | None:
        if name not in self._others:
            study = optuna.load_study(study_name=name, storage=self._study._storage)
            try:
                shared = decode_study(study)
            except WalkbenchError:
                shared = None
            if shared is None or shared.proxy is None:
                if shared is None and not study.trials:
                    return None  # perhaps just being made
                self._others[name] = None
            else:
                self._others[name] = TrialLog(study)
        return self._others[name]
