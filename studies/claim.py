"""`ClaimingStorage`: a trial that starts to run names its worker in the same transaction.

Optuna first makes a trial RUNNING and lets the objective say who runs it. A worker killed between
the two would leave a trial that belongs to nobody, has no heartbeat, and runs for ever. Two workers
on SQLite could also take the same waiting trial; here one of them does.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     storage = ClaimingStorage(f"sqlite:///{folder}/study.db")
...     study = optuna.create_study(storage=storage)
...     with claimed_by(study, {"host": "here", "pid": 7}):
...         trial = study.ask()
...     trial.user_attrs, study.ask().user_attrs
({'worker': {'host': 'here', 'pid': 7}}, {})
"""

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import optuna
import sqlalchemy
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.trial import FrozenTrial, TrialState

from studies.record_codec import WORKER
from studies.transaction import GroupingStorage

_LOG = logging.getLogger(__name__)


class ClaimingStorage(GroupingStorage):
    """Optuna's storage of databases; while it has a ``worker``, trials that start are its own."""

    worker: Mapping[str, Any] | None = None

    def _get_prepared_new_trial(
        self, study_id: int, template_trial: FrozenTrial | None, session: Any
    ) -> models.TrialModel:
        """Create a trial; one that runs at once is the worker's."""
        trial = super()._get_prepared_new_trial(study_id, template_trial, session)
        if template_trial is None and self.worker is not None:
            self._claim(session, int(trial.trial_id))
        return trial

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set a trial's state; only one of several workers that take a waiting trial gets it."""
        if state is not TrialState.RUNNING or self.worker is None:
            return super().set_trial_state_values(trial_id, state, values)
        with _create_scoped_session(self.scoped_session) as session:
            table = models.TrialModel
            taken = session.execute(
                sqlalchemy.update(table)
                .where(table.trial_id == trial_id, table.state == TrialState.WAITING)
                .values(state=state, datetime_start=datetime.now()),
                execution_options={"synchronize_session": False},
            )
            if not taken.rowcount:  # type: ignore[attr-defined]
                return False
            self._claim(session, trial_id)
        return True

    def _claim(self, session: Any, trial_id: int) -> None:
        """Store the worker and a first heartbeat of a trial, not yet committed."""
        self._set_trial_attr_without_commit(
            session, models.TrialUserAttributeModel, trial_id, WORKER, dict(self.worker or {})
        )
        if self.heartbeat_interval is not None:
            session.add(models.TrialHeartbeatModel(trial_id=trial_id))

    def record_heartbeat(self, trial_id: int) -> None:
        """Store that the trial's worker is alive; a database that is away is tried again later."""
        try:
            super().record_heartbeat(trial_id)
        except optuna.exceptions.StorageInternalError as error:
            _LOG.debug("no heartbeat of trial %s: %s", trial_id, error.__cause__)


@contextmanager
def claimed_by(study: optuna.Study, worker: Mapping[str, Any]) -> Iterator[None]:
    """Let trials of ``study`` that start inside belong to ``worker``."""
    storage = getattr(study._storage, "_backend", study._storage)  # Optuna wraps it in a cache
    if not isinstance(storage, ClaimingStorage):
        raise TypeError(f"trials of a {type(storage).__name__} cannot be claimed")
    storage.worker = worker
    try:
        yield
    finally:
        storage.worker = None
