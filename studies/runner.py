"""Runs a study: creates or resumes it and runs trials, named designs first, until all are done.

``trials`` is a total: running again continues, and a finished study says so. Interrupted trials do
not count and others run in their place; trials that failed for a reason do count. Several processes
may run one study at once, each by the same command, on a storage that all of them reach. A trial
that would be one too many ends at once, as if interrupted. Trials in which designs climb a rung
come on top of the total, and before any new design (:mod:`studies.agenda`).

>>> import tempfile
>>> from studies.config import parse_config
>>> from studies.reading import study_data
>>> config = parse_config('''
... study = {name = "sizes", trials = 3}
... space = {name = "snapgen"}
... objectives = {minimise = ["params", "macs"]}
... enqueue = {designs = ["F/mqa"]}
... ''')
>>> with tempfile.TemporaryDirectory() as folder:
...     run = run_study(config, storage=f"{folder}/sizes.db")
...     run.done, study_data(run.study).trials[0].name
(3, 'F/mqa')
"""

import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial, TrialState

from latency_db.source import LatencySource
from proxies.callbacks import Progress
from search_space.design_space import DesignSpace
from search_space.errors import WalkbenchError
from search_space.picture_space import PictureSpace
from studies import record_codec, workers
from studies.agenda import Again, agenda, enqueue
from studies.claim import claimed_by
from studies.config import StudyConfig
from studies.decoder_runs import decoder_rungs
from studies.earlier_runs import EarlierRuns
from studies.gallery import Gallery, gallery_folder
from studies.greybox.informed import check_budgets
from studies.interrupt import Interrupt
from studies.objective import CandidateFailed, Objective, Proxy
from studies.picture_quality import TwinErrors
from studies.records import TrialRecord
from studies.resume import create_or_resume
from studies.steering import go_on, is_asked_to_stop
from studies.storage_failure import storage_errors, wait_until_back
from studies.store import storage_url
from studies.training import Training, checkpoint_folder
from studies.trial_log import TrialLog
from studies.trial_notes import write_note

MAX_FAILURES_IN_A_ROW = 5  # more than that is not the fault of the candidates
_POLL_S = 1.0  # how often a worker that waits looks at the others


class Watch(Protocol):
    """Receives the progress of a study; :class:`Silent` ignores it."""

    def training(self, progress: Progress) -> None:
        """Called after each training step of a candidate."""

    def trial_ended(self, trial: TrialRecord, done: int, total: int) -> None:
        """Called when a trial has ended; ``done`` of ``total`` now count."""


class Silent:
    """A :class:`Watch` that ignores everything."""

    def training(self, progress: Progress) -> None:
        """Ignore it."""

    def trial_ended(self, trial: TrialRecord, done: int, total: int) -> None:
        """Ignore it."""


@dataclass(frozen=True)
class Run:
    """Result of :func:`run_study`: ``done`` of ``total`` trials count, ``ran`` ran in this call."""

    study: optuna.Study
    done: int
    total: int
    ran: int


def run_study(
    config: StudyConfig,
    *,
    trials: int | None = None,
    storage: str | None = None,
    latency: LatencySource | None = None,
    proxy: Proxy | None = None,
    watch: Watch | None = None,
    accept_revision: bool = False,
    wait: bool = False,
    task: str | None = None,
) -> Run:
    """Run ``config`` until ``trials`` (its own number by default) are done; return the study.

    ``storage`` is a URL or a SQLite file; ``latency`` and ``proxy`` replace those of the config.
    ``watch`` receives every step of training and every trial that ended. With ``wait`` the call
    lasts until all trials are done, and runs those of workers that died; without, it ends when
    other workers have the rest. ``task`` names this call to a scheduler that ends it by force. A
    database server that goes away is waited for. It ends early when somebody asks the study to stop
    (:mod:`studies.steering`). ``accept_revision``
    resumes a study whose earlier trials another latency model or trainer measured, and marks where.
    Raises :class:`WalkbenchError` for a storage that cannot be used, and its subclasses
    :class:`studies.resume.OtherStudy` and :class:`studies.resume.OtherRevision` for a study of this
    name whose trials would not compare. An interruption marks the running trial as failed and is
    passed on; everything finished is kept.
    """
    total = config.trials if trials is None else trials
    if total < 1:
        raise WalkbenchError(f"trials is {total}; 1 or more is needed")
    watch = watch or Silent()
    if latency is None:
        latency = config.latency_source()
    interrupt = Interrupt()
    url = storage_url(storage, config.storage)
    gallery = Gallery(gallery_folder(url), config.samples) if config.samples else None
    check_budgets(config.sought(latency))
    training, errors = None, errors_of(config.space)
    decoders = decoder_rungs(config.rungs) if errors is not None else ()
    if proxy is None and config.trains:
        each_step = _each_step(watch, interrupt)
        rungs, folder = (*config.rungs, *decoders), checkpoint_folder(url)
        proxy = training = Training(rungs, folder, each_step, gallery, errors)
    with quiet_optuna(), storage_errors(), interrupt:
        study = create_or_resume(config, url, latency, accept_revision=accept_revision)
        study.set_user_attr(record_codec.TARGET, total)
        if task is None:  # else a scheduler started the study
            go_on(study)
        log = TrialLog(study)
        earlier = EarlierRuns(study, log)
        objective = Objective(config, earlier, latency, proxy, gallery, decoders=decoders)
        if training is not None:
            objective.stored = training.stored
        worker = workers.me(task)
        with claimed_by(study, worker):
            return _run(study, objective, log, total, watch, wait, worker)


