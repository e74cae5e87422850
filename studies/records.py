"""`TrialRecord`, what is known of one trial, and `StudyRecord`, what its study's trials share.

Everything that shows a study works on these. :mod:`studies.record_codec` reads and writes them as
attributes of Optuna's trials and studies, including those that version 0.1 wrote.

>>> record = TrialRecord(7, "COMPLETE", digest="d65df1277220", cost=Cost(372, 9, 744, 8, 2))
>>> record.measured("params"), record.label, record.measured("proxy_loss")
(Measured(value=372, low=372, high=372, source='exact'), 'd65df1277220', None)
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any, Literal

from latency_db.latency import Latency
from proxies.score import Score
from search_space.cost import Cost
from search_space.errors import WalkbenchError
from search_space.network import DEFAULT_KIND, Network, network_from_dict
from studies.metric import Measured
from studies.metrics import known

State = Literal["COMPLETE", "PRUNED", "FAIL", "RUNNING", "WAITING"]
INTERRUPTED = "interrupted"  # the reason shown for a trial that failed without one


@dataclass(frozen=True)
class LatencyOrigin:
    """Where a latency comes from: device, source and the source's revision.

    ``revision`` is None in trials of version 0.1, which did not record it.
    """

    device: str
    by: str
    revision: str | None = None


@dataclass(frozen=True)
class Samples:
    """Pictures that a trial's twin drew, kept as an Optuna artifact; or why they were not kept."""

    artifact: str = ""
    folder: str = ""
    count: int = 0
    failed: str | None = None


@dataclass(frozen=True)
class DecoderRun:
    """The training run of a picture's decoder: its digest, its score, and who made it.

    ``cached_from`` is ``STUDY/NUMBER`` of the trial that trained it, None where this one did.
    """

    run: str
    score: Score
    cached_from: str | None = None


@dataclass(frozen=True)
class TrialRecord:
    """One trial of a study; what it does not have is None or empty.

    ``state`` is Optuna's: PRUNED is a candidate over budget that was not trained. ``params`` are
    those of the search, ``values`` the objectives' of a complete trial, ``constraints`` say how far
    each budget is missed (kept up to 0). ``feasible`` is None while a budget is unchecked.
    ``trained_by`` is the trial whose score was reused, ``cached_from`` that trial and its study,
    which may be another one of the storage: ``STUDY/NUMBER``. ``run`` is the digest of the training
    run that gave the score, None where it was not recorded. ``stored`` are the metrics measured
    when the trial ran, ``programs`` the latencies of a picture's programs. ``interrupted`` trials
    failed for no reason of their own and do not count. ``rung`` is the fidelity at which the design
    was trained, from 0; ``again_of`` is the trial whose design this one trains on, after an
    interruption or on a higher rung. ``seed_losses`` has the loss of each seed where a rung has
    several. ``decoder`` is the run of a picture's decoder. ``outside`` trials were added by another
    tool and scored when they were read (:mod:`studies.outside`).
    """

    number: int
    state: State
    name: str | None = None
    digest: str | None = None
    spec: Mapping[str, Any] | None = None
    params: Mapping[str, Any] = field(default_factory=dict)
    values: Mapping[str, float] = field(default_factory=dict)
    cost: Cost | None = None
    latency: Latency | None = None
    latency_origin: LatencyOrigin | None = None
    programs: Mapping[str, Latency] = field(default_factory=dict)
    score: Score | None = None
    trained_by: int | None = None
    cached_from: str | None = None
    run: str | None = None
    rung: int = 0
    again_of: int | None = None
    seed_losses: tuple[float, ...] = ()
    decoder: DecoderRun | None = None
    stored: Mapping[str, Measured] = field(default_factory=dict)
    samples: Samples | None = None
    constraints: Mapping[str, float] = field(default_factory=dict)
    feasible: bool | None = None
    failed: str | None = None
    interrupted: bool = False
    provenance: Mapping[str, Any] | None = None
    worker: Mapping[str, Any] | None = None
    outside: bool = False
    started: datetime | None = None
    ended: datetime | None = None

    @cached_property
    def network(self) -> Network:
        """The design; raises :class:`WalkbenchError` where there is none that can be read."""
        if self.spec is None:
            raise WalkbenchError(f"trial {self.number} has no design ({self.state.lower()})")
        return network_from_dict(self.spec)

    @property
    def kind(self) -> str:
        """The kind of the design, known without reading it."""
        return str((self.spec or {}).get("kind", DEFAULT_KIND))

    @property
    def label(self) -> str:
        """The design's name, else its digest, else a dash."""
        return self.name or self.digest or "–"

    @property
    def settled(self) -> bool:
        """Whether the trial ended, and not by an interruption."""
        return self.state in ("COMPLETE", "PRUNED", "FAIL") and not self.interrupted

    @property
    def done(self) -> bool:
        """Whether the trial counts: it settled, and its design has not climbed to get there."""
        return self.settled and self.rung == 0

    @property
    def trained(self) -> bool:
        """Whether this trial itself trained its design."""
        reused = self.trained_by is not None or self.cached_from is not None
        return self.score is not None and not reused

    def measured(self, name: str) -> Measured | None:
        """Return a metric as measured when the trial ran, else as its stored parts give it.

        None where the trial lacks what the metric needs: a candidate over budget has no loss.
        """
        if name in self.stored:
            return self.stored[name]
        metric = known(name)
        if metric is None or self.cost is None:
            return None
        try:
            return metric.measure(self)
        except WalkbenchError:  # a design of another version, which `network` cannot read
            return None

    def value(self, name: str) -> float | None:
        """Return the objective's value, else the metric's, None where there is none."""
        if name in self.values:
            return self.values[name]
        found = self.measured(name)
        return None if found is None else float(found.value)


@dataclass(frozen=True)
class Revisions:
    """Which code and data price and score the trials from ``first_trial`` on.

    ``latency`` is the content digest of the latency source, ``proxy`` the digest of the training
    settings; None where a study has none, or was made by version 0.1, which recorded neither.
    """

    first_trial: int = 0
    latency: str | None = None
    proxy: str | None = None


@dataclass(frozen=True)
class StudyRecord:
    """What all trials of a study share: only such trials compare.

    ``proxy`` are the training settings as JSON, of the highest rung. ``rungs`` say what each rung
    has of its own (:meth:`studies.rungs.Rung.to_dict`); empty where there is one.
    ``space_content`` is the space itself as JSON, None in studies of version 0.1. ``revisions`` has
    one entry, and a further one for each time somebody went on with another revision.
    """

    space: str | None = None
    space_digest: str | None = None
    space_content: Mapping[str, Any] | None = None
    objectives: tuple[str, ...] = ()
    budgets: Mapping[str, float] = field(default_factory=dict)
    device: str | None = None
    latency_by: str | None = None
    proxy: Mapping[str, Any] | None = None
    rungs: tuple[Mapping[str, Any], ...] = ()
    revisions: tuple[Revisions, ...] = ()
