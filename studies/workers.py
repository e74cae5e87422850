"""Workers: which process runs which trial, and the release of trials whose process has died.

A trial that starts names its worker: host, process, and the task where a scheduler gave one
(:mod:`studies.claim`). When a study starts, trials of a dead process of the same host are released
at once, and whoever started a task releases those of a task that ended. All others are released by
Optuna after two minutes without a heartbeat. Unreleased, they would stay RUNNING, and TPE would
avoid their neighbourhood.

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

from studies.record_codec import WORKER

_PROCESS_NAMES = Path("/proc/self/ns/pid")  # containers number their processes separately


def me(task: str | None = None) -> dict[str, Any]:
    """Return this worker: its host (with the namespace of its process ids), process and task."""
    namespace = _PROCESS_NAMES.readlink().name if _PROCESS_NAMES.is_symlink() else ""
    worker = {"host": f"{socket.gethostname()} {namespace}".strip(), "pid": os.getpid()}
    return worker if task is None else {**worker, "task": task}


def is_gone(worker: Mapping[str, Any]) -> bool:
    """Whether ``worker`` ran on this host and its process has ended; False when unknown."""
    if worker.get("host") != me()["host"]:
        return False
    pid = int(worker["pid"])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:  # another user's process: it is alive
        return False
    return _has_ended(pid)


def _has_ended(pid: int) -> bool:
    """Whether a process has ended and its parent, which may never do so, has not taken note."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
    except OSError:  # no such file on macOS
        return False
    return stat.rpartition(")")[2].split()[:1] == ["Z"]


def running(study: optuna.Study) -> list[FrozenTrial]:
    """Return the trials that a worker has taken and not finished."""
    found = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return [trial for trial in found if WORKER in trial.user_attrs]


def release(study: optuna.Study, *, of: Mapping[str, Any] | None = None) -> list[int]:
    """Mark running trials as failed, those of dead workers or those ``of`` one worker or task.

    Returns their numbers. They carry no reason, so the study runs others in their place.
    """
    released = []
    for trial in running(study):
        worker = trial.user_attrs[WORKER]
        if is_gone(worker) if of is None else of.items() <= worker.items():
            try:
                study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
            except optuna.exceptions.UpdateFinishedTrialError:
                continue  # another worker was faster
            released.append(trial.number)
    return released
