"""Workers: which process runs which trial, and the release of trials whose process has died.

A worker stores its host and process on every trial it takes. When a study starts, trials of a dead
process of the same host are released at once. Those of other hosts are released by Optuna after two
minutes without a heartbeat. Unreleased, they would stay RUNNING, and TPE would avoid their
neighbourhood.

>>> me() == me(), is_gone(me())
(True, False)
"""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

_PROCESS_NAMES = Path("/proc/self/ns/pid")  # containers number their processes separately


def me() -> dict[str, Any]:
    """Return this worker: its host (with the namespace of its process ids) and its process id."""
    namespace = _PROCESS_NAMES.readlink().name if _PROCESS_NAMES.is_symlink() else ""
    return {"host": f"{socket.gethostname()} {namespace}".strip(), "pid": os.getpid()}


def is_gone(worker: Mapping[str, Any]) -> bool:
    """Whether ``worker`` ran on this host and its process has ended; False when unknown."""
    if worker.get("host") != me()["host"]:
        return False
    try:
        os.kill(int(worker["pid"]), 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's process: it is alive
        return False
    return False


def running(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that a worker has taken and not finished."""
    found = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [trial for trial in found if "worker" in trial.user_attrs]


def release(study: optuna.Study, *, of: Mapping[str, Any] | None = None) -> list[int]:
    """Mark running trials as failed, those of dead workers or those ``of`` one worker.

    Returns their numbers. They carry no reason, so the study runs others in their place.
    """
    released = []
    for trial in running(study):
        worker = trial.user_attrs["worker"]
        if is_gone(worker) if of is None else worker == of:
            try:
                study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            except optuna.exceptions.UpdateFinishedTrialError:
                continue  # another worker was faster
            released.append(trial.number)
    return released
