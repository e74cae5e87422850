"""`TrialLog`: a study's trials as records, each decoded once, however often one asks.

A study that runs asks after every trial how many are done and whether a design was scored before.
Finished trials never change, so each answer looks only at trials that are new or were unfinished.

>>> study = optuna.create_study()
>>> log = TrialLog(study)
>>> study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=3)
>>> log.done(), len(log.records()), log.decoded
(3, 3, 3)
"""

import optuna

from studies.outside import Outside
from studies.record_codec import decode_study, decode_trial
from studies.records import StudyRecord, TrialRecord


class TrialLog:
    """The trials of ``study``; ``decoded`` counts how many trials were decoded so far."""

    def __init__(self, study: optuna.Study) -> None:
        self.study = study
        self.decoded = 0
        self._shared = decode_study(study)
        self._objectives = objective_names(study)
        self._outside = Outside(self._shared or StudyRecord(), self._objectives)
        self._records: list[TrialRecord] = []
        self._open: set[int] = set()  # trials that had not finished when last looked at
        self._done = 0
        self._trained: dict[str, int] = {}  # digest of the training run → first trial that ran it
        self._decoders: dict[str, int] = {}  # the same for the decoders of pictures

    def records(self) -> list[TrialRecord]:
        """Return every trial as it stands, in order."""
        self._refresh()
        return list(self._records)

    def record(self, number: int) -> TrialRecord:
        """Return trial ``number`` as it stands; raises IndexError when there is none."""
        self._refresh()
        return self._records[number]

    def done(self) -> int:
        """Return how many trials count as done."""
        self._refresh()
        return self._done

    def running(self) -> int:
        """Return how many trials that will count a worker has taken and not finished."""
        return sum(record.rung == 0 for record in self._taken())

    def climbing(self) -> int:
        """Return how many trials a worker has taken whose designs climb."""
        return sum(record.rung > 0 for record in self._taken())

    def waiting_again(self) -> bool:
        """Whether a trial waits that trains a design on."""
        self._refresh()
        waiting = (self._records[number] for number in self._open)
        return any(r.state == "WAITING" and r.again_of is not None for r in waiting)

    def _taken(self) -> list[TrialRecord]:
        self._refresh()
        open_records = [self._records[number] for number in self._open]
        return [r for r in open_records if r.state == "RUNNING" and r.worker is not None]

    def is_one_too_many(self, number: int, total: int) -> bool:
        """Whether trial ``number`` is beyond ``total``, or another one trains its design on.

        Trials of smaller number that are done or running come first. Workers agree on it, so that
        exactly the number that was asked for goes on, and each design once.
        """
        self._refresh()
        record = self._records[number]
        if record.again_of is not None:
            same = (r for r in self._records[:number] if r.digest == record.digest)
            if any(r.rung == record.rung and not r.interrupted for r in same):
                return True
        if record.rung:
            return False
        running = sum(other.rung == 0 for other in self._taken() if other.number < number)
        return self._done + running >= total

    def trained(self, run: str) -> TrialRecord | None:
        """Return the first finished trial that made the training run with the digest ``run``."""
        self._refresh()
        number = self._trained.get(run)
        return None if number is None else self._records[number]

    def trained_decoder(self, run: str) -> TrialRecord | None:
        """Return the first finished trial that trained a decoder in the run ``run``."""
        self._refresh()
        number = self._decoders.get(run)
        return None if number is None else self._records[number]

    def _refresh(self) -> None:
        trials = self.study.get_trials(deepcopy=False)
        budgets = tuple(self._shared.budgets) if self._shared else ()
        for number in [*sorted(self._open), *range(len(self._records), len(trials))]:
            trial = trials[number]
            if number < len(self._records) and trial.state.name == "WAITING":
                continue
            self.decoded += 1
            record = decode_trial(self._outside.scored(trial), self._objectives, budgets)
            self._records[number : number + 1] = [record]
            if not trial.state.is_finished():
                self._open.add(number)
                continue
            self._open.discard(number)
            self._done += record.done
            if record.run is not None and record.trained:
                self._trained.setdefault(record.run, number)
            if record.decoder is not None and record.decoder.cached_from is None:
                self._decoders.setdefault(record.decoder.run, number)


def objective_names(study: optuna.Study) -> tuple[str, ...]:
    """Return the study's objectives in the order of its values."""
    shared = decode_study(study)
    names = (shared.objectives if shared else ()) or study.metric_names
    return tuple(names) if names else tuple(f"value_{i}" for i in range(len(study.directions)))
