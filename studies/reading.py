"""Reading a study that may still be running, again and again, as a page does at each refresh.

Finished trials never change, so a storage opened here reads each of them from the database once.

>>> open_for_reading("sqlite:///nowhere.db")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: storage sqlite:///nowhere.db does not exist; ...
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import BaseStorage

from search_space.errors import WalkbenchError
from studies import store


@dataclass(frozen=True)
class StudyData:
    """One study as it stood at one moment; ``stamp`` changes whenever a trial begins or ends."""

    name: str
    objectives: tuple[str, ...]
    about: Mapping[str, Any]
    rows: list[dict[str, Any]]

    @property
    def stamp(self) -> tuple[int, int, str]:
        """Number of trials, how many have ended, when the last one did."""
        ended = [row["ended"] for row in self.rows if row["ended"]]
        return len(self.rows), len(ended), max(ended, default="")

    def row(self, trial: int | None) -> dict[str, Any] | None:
        """Return the row of ``trial``, None where there is none."""
        return next((row for row in self.rows if row["trial"] == trial), None)


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
        study = store.open_study(storage, name)
        return StudyData(name, store.objectives(study), store.about(study), store.rows(study))


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except (optuna.exceptions.StorageInternalError, sqlalchemy.exc.SQLAlchemyError) as error:
        cause = error.__cause__ or error
        reason = " ".join(str(getattr(cause, "orig", None) or cause).split())
        raise WalkbenchError(f"the storage cannot be read: {reason}; try again") from error
