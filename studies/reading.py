"""`StudyData`: one study as it stands, for everything that shows studies.

It may still be running and be read again and again, as a page does at each refresh. A storage
opened here reads each finished trial from the database once.

>>> open_for_reading("sqlite:///nowhere.db")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: storage sqlite:///nowhere.db does not exist; ...
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

import optuna
import sqlalchemy
from optuna.storages import BaseStorage

from search_space.errors import WalkbenchError
from studies import store
from studies.record_codec import TARGET, decode_study
from studies.records import StudyRecord, TrialRecord
from studies.trial_log import TrialLog, objective_names


@dataclass(frozen=True)
class StudyData:
    """One study as it stood at one moment.

    ``shared`` is empty for a study that something else than walkbench made; its trials have values
    and nothing else. ``target`` is the total of trials last asked for.
    """

    name: str
    objectives: tuple[str, ...]
    shared: StudyRecord
    trials: Sequence[TrialRecord]
    target: int | None = None

    @property
    def done(self) -> int:
        """How many trials count as done."""
        return sum(trial.done for trial in self.trials)

    @property
    def stamp(self) -> tuple[int, int, datetime | None]:
        """Number of trials, how many have ended, when the last did; changes with every trial."""
        ended = [trial.ended for trial in self.trials if trial.ended]
        return len(self.trials), len(ended), max(ended, default=None)

    def trial(self, number: int) -> TrialRecord:
        """Return one trial; raises :class:`WalkbenchError` when there is none."""
        if not 0 <= number < len(self.trials):
            last = f"0 … {len(self.trials) - 1}" if self.trials else "none yet"
            raise WalkbenchError(f"study {self.name!r} has no trial {number}; its trials: {last}")
        return self.trials[number]


def study_data(study: optuna.Study) -> StudyData:
    """Return ``study`` as it stands."""
    return StudyData(
        study.study_name,
        objective_names(study),
        decode_study(study) or StudyRecord(),
        TrialLog(study).records(),
        study.user_attrs.get(TARGET),
    )


def open_for_reading(url: str) -> BaseStorage:
    """Open an existing storage; raises :class:`WalkbenchError` when there is none."""
    return optuna.storages.get_storage(store.open_storage(url))


def read_names(storage: BaseStorage) -> list[str]:
    """Return the names of the studies; raises :class:`WalkbenchError` when the storage fails."""
    with _errors():
        return store.study_names(storage)


def read_study(storage: BaseStorage, name: str) -> StudyData:
    """Return the study as it stands; raises :class:`WalkbenchError` for one that is not there."""
    with _errors():
        return study_data(store.open_study(storage, name))


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
        cause = error.__cause__ or error
        reason = " ".join(str(getattr(cause, "orig", None) or cause).split())
        raise WalkbenchError(f"the storage cannot be read: {reason}; try again") from error
