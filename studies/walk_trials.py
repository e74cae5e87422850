"""The trials of a study that are steps of the design walk.

>>> steps_of_walk([], "F")
[]
"""

from collections.abc import Sequence
from functools import lru_cache

from search_space.presets import FAMILIES, walk_specs
from studies.reading import StudyData
from studies.records import TrialRecord


def trials_of_walks(study: StudyData) -> list[TrialRecord]:
    """Return the first trial of every design of a walk that was not interrupted."""
    digests = {digest for family in FAMILIES for digest in _walk_digests(family)}
    table = study.table
    rows = table.distinct(~table.interrupted).tolist()
    return study.chosen([row for row in rows if table.digest[row] in digests])


def steps_of_walk(trials: Sequence[TrialRecord], family: str) -> list[TrialRecord]:
    """Return the trials of ``family``'s walk steps in the walk's order, the first of each design.

    Of a study with rungs that is the one on the first rung, where all steps compare. Empty where
    the trials hold only steps that the families share, such as `thin`.
    """
    ended = [trial for trial in trials if not trial.interrupted]
    by_digest = {trial.digest: trial for trial in reversed(ended) if trial.digest}
    steps = {name: _walk_digests(name) for name in FAMILIES}
    own = set(steps[family]).difference(*(d for name, d in steps.items() if name != family))
    if own.isdisjoint(by_digest):
        return []
    return [by_digest[digest] for digest in steps[family] if digest in by_digest]


@lru_cache
def _walk_digests(family: str) -> tuple[str, ...]:
    return tuple(spec.digest() for spec in walk_specs(FAMILIES[family]).values())
