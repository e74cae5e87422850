"""Running a study: create it or go on with it, named designs first, until its trials are done.

``trials`` is a total: running again continues, and a finished study says so. Trials that were
interrupted do not count and are made up for; those that failed for a reason do count. Several
processes may run one study at once, each by the same command, on a storage that all of them reach;
each finishes the trial it has, so together they may run one more than the total for each of them.

>>> import tempfile
>>> from latency_db.sources import source_of
>>> from studies.config import parse_config
>>> config = parse_config('''
... study = {name = "sizes", trials = 3}
... space = {name = "snapgen"}
... objectives = {minimise = ["params", "macs"]}
... enqueue = {designs = ["F/mqa"]}
... ''')
>>> with tempfile.TemporaryDirectory() as folder:
...     run = run_study(config, storage=f"{folder}/sizes.db")
...     run.done, [row["name"] for row in rows(run.study)][0]
(3, 'F/mqa')
"""

import json
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from latency_db.source import LatencySource
from latency_db.sources import source_of
from proxies.callbacks import AtEnd, Callback, Progress, Report
from proxies.trainer import train_run
from proxies.training_run import TrainingSettings
from search_space.errors import WalkbenchError
from studies import workers
from studies.config import StudyConfig
from studies.gallery import Gallery, gallery_folder
from studies.interrupt import Interrupt
from studies.objective import CandidateFailed, Objective, Proxy
from studies.samplers import make_sampler
from studies.store import ABOUT, about, open_storage, row, rows, shown_url, storage_url

MAX_FAILURES_IN_A_ROW = 5  # then it is not the candidates
_MAKING_S = 20.0  # how long to wait for another worker that is just making the study
TARGET = "trials"  # the study attribute with the total last asked for


class OtherStudy(WalkbenchError):
    """The storage has a study of this name whose trials would not compare with these."""


class Watch(Protocol):
    """Who is told how a study goes; :class:`Silent` is one that does not care."""

    def training(self, progress: Progress) -> None:
        """A candidate's training has made a step."""

    def trial_ended(self, row: dict[str, Any], done: int, total: int) -> None:
        """A trial has ended, ``done`` of ``total`` now count."""


class Silent:
    """A :class:`Watch` that ignores everything."""

    def training(self, progress: Progress) -> None:
        """Ignore it."""

    def trial_ended(self, row: dict[str, Any], done: int, total: int) -> None:
        """Ignore it."""


@dataclass(frozen=True)
class Run:
    """What came of :func:`run_study`: ``done`` of ``total`` trials, ``ran`` of them just now."""

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
) -> Run:
    """Run ``config`` until ``trials`` (its own number by default) are done; return the study.

    ``storage`` is a URL or a SQLite file; ``latency`` and ``proxy`` replace what the config names.
    ``watch`` is told of every step of training and every trial that ended.
    Raises :class:`WalkbenchError` for a storage that cannot be used, :class:`OtherStudy` for a
    study of this name that searches, minimises or scores something else. An interruption marks the
    running trial as failed and is passed on; everything finished is kept.
    """
    total = config.trials if trials is None else trials
    if total < 1:
        raise WalkbenchError(f"trials is {total}; 1 or more is needed")
    watch = watch or Silent()
    if latency is None and config.device is not None:
        latency = source_of(config.device)
    interrupt = Interrupt()
    url = storage_url(storage, config.storage)
    gallery = Gallery(gallery_folder(url), config.samples) if config.samples else None
    if proxy is None and config.proxy is not None:
        proxy = make_proxy(config.proxy, watch, interrupt, gallery)
    objective = Objective(config, latency, proxy, gallery)
    with _quiet_optuna(), _storage_errors(), interrupt:
        study = _create_or_resume(config, url, latency)
        study.set_user_attr(TARGET, total)
        return _run(study, objective, total, watch)


def make_proxy(
    settings: TrainingSettings, watch: Watch, interrupt: Interrupt, gallery: Gallery | None = None
) -> Proxy:
    """Return the proxy that a config asks for: short training of the design's twin.

    ``gallery`` has each trained twin draw. Raises :class:`WalkbenchError` when the data cannot be
    read or this machine lacks what is asked of it: at once, as it is no fault of a design.
    """
    settings.data.load(settings.latent)
    settings.compute.check()

    def each_step(progress: Progress) -> None:
        interrupt.check()
        watch.training(progress)

    callbacks: list[Callback] = [Report(each_step)]
    if gallery is not None:
        callbacks.append(AtEnd(gallery.draw))
    return lambda spec: train_run(settings.run(spec), callbacks)


def is_done(trial: FrozenTrial) -> bool:
    """Whether a trial counts: it ended, and not by an interruption."""
    has_reason = trial.state is not TrialState.FAIL or "failed" in trial.user_attrs
    return trial.state.is_finished() and has_reason


def count_done(study: optuna.Study) -> int:
    """Return how many trials of the study count as done."""
    return sum(map(is_done, study.get_trials(deepcopy=False)))