def to_do(log: TrialLog, config: StudyConfig, total: int) -> list[Again]:
    """Return the designs that are to train again and that no trial has taken.

    An interrupted design of the first rung is one of ``total``, so it waits for a place.
    """
    is_complete = log.done() >= total
    again = agenda(log.records(), config.rungs, config.objectives, is_complete=is_complete)
    has_place = log.done() + log.running() < total
    return [one for one in again if one.rung or has_place]


def is_finished(log: TrialLog, config: StudyConfig, total: int) -> bool:
    """Whether all trials are done and no design climbs, waits to or has still to."""
    ended = log.done() >= total and not (log.climbing() or log.waiting_again())
    return ended and not to_do(log, config, total)


def _each_step(watch: Watch, interrupt: Interrupt) -> Callable[[Progress], None]:
    def each_step(progress: Progress) -> None:
        interrupt.check()
        watch.training(progress)

    return each_step


def errors_of(space: DesignSpace) -> TwinErrors | None:
    """Return what a space of pictures may choose: its steps and its bits; None for another."""
    if not isinstance(space, PictureSpace):
        return None
    return TwinErrors(*([int(v) for v in space.bounds(name)] for name in ("steps", "bits")))


class _OneTooMany(Exception):
    """The trial would be more than the study was asked for; it ends as if interrupted."""


def _run(
    study: optuna.Study,
    objective: Objective,
    log: TrialLog,
    total: int,
    watch: Watch,
    wait: bool,
    worker: Mapping[str, Any],
) -> Run:
    ran = in_a_row = 0

    def claimed(trial: optuna.Trial) -> tuple[float, ...]:
        if log.is_one_too_many(trial.number, total):
            raise _OneTooMany  # another worker was faster
        return objective(trial)

    def ended(study: optuna.Study, trial: FrozenTrial) -> None:
        nonlocal ran, in_a_row
        if log.record(trial.number).interrupted:
            return
        ran += 1
        in_a_row = in_a_row + 1 if trial.state is TrialState.FAIL else 0
        record = log.record(trial.number)
        if objective.config.trains:
            write_note(study, trial, record)
        watch.trial_ended(record, log.done(), total)
        if in_a_row == MAX_FAILURES_IN_A_ROW:
            raise WalkbenchError(
                f"{in_a_row} candidates in a row failed, the last one: {record.failed}; "
                "change the config and run again, finished trials are kept"
            )

    def step() -> bool:
        """Run a trial or wait for others; say whether to go on."""
        if is_finished(log, objective.config, total) or is_asked_to_stop(study):
            return False
        if _takes_a_trial(study, log, objective.config, total):
            study.optimize(
                claimed, n_trials=1, catch=(CandidateFailed, _OneTooMany), callbacks=[ended]
            )
        elif wait:  # others may die: then their trials are free again
            time.sleep(_POLL_S)
            workers.release(study)
            optuna.storages.fail_stale_trials(study)
        else:
            return False
        return True

    goes_on = True
    try:
        while goes_on:
            try:
                goes_on = step()
            except Exception as error:
                wait_until_back(study, error)
                workers.release(study, of=worker)  # the trial that the storage failed in
    finally:
        workers.release(study, of=worker)
    return Run(study, log.done(), total, ran)


def _takes_a_trial(study: optuna.Study, log: TrialLog, config: StudyConfig, total: int) -> bool:
    """Say whether there is a trial to take; let one wait first that trains a design on."""
    has_place = log.done() + log.running() < total
    if log.waiting_again() or (has_place and _waits(study)):
        return True
    again = to_do(log, config, total)
    if again:
        enqueue(study, again[0])
    return bool(again) or has_place


def _waits(study: optuna.Study) -> bool:
    """Whether a trial is enqueued; it is taken before a later one."""
    return bool(study.get_trials(deepcopy=False, states=(TrialState.WAITING,)))


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Silence Optuna's own messages; ``watch`` reports each trial."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)
