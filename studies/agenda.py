"""What a study has to train again: designs whose worker died, and designs that climb a rung.

Both follow from the trials alone, so every worker finds the same, and who comes first enqueues it
(:meth:`studies.trial_log.TrialLog.is_one_too_many` settles ties). A trial that was interrupted
while it trained is tried again from its checkpoint, by whichever worker is free. Designs climb as
:mod:`studies.promotion` says, among the designs of a rung that have ended.

>>> agenda([TrialRecord(0, "COMPLETE", digest="d65df1277220", feasible=True)], (), ("params",))
[]
"""

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass

import optuna

from studies import pareto, record_codec
from studies.metrics import known
from studies.promotion import Standing, climbers
from studies.records import TrialRecord
from studies.rungs import Rung, seed_spread

MOST_INTERRUPTIONS = 5  # of a design on a rung; it may be what kills its workers


@dataclass(frozen=True)
class Again:
    """The design of ``trial`` is to train on ``rung``: its own once more, or a higher one."""

    trial: TrialRecord
    rung: int


def agenda(
    records: Sequence[TrialRecord],
    rungs: Sequence[Rung],
    objectives: Sequence[str],
    *,
    is_complete: bool = False,
) -> list[Again]:
    """Return what is to train again and nobody has taken, interrupted designs first.

    ``rungs`` are the study's, empty for one that trains nothing; ``is_complete`` says that no more
    designs begin.
    """
    if not rungs:
        return []
    taken: set[tuple[str | None, int]] = {
        (r.digest, r.rung) for r in records if not r.interrupted and r.digest
    }
    stopped = [r for r in records if r.interrupted and r.feasible is True and r.digest]
    times = Counter((r.digest, r.rung) for r in stopped)
    given_up = {key for key, number in times.items() if number > MOST_INTERRUPTIONS}
    todo = [Again(r, r.rung) for r in stopped if (r.digest, r.rung) not in given_up]
    todo += _climbing(records, rungs, objectives, is_complete, given_up)
    found: list[Again] = []
    for one in todo:
        key = (one.trial.digest, one.rung)
        if key not in taken:
            taken.add(key)
            found.append(one)
    return found


def _climbing(
    records: Sequence[TrialRecord],
    rungs: Sequence[Rung],
    objectives: Sequence[str],
    is_complete: bool,
    given_up: Set[tuple[str | None, int]],
) -> list[Again]:
    """Return the designs that belong on a higher rung, those of the highest rungs first.

    A design and rung that were ``given_up`` count as ended.
    """
    found: list[Again] = []
    is_final = is_complete
    for below, rung in enumerate(rungs[1:]):
        here = pareto.distinct(r for r in records if r.rung == below and pareto.counts(r))
        placed = [(r, s) for r in here if (s := standing(r, objectives))]
        standings = [s for _, s in placed]
        chosen = climbers(standings, rung.share, is_final=is_final)
        climbing = [Again(placed[i][0], below + 1) for i in chosen]
        found = [*(c for c in climbing if (c.trial.digest, c.rung) not in given_up), *found]
        ended = {r.digest for r in records if r.rung == below + 1 and r.settled}
        ended |= {digest for digest, rung in given_up if rung == below + 1}
        is_final = is_final and all(one.trial.digest in ended for one in climbing)
    return found


def standing(record: TrialRecord, objectives: Sequence[str]) -> Standing | None:
    """Return what decides whether a design climbs; None without an objective that is trained."""
    point = pareto.point(record, objectives)
    if point is None:
        return None
    values = dict(zip(objectives, point, strict=True))
    trained = [n for n in objectives if (metric := known(n)) and metric.stage == "trained"]
    if not trained:
        return None
    loss = values.pop(trained[0])
    seeds = len(record.seed_losses)
    spread = seed_spread(record.seed_losses) / abs(loss) if seeds > 1 and loss else None
    return Standing(loss, tuple(values.values()), max(seeds, 1), spread)


def enqueue(study: optuna.Study, one: Again) -> None:
    """Let a trial wait that trains the design of ``one``; the next worker takes it."""
    study.enqueue_trial(dict(one.trial.params), user_attrs=record_codec.again(one.trial, one.rung))