def _run(study: optuna.Study, objective: Objective, total: int, watch: Watch) -> Run:
    worker, ran, in_a_row = workers.me(), 0, 0

    def claimed(trial: optuna.Trial) -> tuple[float, ...]:
        trial.set_user_attr("worker", worker)
        return objective(trial)

    def ended(study: optuna.Study, trial: FrozenTrial) -> None:
        nonlocal ran, in_a_row
        ran += 1
        in_a_row = in_a_row + 1 if trial.state is TrialState.FAIL else 0
        watch.trial_ended(row(study, trial.number), count_done(study), total)

    try:
        while count_done(study) + len(workers.running(study)) < total:
            study.optimize(claimed, n_trials=1, catch=(CandidateFailed,), callbacks=[ended])
            if in_a_row == MAX_FAILURES_IN_A_ROW:
                last = rows(study)[-1]
                raise WalkbenchError(
                    f"{in_a_row} candidates in a row failed, the last one: {last['failed']}; "
                    "change the config and run again, finished trials are kept"
                )
    finally:
        workers.release(study, of=worker)
    return Run(study, count_done(study), total, ran)


def _create_or_resume(config: StudyConfig, url: str, latency: LatencySource | None) -> optuna.Study:
    storage = open_storage(url, create=True)
    sampler = make_sampler(config.sampler, config.name, config.seed)
    ours = {**config.about(), "latency_by": latency.name if latency else None}
    ours = json.loads(json.dumps(ours))  # as it comes back from the storage
    try:
        study = optuna.create_study(
            study_name=config.name,
            storage=storage,
            sampler=sampler,
            directions=["minimize"] * len(config.objectives),
        )
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(study_name=config.name, storage=storage, sampler=sampler)
        _wait_until_made(study)
        if not about(study) and study.get_trials(deepcopy=False):
            raise OtherStudy(
                f"study {config.name!r} in {shown_url(url)} was not made by walkbench; "
                "give this one another name in [study], or another --storage"
            ) from None
    if about(study):
        _check_same(config.name, about(study), ours)
        workers.release(study)
    _enqueue(study, config)
    if not about(study):  # last, so that another worker never sees a study half made
        study.set_metric_names(list(config.objectives))
        study.set_user_attr(ABOUT, ours)
    return study


def _wait_until_made(study: optuna.Study) -> None:
    """Wait for a study that another worker has just created and not described yet."""
    deadline = time.monotonic() + _MAKING_S
    while not about(study) and _is_young(study) and time.monotonic() < deadline:
        time.sleep(0.2)


def _is_young(study: optuna.Study) -> bool:
    states = {trial.state for trial in study.get_trials(deepcopy=False)}
    return states <= {TrialState.WAITING}


def _check_same(name: str, theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    """Refuse to add trials to a study whose trials would not compare with them."""
    for key, here in ours.items():
        there = theirs.get(key)
        if key == "space":  # called something else, it is still the same space
            here, there = here["digest"], (there or {}).get("digest")
        if here != there:
            where, here, there = _first_difference(key, here, there)
            raise OtherStudy(
                f"the storage has a study {name!r} of another {key.replace('_', ' ')}: {where} is "
                f"{there!r} there, {here!r} in this config; give this one another name in [study], "
                "or another --storage"
            )


def _first_difference(where: str, here: Any, there: Any) -> tuple[str, Any, Any]:
    """Follow two unequal values down to the first unequal entry, and say where that is."""
    if isinstance(here, dict) and isinstance(there, dict):
        for key in dict.fromkeys([*here, *there]):
            if here.get(key) != there.get(key):
                return _first_difference(f"{where}.{key}", here.get(key), there.get(key))
    return where, here, there


def _enqueue(study: optuna.Study, config: StudyConfig) -> None:
    """Enqueue the named designs that no trial has, in the config's order."""
    waiting = (TrialState.WAITING, TrialState.RUNNING)
    found = study.get_trials(deepcopy=False)
    had = {t.user_attrs.get("digest") for t in found if t.state in waiting or is_done(t)}
    for design in config.enqueue:
        digest = design.spec.digest()
        if digest not in had:
            # Checked when the config was read: Optuna takes values out of range with a warning.
            params = config.space.params_of(design.spec)
            study.enqueue_trial(params, user_attrs={"enqueued": design.name, "digest": digest})


@contextmanager
def _quiet_optuna() -> Iterator[None]:
    """Silence Optuna: what it says of each trial, the user hears from ``watch``."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(before)


@contextmanager
def _storage_errors() -> Iterator[None]:
    """Turn a storage that fails while the study runs into a message; what it holds stays."""
    try:
        yield
    except (optuna.exceptions.StorageInternalError, sqlalchemy.exc.DBAPIError) as error:
        cause = error.__cause__ or error
        reason = " ".join(str(getattr(cause, "orig", None) or cause).split())
        raise WalkbenchError(
            f"the storage failed: {reason}; finished trials are kept, run again to continue"
        ) from error
