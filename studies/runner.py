"""Runs a study: creates or resumes it and runs trials, named designs first, until all are done.

``trials`` is a total: running again continues, and a finished study says so. Interrupted trials do
not count and others run in their place; trials that failed for a reason do count. Several processes
may run one study at once, each by the same command, on a storage that all of them reach. A trial
that would be one too many ends at once, as if interrupted.

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
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from latency_db.source import LatencySource
from proxies.callbacks import AtEnd, Callback, Progress, Report
from proxies.score import Score
from proxies.trainer import check_ready
from proxies.training_run import TrainingSettings
from search_space.errors import WalkbenchError
from search_space.network import Network
from search_space.picture_space import DesignSpace, PictureSpace
from studies import record_codec, workers
from studies.config import StudyConfig
from studies.earlier_runs import EarlierRuns
from studies.engines import engine
from studies.gallery import Gallery, gallery_folder
from studies.greybox.informed import check_budgets
from studies.interrupt import Interrupt
from studies.objective import CandidateFailed, Objective, Proxy
from studies.picture_quality import PictureQuality
from studies.records import TrialRecord
from studies.resume import create_or_resume
from studies.store import storage_url
from studies.trial_log import TrialLog

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
) -> Run:
    """Run ``config`` until ``trials`` (its own number by default) are done; return the study.

    ``storage`` is a URL or a SQLite file; ``latency`` and ``proxy`` replace those of the config.
    ``watch`` receives every step of training and every trial that ended. With ``wait`` the call
    lasts until all trials are done, and runs those of workers that died; without, it ends when
    other workers have the rest. ``accept_revision``
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
    if proxy is None and config.proxy is not None:
        proxy = make_proxy(config.proxy, watch, interrupt, gallery, quality_of(config.space))
    with quiet_optuna(), storage_errors(), interrupt:
        study = create_or_resume(config, url, latency, accept_revision=accept_revision)
        study.set_user_attr(record_codec.TARGET, total)
        log = TrialLog(study)
        objective = Objective(config, EarlierRuns(study, log), latency, proxy, gallery)
        return _run(study, objective, log, total, watch, wait)


def make_proxy(
    settings: TrainingSettings,
    watch: Watch,
    interrupt: Interrupt,
    gallery: Gallery | None = None,
    quality: PictureQuality | None = None,
) -> Proxy:
    """Return the proxy of a config: short training of the design's twin.

    ``gallery`` makes each trained twin draw, ``quality`` measures few steps and few bits. Raises
    :class:`WalkbenchError` when the data cannot be read or this machine lacks the device or
    precision: before any design is trained.
    """
    check_ready(settings)

    def each_step(progress: Progress) -> None:
        interrupt.check()
        watch.training(progress)

    callbacks: list[Callback] = [Report(each_step)]
    if gallery is not None:
        callbacks.append(AtEnd(gallery.draw))
    if quality is not None:
        callbacks.append(AtEnd(quality.measure))
    serial = engine("serial", callbacks=callbacks)

    def train(network: Network) -> Score:
        score = serial.submit(settings.run(network)).result()
        return score if quality is None else quality.added_to(score)

    return train


def quality_of(space: DesignSpace) -> PictureQuality | None:
    """Return what a space of pictures may choose: its steps and its bits; None for another."""
    if not isinstance(space, PictureSpace):
        return None
    return PictureQuality(*([int(v) for v in space.bounds(name)] for name in ("steps", "bits")))


class _OneTooMany(Exception):
    """The trial would be more than the study was asked for; it ends as if interrupted."""


def _run(
    study: optuna.Study, objective: Objective, log: TrialLog, total: int, watch: Watch, wait: bool
) -> Run:
    worker, ran, in_a_row = workers.me(), 0, 0

    def claimed(trial: optuna.Trial) -> tuple[float, ...]:
        record_codec.write_worker(trial, worker)
        if log.counted_before(trial.number) >= total:
            raise _OneTooMany  # another worker was faster
        return objective(trial)

    def ended(study: optuna.Study, trial: FrozenTrial) -> None:
        nonlocal ran, in_a_row
        if log.record(trial.number).interrupted:
            return
        ran += 1
        in_a_row = in_a_row + 1 if trial.state is TrialState.FAIL else 0
        record = log.record(trial.number)
        watch.trial_ended(record, log.done(), total)
        if in_a_row == MAX_FAILURES_IN_A_ROW:
            raise WalkbenchError(
                f"{in_a_row} candidates in a row failed, the last one: {record.failed}; "
                "change the config and run again, finished trials are kept"
            )

    try:
        while log.done() < total:
            if log.done() + log.running() < total:
                study.optimize(
                    claimed, n_trials=1, catch=(CandidateFailed, _OneTooMany), callbacks=[ended]
                )
            elif not wait:
                break
            else:  # others may die: then their trials are free again
                time.sleep(_POLL_S)
                workers.release(study)
                optuna.storages.fail_stale_trials(study)
    finally:
        workers.release(study, of=worker)
    return Run(study, log.done(), total, ran)


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


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn the failure of a storage while the study runs into a message."""
    try:
        yield
    except (optuna.exceptions.StorageInternalError, sqlalchemy.exc.DBAPIError) as error:
        cause = error.__cause__ or error
        reason = " ".join(str(getattr(cause, "orig", None) or cause).split())
        raise WalkbenchError(
            f"the storage failed: {reason}; finished trials are kept, run again to continue"
        ) from error
