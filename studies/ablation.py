"""Ablations: designs that differ in one factor, what each costs, and what each loses.

Around a design, every axis of a space is changed alone, to each of its other values. Along the
design walk, each step is taken forwards (after those before it) and backwards (the whole walk
without it). Costs are exact; with training settings every design is trained under the same seeds,
and a change of loss is judged by its paired 95 % interval over seeds.

>>> from search_space.presets import named_spec
>>> from search_space.space import SearchSpace
>>> found = around(SearchSpace.load("pocket"), named_spec("F/mqa"), ["ff_ratio"])
>>> [(change.name, change.before) for change in found.changes]
[('ff_ratio = 4.0', 'base')]
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np

from latency_db.agreement import Values
from latency_db.source import LatencySource
from proxies.objectives import Distillation, FlowMatching, TrainingObjective
from proxies.score import Score
from proxies.training_run import TrainingRun, TrainingSettings
from search_space.errors import SpecError, WalkbenchError, raise_unknown
from search_space.presets import FAMILIES, WALK, walk_specs
from search_space.space import FixedValues, SearchSpace
from search_space.spec import UNetSpec
from studies.candidate import KnownCandidate, measured, priced
from studies.engines.protocol import Engine, completed
from studies.metric import Measured
from studies.proxy_validation.noise import gaps
from studies.verdict import verdict

BASE = "base"
COSTS = ("latency_ms", "params", "macs")


@dataclass(frozen=True)
class Change:
    """One factor: the design ``after`` it, named, against the design ``before``."""

    name: str
    before: str
    after: str


@dataclass(frozen=True)
class Ablation:
    """Designs by name, and the changes between them.

    ``objectives`` are training methods by name, where they are not that of the settings.
    """

    title: str
    designs: Mapping[str, UNetSpec]
    changes: tuple[Change, ...]
    objectives: Mapping[str, TrainingObjective] = field(default_factory=dict)


@dataclass(frozen=True)
class LossChange:
    """A relative change of loss with its 95 % interval over seeds, and whether it is noise."""

    relative: float
    low: float
    high: float
    verdict: str
    seeds: int


@dataclass(frozen=True)
class Effect:
    """What a change does: relative changes of costs, None without a latency; and of the loss."""

    change: Change
    costs: Mapping[str, float | None]
    loss: LossChange | None = None


def around(space: SearchSpace, design: UNetSpec, factors: Sequence[str] | None = None) -> Ablation:
    """Return ``design`` with every axis of ``space`` changed alone, or the axes ``factors``.

    Axes without effect on the design are left out, and values that the space contradicts. Raises
    :class:`WalkbenchError` for a design outside the space and for an unknown or inactive factor.
    """
    params = space.params_of(design)
    known = {axis.name: bounds for axis, bounds in space.axes}
    for factor in factors or ():
        if factor not in known:
            raise_unknown("axis", factor, known)
        if factor not in params:
            raise WalkbenchError(f"axis {factor!r} has no effect on this design; leave it out")
    designs, changes = {BASE: design}, []
    for name in factors or params:
        for value in known[name]:
            if value == params[name]:
                continue
            changed = _suggested(space, {**params, name: value})
            if changed is not None and changed != design:
                label = f"{name} = {value}"
                designs[label] = changed
                changes.append(Change(label, BASE, label))
    return Ablation(f"One factor at a time, in space {space.name}", designs, tuple(changes))


RECIPE = "recipe"  # the factor that is no axis of a space
LEVELS = {  # SnapGen's terms in its order, then full S without one of its halves
    "+ output KD": (BASE, "output:constant"),
    "+ feature KD": ("+ output KD", "both:constant"),
    "+ timestep-aware scaling": ("+ feature KD", "both:full"),
    "ratio alone": ("+ feature KD", "both:ratio"),
    "α alone": ("+ feature KD", "both:alpha"),
    "feature KD alone": (BASE, "feature:constant"),
}


def by_recipe(design: UNetSpec, objective: TrainingObjective) -> Ablation:
    """Return ``design`` trained alone and by every level of the distillation ``objective``.

    Raises :class:`WalkbenchError` where the objective is another or has no teacher.
    """
    if not isinstance(objective, Distillation) or objective.teacher is None:
        raise WalkbenchError(
            "the factor recipe needs a teacher: --objective "
            '\'{kind = "distillation", teacher = "FILE"}\''
        )
    found: dict[str, TrainingObjective] = {BASE: FlowMatching()}
    for label, (_, level) in LEVELS.items():
        found[label] = dataclasses.replace(objective, level=level)
    changes = tuple(Change(label, before, label) for label, (before, _) in LEVELS.items())
    title = "One design, trained with and without a teacher"
    return Ablation(title, dict.fromkeys(found, design), changes, found)


class _Neutral(FixedValues):
    """Answers with given values; an axis that the change switches on takes its first value."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """Return the given value, else the lowest."""
        return int(self.params.get(name, low))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None
    ) -> float:
        """Return the given value, else the lowest."""
        return float(self.params.get(name, low))

    def suggest_categorical(self, name: str, choices: Sequence[object]) -> object:
        """Return the given value, else the first choice."""
        return self.params.get(name, choices[0])


def _suggested(space: SearchSpace, params: Mapping[str, object]) -> UNetSpec | None:
    try:
        design: UNetSpec = space.suggest(_Neutral(params))
    except SpecError:
        return None
    return design


def along_walk(family: str) -> Ablation:
    """Return the walk of ``family``: every step after those before it, and the walk without it."""
    if family not in FAMILIES:
        raise_unknown("family", family, FAMILIES)
    chosen = FAMILIES[family]
    specs = walk_specs(chosen)
    names, last = list(specs), list(specs)[-1]
    designs = dict(specs)
    changes = [Change(f"+ {after}", before, after) for before, after in pairwise(names)]
    for left_out in WALK[1:]:
        spec = specs[names[0]]
        for step in WALK[1:]:
            if step is not left_out:
                spec = step.edit(spec, chosen)
        label = f"without {left_out.name}"
        designs[label] = spec
        changes.append(Change(f"− {left_out.name}", last, label))
    return Ablation(f"The walk of family {family}, forwards and backwards", designs, tuple(changes))


def costs_of(ablation: Ablation, latency: LatencySource | None) -> list[Effect]:
    """Return the relative change of every cost by every change; exact but for the latency."""
    names = COSTS if latency is not None else COSTS[1:]
    known: dict[str, dict[str, Measured]] = {}
    for label, design in ablation.designs.items():
        candidate: KnownCandidate = priced(design, latency)
        known[label] = measured(candidate, names, "free", "lookup")
    effects = []
    for change in ablation.changes:
        before, after = known[change.before], known[change.after]
        ratios = {n: after[n].value / before[n].value - 1 if n in before else None for n in COSTS}
        effects.append(Effect(change, ratios))
    return effects


def train_ablation(
    ablation: Ablation,
    settings: TrainingSettings,
    seeds: int,
    engine: Engine,
    ended: Callable[[str, int, Score], None] = lambda label, seed, score: None,
) -> dict[str, Values]:
    """Train every design under ``seeds`` seeds from the settings' own; return losses, (seeds,).

    Runs come seed by seed over all designs. A failed run's loss is not a number. ``ended`` is told
    of every run.
    """
    runs = _runs(ablation, settings, seeds)
    losses = {label: np.full(seeds, np.nan) for label in ablation.designs}
    for (label, seed), score in completed(engine, runs):
        losses[label][seed] = score.value if score.ok else np.nan
        ended(label, seed, score)
    return losses


def _runs(
    ablation: Ablation, settings: TrainingSettings, seeds: int
) -> Iterable[tuple[tuple[str, int], TrainingRun]]:
    for seed in range(seeds):
        for label, design in ablation.designs.items():
            objective = ablation.objectives.get(label, settings.recipe.objective)
            recipe = dataclasses.replace(settings.recipe, objective=objective)
            own = dataclasses.replace(settings, recipe=recipe)
            yield (label, seed), own.run(design, seed=settings.seed + seed)


def with_losses(effects: Sequence[Effect], losses: Mapping[str, Values]) -> list[Effect]:
    """Return ``effects`` with what each change does to the loss; None where a run failed.

    The spread over seeds is pooled over all changes (:func:`studies.proxy_validation.noise.gaps`).
    """
    pairs = [(effect.change.before, effect.change.after) for effect in effects]
    seeds = len(next(iter(losses.values())))
    found = {(gap.before, gap.after): gap for gap in gaps(pairs, losses)}
    judged = []
    for effect, pair in zip(effects, pairs, strict=True):
        gap = found.get(pair)
        loss = None
        if gap is not None:
            word = verdict(gap.low, gap.high, seeds)
            loss = LossChange(gap.relative, gap.low, gap.high, word, seeds)
        judged.append(Effect(effect.change, effect.costs, loss))
    return judged
