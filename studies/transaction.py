"""One transaction for all that a trial stores: a commit costs milliseconds, a trial writes a dozen.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     storage = GroupingStorage(f"sqlite:///{folder}/study.db")
...     trial = optuna.create_study(storage=storage).ask()
...     with stored_together(trial):
...         trial.set_user_attr("digest", "d65df1277220")
...     storage.get_trial_user_attrs(trial._trial_id)
{'digest': 'd65df1277220'}
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import optuna
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session

_Write = tuple[type[Any], int, str, Any]


class GroupingStorage(RDBStorage):
    """Optuna's storage of databases, with :meth:`together`."""

    _writes = threading.local()

    @contextmanager
    def together(self) -> Iterator[None]:
        """Hold back attributes of trials that this thread sets, and store them all at the end.

        They are stored after an exception too. Nested uses store with the outermost.
        """
        if getattr(self._writes, "held", None) is not None:
            yield
            return
        held: list[_Write] = []
        self._writes.held = held
        try:
            yield
        finally:
            self._writes.held = None
            if held:
                with _create_scoped_session(self.scoped_session, True) as session:
                    for model, trial_id, key, value in held:
                        self._set_trial_attr_without_commit(session, model, trial_id, key, value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Store a user attribute, now or at the end of :meth:`together`."""
        if not self._hold(models.TrialUserAttributeModel, trial_id, key, value):
            super().set_trial_user_attr(trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Store a system attribute, now or at the end of :meth:`together`."""
        if not self._hold(models.TrialSystemAttributeModel, trial_id, key, value):
            super().set_trial_system_attr(trial_id, key, value)

    def _hold(self, model: type[Any], trial_id: int, key: str, value: Any) -> bool:
        held: list[_Write] | None = getattr(self._writes, "held", None)
        if held is None:
            return False
        held.append((model, trial_id, key, value))
        return True


@contextmanager
def stored_together(trial: optuna.Trial) -> Iterator[None]:
    """Store the attributes of ``trial`` set inside in one transaction, where the storage can."""
    storage = trial.storage
    backend = getattr(storage, "_backend", storage)  # Optuna wraps a database in a cache
    if isinstance(backend, GroupingStorage):
        with backend.together():
            yield
    else:
        yield
