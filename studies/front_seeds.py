"""A study's front trained again under new seeds: which of its places are more than luck.

A study trains each design under one seed, and takes the best for the front: what it found best was
lucky too. New seeds, none of which the study used, say how large the losses are on average, and
which designs of the front cannot be told apart.

>>> import numpy as np
>>> losses = {"a": np.array([0.30, 0.31, 0.29]), "b": np.array([0.30, 0.30, 0.30]),
...           "c": np.array([0.20, 0.21, 0.19])}
>>> [(place.design, place.ties) for place in places(losses, {"a": 0.28, "b": 0.31, "c": 0.2})]
[('c', ()), ('a', ('b',)), ('b', ('a',))]
"""

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import optuna

from latency_db.agreement import Values
from proxies.recipe import Budget
from proxies.score import Score
from proxies.training_run import TrainingRun, TrainingSettings
from search_space.errors import WalkbenchError
from studies.engines.protocol import Engine, completed
from studies.proxy_validation.noise import gaps
from studies.reading import StudyData
from studies.records import TrialRecord
from studies.summary import best_designs

STORED = "seed_scores"  # the study attribute: digest of a run → its score


@dataclass(frozen=True)
class Place:
    """A design of the front under new seeds; ``ties`` cannot be told from it by their losses.

    ``mean`` and ``stderr`` are over the new seeds, None where a run failed; ``before`` is the loss
    that put it on the front.
    """

    design: str
    before: float
    mean: float | None
    stderr: float | None
    seeds: int
    ties: tuple[str, ...]


def settings_of(study: StudyData) -> TrainingSettings:
    """Return how the study trains; raises :class:`WalkbenchError` where it cannot be repeated."""
    stored = study.shared.proxy
    if stored is None:
        raise WalkbenchError(f"study {study.name!r} trains nothing, so its front has no seeds")
    for what, words in (("data", "on data of yours"), ("files", "with a teacher of yours")):
        if what in stored:
            raise WalkbenchError(
                f"study {study.name!r} was trained {words}, whose place it does not record; give "
                "the config it was run with: --config FILE.toml"
            )
    known = dict(stored)
    budget = {name: known.pop(name, None) for name in ("steps", "seconds")}
    plain = TrainingSettings(Budget(**budget)).to_dict()
    return TrainingSettings.from_dict({**plain, **known})


def train_front(
    opened: optuna.Study,
    study: StudyData,
    settings: TrainingSettings,
    seeds: int,
    engine: Engine,
    ended: Callable[[str, int, Score], None] = lambda design, seed, score: None,
) -> dict[str, Values]:
    """Train every design of the front under ``seeds`` new seeds; return losses, (seeds,).

    Scores are kept in the study by their run's digest, and are not trained again. A failed run's
    loss is not a number.
    """
    designs = best_designs(study)
    if not designs:
        raise WalkbenchError(
            f"study {study.name!r} has no design on its front yet; run more trials"
        )
    losses = {trial.label: np.full(seeds, np.nan) for trial in designs}
    kept: dict[str, Any] = dict(opened.user_attrs.get(STORED, {}))
    missing: list[tuple[tuple[str, int], TrainingRun]] = []
    for seed, trial in itertools.product(range(seeds), designs):
        run = settings.run(trial.network, seed=settings.seed + 1 + seed)
        stored = kept.get(run.digest())
        if stored is None:
            missing.append(((trial.label, seed), run))
        else:
            _note(losses, trial.label, seed, Score.from_dict(stored))
    by_key = {key: run.digest() for key, run in missing}
    for (label, seed), score in completed(engine, missing):
        _note(losses, label, seed, score)
        kept[by_key[label, seed]] = {**score.to_dict(), "losses": []}
        opened.set_user_attr(STORED, kept)
        ended(label, seed, score)
    return losses


def _note(losses: Mapping[str, Values], label: str, seed: int, score: Score) -> None:
    losses[label][seed] = score.value if score.ok else np.nan


def places(losses: Mapping[str, Values], before: Mapping[str, float]) -> list[Place]:
    """Return the designs by their mean loss over the new seeds, those that failed last.

    Two designs tie when the 95 % interval of their paired difference holds zero; its spread over
    seeds is pooled over all pairs.
    """
    pairs = list(itertools.permutations(losses, 2))
    apart = [gap for gap in gaps(pairs, losses) if not gap.low <= 0 <= gap.high]
    told_apart = {(gap.before, gap.after) for gap in apart}
    failed = {name for name, row in losses.items() if not np.isfinite(row).all()}
    found = []
    for name, row in losses.items():
        others = [o for o in losses if o != name and not {o, name} & failed]
        ties = tuple(o for o in others if not {(name, o), (o, name)} & told_apart)
        whole = name not in failed
        found.append(
            Place(
                name,
                before[name],
                float(row.mean()) if whole else None,
                float(row.std(ddof=1) / np.sqrt(len(row))) if whole else None,
                len(row),
                ties,
            )
        )
    return sorted(found, key=lambda place: (place.mean is None, place.mean or 0.0))


def losses_before(front: Sequence[TrialRecord]) -> dict[str, float]:
    """Return the losses that the study itself found, by design."""
    return {trial.label: trial.score.value for trial in front if trial.score is not None}
