"""What single choices do: to the loss of trials that differ in nothing else, and to costs.

Two trials of a study that differ in one axis are a paired comparison: both losses are of the same
samples. Pairs of the same change are averaged sample by sample.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean

import numpy as np

from proxies.score import Score, difference
from search_space.errors import WalkbenchError
from studies.ablation import Effect
from studies.analyses.card import Card, CardColumn, CardTable
from studies.figures.curves import Z_95
from studies.figures.effects import Shown, costs_figure, effects_figure
from studies.formats import interval, percent
from studies.reading import StudyData
from studies.records import TrialRecord
from studies.study_table import STATES
from studies.verdict import ONE_SEED_WORDS, WORDS, verdict
from studies.walk import measured_walk

SHOWN = 30  # changes of a card
PAIRED = (
    "Two trials that differ in one choice are compared sample by sample, and pairs of the same "
    "change averaged; the 95 % interval is over samples. A study trains one seed, so it never "
    "makes a change REAL: `walkbench ablate --steps` trains several."
)
SEEDED = "From {seeds} seeds of {steps:,} steps on {latent}-pixel pictures, paired by seed."


@dataclass(frozen=True)
class ChoiceEffect:
    """A change of one choice, its paired effect on the loss, and how many pairs gave it."""

    axis: str
    before: object
    after: object
    pairs: int
    change: float
    low: float
    high: float
    verdict: str

    @property
    def name(self) -> str:
        """The change in words: conv: dense → separable."""
        return f"{self.axis}: {self.before} → {self.after}"


def effects(study: StudyData) -> list[Card]:
    """Return the card of choices that pairs of trials differ in alone; none without a pair."""
    complete = study.table.state == STATES.index("COMPLETE")
    found = choice_effects(study.some(np.flatnonzero(complete)))
    if not found:
        return []
    shown = [Shown(one.name, one.change, one.low, one.high, one.verdict) for one in found[:SHOWN]]
    columns = (
        CardColumn("change"),
        CardColumn("pairs", right=True),
        CardColumn("Δ loss (95 %)", right=True),
        CardColumn("verdict"),
    )
    rows = tuple(
        (one.name, str(one.pairs), interval(one.change, one.low, one.high), one.verdict)
        for one in found[:SHOWN]
    )
    words = f"{len(found)} changes of one choice alone, from {sum(o.pairs for o in found)} pairs."
    figure = effects_figure(shown, "change of the proxy loss")
    notes = (PAIRED, WORDS, ONE_SEED_WORDS)
    return [Card("Effects of single choices", (words,), figure, CardTable(columns, rows), notes)]


def choice_effects(trials: Sequence[TrialRecord]) -> list[ChoiceEffect]:
    """Return the effect of every change that two trials differ in alone, the largest first."""
    trained = [t for t in trials if t.params and t.score and t.score.ok and t.score.losses]
    alike: dict[tuple[str, frozenset[tuple[str, object]]], list[TrialRecord]] = defaultdict(list)
    for trial in trained:
        items = frozenset(trial.params.items())
        for item in items:
            alike[item[0], items - {item}].append(trial)
    pairs: dict[tuple[str, object, object], list[tuple[Score, Score]]] = defaultdict(list)
    for (axis, _), group in alike.items():
        by_value = {trial.params[axis]: trial.score for trial in group if trial.score}
        ordered = sorted(by_value.items(), key=lambda item: (str(type(item[0])), item[0]))
        for (before, one), (after, other) in pairwise(ordered):
            pairs[axis, before, after].append((one, other))
    found = []
    for (axis, before, after), compared in pairs.items():
        effect = _paired(compared)
        if effect is not None:
            found.append(ChoiceEffect(axis, before, after, len(compared), *effect))
    return sorted(found, key=lambda one: -abs(one.change))


def _paired(compared: Sequence[tuple[Score, Score]]) -> tuple[float, float, float, str] | None:
    """Return the mean change with its interval and verdict; None where losses do not compare."""
    try:
        for before, after in compared:
            difference(after, before)
    except WalkbenchError:
        return None
    if len({score.n for pair in compared for score in pair}) > 1:
        return None
    changes = zip(
        *([a - b for a, b in zip(after.losses, before.losses, strict=True)]
          for before, after in compared), strict=True,
    )  # fmt: skip
    mean = Score.of_losses([fmean(sample) for sample in changes], compared[0][0].fidelity)
    low, high = mean.value - Z_95 * mean.stderr, mean.value + Z_95 * mean.stderr
    return mean.value, low, high, verdict(low, high, seeds=1)


def walk_effects() -> Card:
    """Return the card of what the walk's steps do to the loss, measured over several seeds."""
    steps = measured_walk()
    columns = (
        CardColumn("step"),
        CardColumn("against"),
        CardColumn("loss Δ (95 %)", right=True),
        CardColumn("verdict"),
    )
    rows = tuple(
        (after, one["before"], f"{percent(one['relative'])} ({percent(one['low'])} … "
         f"{percent(one['high'])})", one["verdict"])
        for after, one in steps.items()
    )  # fmt: skip
    shown = [
        Shown(after, one["relative"], one["low"], one["high"], one["verdict"])
        for after, one in steps.items()
    ]
    real = [after for after, one in steps.items() if one["verdict"] == "REAL"]
    words = f"REAL: {', '.join(real) or 'none'}; the other steps are INSIDE NOISE at this length."
    first = next(iter(steps.values()))
    figure = effects_figure(shown, "relative change of the proxy loss")
    notes = (SEEDED.format(**first), WORDS)
    title = "What each step of the walk does to the loss"
    return Card(title, (words,), figure, CardTable(columns, rows), notes)


def one_factor(found: Sequence[Effect], title: str, device: str) -> Card:
    """Return the card of an ablation's ``found`` effects: on costs, and on the loss if trained."""
    trained = [effect for effect in found if effect.loss is not None]
    columns = [
        CardColumn("change"),
        CardColumn("latency Δ", right=True),
        CardColumn("params Δ", right=True),
        CardColumn("MACs Δ", right=True),
    ]
    columns += [CardColumn("loss Δ (95 %)", right=True), CardColumn("verdict")] * bool(trained)
    rows = []
    for effect in found:
        loss = effect.loss
        row = [
            effect.change.name,
            *(percent(effect.costs[n]) for n in ("latency_ms", "params", "macs")),
        ]
        if trained:
            text = "–"
            if loss:
                text = f"{percent(loss.relative)} ({percent(loss.low)} … {percent(loss.high)})"
            row += [text, loss.verdict if loss else ""]
        rows.append(tuple(row))
    names = [effect.change.name for effect in found]
    if trained:
        figure = effects_figure(
            [Shown(e.change.name, e.loss.relative, e.loss.low, e.loss.high, e.loss.verdict)
             for e in trained if e.loss],
            "relative change of the proxy loss",
        )  # fmt: skip
    else:
        costs = {
            "latency": [effect.costs["latency_ms"] for effect in found],
            "params": [effect.costs["params"] for effect in found],
            "MACs": [effect.costs["macs"] for effect in found],
        }
        figure = costs_figure(names, costs)
    saved = min(found, key=lambda effect: effect.costs["latency_ms"] or 0.0, default=None)
    words: tuple[str, ...] = ()
    if saved is not None:
        change = percent(saved.costs["latency_ms"])
        words = (f"{saved.change.name} saves most time: ≈ {change} on {device}.",)
    exact = f"Params and MACs are exact, latency is estimated for {device}."
    notes = (exact, WORDS) if trained else (exact,)
    return Card(title, words, figure, CardTable(tuple(columns), tuple(rows)), notes)
