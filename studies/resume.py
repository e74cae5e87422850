"""Creates a study or resumes it, and refuses to mix trials that would not compare.

Trials compare when they share space, objectives, budgets, device, latency source and training
settings: another one of these is another study (:class:`OtherStudy`). They also need the same
revisions of the latency source and of the trainer: a refitted model gives other milliseconds under
the same name. A study of another or unknown revision is resumed only when told so, and its record
says from which trial on (:class:`OtherRevision`).

>>> _first_difference("proxy", {"steps": 2, "width": 8}, {"steps": 3, "width": 8})
('proxy.steps', 2, 3)
"""

import dataclasses
import json
import time
from collections.abc import Mapping
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import TrialState

from latency_db.source import LatencySource
from search_space.errors import WalkbenchError
from studies import record_codec, workers
from studies.config import StudyConfig
from studies.metrics import METRICS
from studies.records import Revisions, StudyRecord
from studies.samplers import make_sampler
from studies.store import open_storage, shown_url
from studies.trial_log import TrialLog

_DIRECTIONS = {"minimise": StudyDirection.MINIMIZE, "maximise": StudyDirection.MAXIMIZE}
_MAKING_S = 20.0  # how long to wait for another worker that is creating the study


class OtherStudy(WalkbenchError):
    """The storage has a study of this name whose trials would not compare with these."""


class OtherRevision(WalkbenchError):
    """The study's trials were priced or scored by another revision, or by an unknown one."""


def create_or_resume(
    config: StudyConfig, url: str, latency: LatencySource | None, *, accept_revision: bool = False
) -> optuna.Study:
    """Return the study of ``config`` in the storage at ``url``, its named designs enqueued.

    Raises :class:`OtherStudy`, and :class:`OtherRevision` unless ``accept_revision``.
    """
    storage = open_storage(url, create=True)
    ours = config.shared(latency)
    sampler = make_sampler(config.sampler, config.sought(latency))
    try:
        study = optuna.create_study(
            study_name=config.name,
            storage=storage,
            sampler=sampler,
            directions=[_DIRECTIONS[METRICS.get(name).goal] for name in config.objectives],
        )
    except optuna.exceptions.DuplicatedStudyError:
        study = optuna.load_study(study_name=config.name, storage=storage, sampler=sampler)
        _wait_until_made(study)
        if record_codec.decode_study(study) is None and study.get_trials(deepcopy=False):
            raise OtherStudy(
                f"study {config.name!r} in {shown_url(url)} was not made by walkbench; "
                "give this one another name in [study], or another --storage"
            ) from None
    theirs = record_codec.decode_study(study)
    if theirs is not None:
        _check_same(config.name, theirs, ours)
        _check_revisions(study, theirs, ours, accept_revision)
        workers.release(study)
    _enqueue(study, config)
    if theirs is None:  # last, so that another worker never sees a study half made
        study.set_metric_names(list(config.objectives))
        record_codec.write_study(study, ours)
    return study


def _wait_until_made(study: optuna.Study) -> None:
    """Wait for a study that another worker has just created and not described yet."""
    deadline = time.monotonic() + _MAKING_S
    while (
        record_codec.decode_study(study) is None
        and _has_no_trials_yet(study)
        and time.monotonic() < deadline
    ):
        time.sleep(0.2)


def _has_no_trials_yet(study: optuna.Study) -> bool:
    states = {trial.state for trial in study.get_trials(deepcopy=False)}
    return states <= {TrialState.WAITING}


def _check_same(name: str, theirs: StudyRecord, ours: StudyRecord) -> None:
    """Refuse to add trials to a study whose trials would not compare with them."""
    # A space that is called something else is still the same space.
    here, there = (_comparable(record) for record in (ours, theirs))
    for key in here:
        if here[key] != there[key]:
            where, mine, other = _first_difference(key, here[key], there[key])
            raise OtherStudy(
                f"the storage has a study {name!r} of another {key.replace('_', ' ')}: {where} is "
                f"{other!r} there, {mine!r} in this config; give this one another name in [study], "
                "or another --storage"
            )


def _comparable(record: StudyRecord) -> dict[str, Any]:
    """Return what must be equal, as it comes back from the storage."""
    found = {
        "space": record.space_digest,
        "objectives": record.objectives,
        "budgets": record.budgets,
        "device": record.device,
        "latency_by": record.latency_by,
        "proxy": record.proxy,
        "rungs": record.rungs,
    }
    plain: dict[str, Any] = json.loads(json.dumps(found))
    return plain


def _first_difference(where: str, here: Any, there: Any) -> tuple[str, Any, Any]:
    """Follow two unequal values down to the first unequal entry, and say where that is."""
    if isinstance(here, Mapping) and isinstance(there, Mapping):
        for key in dict.fromkeys([*here, *there]):
            if here.get(key) != there.get(key):
                return _first_difference(f"{where}.{key}", here.get(key), there.get(key))
    return where, here, there


def _check_revisions(
    study: optuna.Study, theirs: StudyRecord, ours: StudyRecord, accept: bool
) -> None:
    """Refuse another revision, or note in the study's record from which trial on it holds."""
    last, now = theirs.revisions[-1], ours.revisions[-1]
    changed = [
        f"{what} has revision {new or 'none'} here and {old or 'an unrecorded one'} there"
        for what, old, new in (
            ("the latency source", last.latency, now.latency),
            ("the training of twins", last.proxy, now.proxy),
        )
        if old != new
    ]
    if not changed:
        return
    if not accept:
        raise OtherRevision(
            f"study {study.study_name!r} was measured by another revision: {'; '.join(changed)}. "
            "New trials may not compare with its earlier ones; start a study of another name, or "
            "resume this one with --accept-revision, which marks the trials from here on"
        )
    begins = Revisions(len(study.get_trials(deepcopy=False)), now.latency, now.proxy)
    record_codec.write_study(
        study, dataclasses.replace(theirs, revisions=(*theirs.revisions, begins))
    )


def _enqueue(study: optuna.Study, config: StudyConfig) -> None:
    """Enqueue the named designs that no trial has, in the config's order."""
    records = TrialLog(study).records()
    had = {r.digest for r in records if r.state in ("WAITING", "RUNNING") or r.done}
    for design in config.enqueue:
        digest = design.spec.digest()
        if digest not in had:
            # Checked when the config was read: Optuna takes values out of range with a warning.
            params = config.space.params_of(design.spec)
            study.enqueue_trial(params, user_attrs=record_codec.enqueued(design.name, digest))
