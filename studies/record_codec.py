"""Records as attributes of Optuna's trials and studies; the only module that knows their keys.

The keys are those of version 0.1, whose studies load, with what it did not record as None:

- trial: ``name`` (before it runs: ``enqueued``), ``digest``, ``spec``, ``cost``, ``latency`` (with
  ``device``, ``by``, ``revision``, and ``programs`` of a picture), ``measured`` (metric → value,
  low, high, source), ``score`` (with ``reused_from``, ``cached_from``, ``run`` and
  ``seed_losses``), ``decoder`` (a score with ``run`` and ``cached_from``), ``rung``, ``again_of``,
  ``constraints``, ``feasible``, ``samples``, ``failed``, ``provenance``, ``worker``
- study: ``walkbench``, an object, and ``trials``, the total last asked for

>>> study = optuna.create_study()
>>> trial = study.ask()
>>> write_failure(trial, "training diverged")
>>> decode_trial(study.get_trials()[0], (), ()).failed
'training diverged'
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import optuna
from optuna.trial import FrozenTrial, TrialState

from latency_db.latency import Latency
from proxies.score import Score
from search_space.cost import Cost
from search_space.errors import WalkbenchError
from search_space.network import Network
from studies.metric import Measured
from studies.pareto import feasible
from studies.records import (
    INTERRUPTED,
    DecoderRun,
    LatencyOrigin,
    Revisions,
    Samples,
    StudyRecord,
    TrialRecord,
)

VERSION = 2  # of both records; 1 is that of version 0.1, which wrote no number
STUDY = "walkbench"  # the study attribute that holds a StudyRecord
TARGET = "trials"  # the study attribute with the total last asked for
ENQUEUED = "enqueued"
OUTSIDE = "outside"  # never stored: given to trials of other tools when they are read
WORKER = "worker"  # which process runs the trial, stored as it starts


class Attributed(Protocol):
    """What records are written to: a trial, or something else that keeps attributes."""

    @property
    def user_attrs(self) -> dict[str, Any]: ...  # noqa: D102

    def set_user_attr(self, key: str, value: Any) -> None: ...  # noqa: D102


def decode_trial(
    trial: FrozenTrial, objectives: Sequence[str], budgets: Sequence[str]
) -> TrialRecord:
    """Return the record of ``trial`` in a study with these objectives and budgets.

    Raises :class:`WalkbenchError` for attributes that are not ours to read.
    """
    attrs = trial.user_attrs
    failed = trial.state is TrialState.FAIL
    constraints = dict(attrs.get("constraints") or {})
    score = dict(attrs.get("score") or {})
    trained_by, run = score.pop("reused_from", None), score.pop("run", None)
    cached_from = score.pop("cached_from", None)
    seed_losses = tuple(score.pop("seed_losses", ()))
    latency = dict(attrs.get("latency") or {})
    origin = {key: latency.pop(key, None) for key in ("device", "by", "revision")}
    programs = latency.pop("programs", {})
    try:
        cost = Cost(**attrs["cost"]) if attrs.get("cost") else None
        return TrialRecord(
            trial.number,
            trial.state.name,  # type: ignore[arg-type]
            name=attrs.get("name") or attrs.get(ENQUEUED),
            digest=attrs.get("digest"),
            spec=attrs.get("spec"),
            params=dict(trial.params),
            values=_values(trial, objectives),
            cost=cost,
            latency=Latency(**latency) if latency else None,
            latency_origin=LatencyOrigin(**origin) if latency else None,
            programs={name: Latency(**one) for name, one in programs.items()},
            score=Score.from_dict(score) if score else None,
            trained_by=trained_by,
            cached_from=cached_from,
            run=run,
            rung=int(attrs.get("rung", 0)),
            again_of=attrs.get("again_of"),
            seed_losses=seed_losses,
            decoder=_decoder(attrs.get("decoder")),
            stored={k: Measured(*v) for k, v in (attrs.get("measured") or {}).items()},
            samples=Samples(**attrs["samples"]) if attrs.get("samples") else None,
            constraints=constraints,
            feasible=feasible(constraints, budgets) if cost else None,
            failed=attrs.get("failed") or (INTERRUPTED if failed else None),
            interrupted=failed and "failed" not in attrs,
            provenance=attrs.get("provenance"),
            worker=attrs.get(WORKER),
            outside=bool(attrs.get(OUTSIDE)),
            started=trial.datetime_start,
            ended=trial.datetime_complete,
        )
    except (TypeError, ValueError) as error:
        raise WalkbenchError(
            f"trial {trial.number} cannot be read: {error}; a newer version of walkbench may have "
            "written it"
        ) from None


def _values(trial: FrozenTrial, objectives: Sequence[str]) -> dict[str, float]:
    if trial.state is not TrialState.COMPLETE:
        return {}
    return dict(zip(objectives, trial.values, strict=True))


def _decoder(stored: Mapping[str, Any] | None) -> DecoderRun | None:
    if not stored:
        return None
    score = {k: v for k, v in stored.items() if k not in ("run", "cached_from")}
    return DecoderRun(stored["run"], Score.from_dict(score), stored["cached_from"])


def write_design(trial: Attributed, network: Network, name: str | None) -> None:
    """Store which design ``trial`` is about."""
    trial.set_user_attr("name", trial.user_attrs.get(ENQUEUED) or name)
    trial.set_user_attr("digest", network.digest())
    trial.set_user_attr("spec", network.to_dict())


def enqueued(name: str, digest: str) -> dict[str, str]:
    """Return the attributes of a trial that waits to run a named design."""
    return {ENQUEUED: name, "digest": digest}


def again(before: TrialRecord, rung: int) -> dict[str, Any]:
    """Return the attributes of a trial that waits to train the design of ``before`` on."""
    name = {ENQUEUED: before.name} if before.name else {}
    return {**name, "digest": before.digest, "rung": rung, "again_of": before.number}


def rung_of(trial: optuna.Trial) -> int:
    """Return the rung that a trial trains on."""
    return int(trial.user_attrs.get("rung", 0))


def write_provenance(trial: optuna.Trial, provenance: Mapping[str, Any]) -> None:
    """Store where the trial's numbers are made."""
    trial.set_user_attr("provenance", dict(provenance))


def write_cost(trial: Attributed, cost: Cost) -> None:
    """Store the design's exact cost."""
    trial.set_user_attr("cost", dataclasses.asdict(cost))


def write_latency(
    trial: Attributed,
    latency: Latency,
    origin: LatencyOrigin,
    programs: Mapping[str, Latency] | None = None,
) -> None:
    """Store the design's latency, where it comes from, and those of a picture's ``programs``."""
    stored = {**dataclasses.asdict(latency), **dataclasses.asdict(origin)}
    parts = {name: dataclasses.asdict(one) for name, one in (programs or {}).items()}
    trial.set_user_attr("latency", {**stored, "programs": parts} if parts else stored)


def write_measured(trial: Attributed, measured: Mapping[str, Measured]) -> None:
    """Store metrics as they were measured."""
    stored = {name: list(dataclasses.astuple(found)) for name, found in measured.items()}
    trial.set_user_attr("measured", stored)


def write_constraints(
    trial: Attributed, constraints: Mapping[str, float], feasible: bool | None
) -> None:
    """Store how far each budget is missed, and whether all are kept."""
    trial.set_user_attr("constraints", dict(constraints))
    trial.set_user_attr("feasible", feasible)


def write_score(
    trial: optuna.Trial,
    score: Score,
    run: str | None,
    trained_by: int | None = None,
    cached_from: str | None = None,
    seed_losses: Sequence[float] = (),
) -> None:
    """Store a score, the digest of the run that gave it, and which trial trained if not this."""
    origin = {"reused_from": trained_by, "cached_from": cached_from, "run": run}
    several = {"seed_losses": list(seed_losses)} if len(seed_losses) > 1 else {}
    trial.set_user_attr("score", {**score.to_dict(), **origin, **several})


def write_decoder(trial: optuna.Trial, decoder: DecoderRun) -> None:
    """Store the training run of a picture's decoder."""
    origin = {"run": decoder.run, "cached_from": decoder.cached_from}
    trial.set_user_attr("decoder", {**decoder.score.to_dict(), **origin})


def write_samples(trial: optuna.Trial, samples: Samples) -> None:
    """Store where the pictures are that the trial's twin drew, or why there are none."""
    kept = dataclasses.asdict(samples)
    trial.set_user_attr("samples", {k: v for k, v in kept.items() if v})


def write_failure(trial: optuna.Trial, reason: str) -> None:
    """Store why the trial has no values."""
    trial.set_user_attr("failed", reason)


def decode_study(study: optuna.Study) -> StudyRecord | None:
    """Return what the study's trials share; None for a study that something else made.

    Raises :class:`WalkbenchError` for one that a later version wrote.
    """
    return decode_shared(study.study_name, study.user_attrs)


def decode_shared(name: str, attributes: Mapping[str, Any]) -> StudyRecord | None:
    """Do what :func:`decode_study` does, from the attributes of the study called ``name``."""
    stored = attributes.get(STUDY)
    if not isinstance(stored, Mapping):
        return None
    version = stored.get("version", 1)
    if version > VERSION:
        raise WalkbenchError(
            f"study {name!r} has records of version {version}, this walkbench reads up "
            f"to {VERSION}; upgrade walkbench"
        )
    space = stored.get("space") or {}
    revisions = stored.get("revisions") or [{}]
    return StudyRecord(
        space=space.get("name"),
        space_digest=space.get("digest"),
        space_content=space.get("content"),
        objectives=tuple(stored.get("objectives") or ()),
        budgets=dict(stored.get("budgets") or {}),
        device=stored.get("device"),
        latency_by=stored.get("latency_by"),
        proxy=stored.get("proxy"),
        rungs=tuple(stored.get("rungs") or ()),
        revisions=tuple(Revisions(**one) for one in revisions),
    )


def write_study(study: optuna.Study, record: StudyRecord) -> None:
    """Store what the study's trials share."""
    stored = dataclasses.asdict(record)
    stored["space"] = {
        "name": stored["space"],
        "digest": stored.pop("space_digest"),
        "content": stored.pop("space_content"),
    }
    study.set_user_attr(STUDY, {"version": VERSION, **stored})
