"""The plan of a validation study: designs chosen before anything is ranked, budgets, seeds.

Designs are drawn at random from a space within latency strata: as many from every stratum, so that
the ranks cover the range that a search looks at and are read within bands too. The plan is
written before the first training step and never changes; a study continues only under its plan.

A short run may be short in other ways too: pictures of a lower resolution cost less, and leave more
of them for the same compute. What counts as short is at most a tenth of a long run's multiply-adds.

The design walk may stand beside the sample: its steps are named, so they do not count as sampled,
and what matters of them is which differences between neighbours are larger than the noise.

>>> plan = make_plan("pocket", designs=4, strata=2, short=2, long=20, seeds=2)
>>> len(plan.designs), [design.stratum for design in plan.designs]
(4, [0, 0, 1, 1])
>>> plan == make_plan("pocket", designs=4, strata=2, short=2, long=20, seeds=2)
True
"""

import dataclasses
import json
import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from latency_db.source import LatencySource
from latency_db.sources import source_of
from proxies.compute import Compute
from proxies.data.source import DataSource
from proxies.hardware import Hardware
from proxies.recipe import Recipe
from proxies.setting import as_dict, from_dict
from proxies.twin import TwinError, twin
from search_space.atomic import atomic_write
from search_space.cost import cost
from search_space.errors import WalkbenchError, raise_unknown
from search_space.presets import FAMILIES, all_named, walk_specs
from search_space.sample import draw
from search_space.space import SearchSpace
from search_space.spec import UNetSpec
from studies.proxy_validation.balance import balanced

FORMAT = 1
OVERSAMPLE = 8  # designs priced per design wanted: strata are quantiles of these
LEAST_RATIO = 10  # a long run costs at least this many short ones, or it validates nothing
LEAST_DESIGNS = 4  # fewer have no rank correlation worth the name
SHORT_SEEDS = 1000  # seeds of short runs start here, so no short run shares one with a long run


@dataclass(frozen=True)
class PlannedDesign:
    """A design under study: sampled (``stratum`` counts latency bands up) or a step of the walk."""

    label: str
    spec: UNetSpec
    latency_ms: float
    stratum: int | None = None


@dataclass(frozen=True)
class ValidationPlan:
    """Everything that decides what is trained. ``marks`` are steps at which long runs validate."""

    space: str
    space_digest: str
    sample_seed: int
    device: str
    designs: tuple[PlannedDesign, ...]
    walk: tuple[PlannedDesign, ...]
    short: int  # steps
    long: int  # steps
    walk_steps: int
    seeds: int  # runs of every design and length, long seeds 0 … seeds - 1
    marks: tuple[float, ...]  # shares of a long run
    width: int
    latent: int
    recipe: Recipe
    data: DataSource = field(default_factory=DataSource)
    content: str | None = None  # the name of what the data hold, None for the shapes
    short_latent: int | None = None  # of short runs, where it is not that of the long ones
    short_batch: int | None = None  # of short runs, where it is not that of the long ones
    compute: Compute = field(default_factory=Compute)
    left_out: str | None = None  # designs that were drawn and have no twin, and why

    def steps_of_marks(self, steps: int) -> list[int]:
        """Return after how many steps a run of ``steps`` is validated, its end included."""
        return [round(share * steps) for share in (*self.marks, 1.0)]

    @property
    def short_side(self) -> int:
        """Side of the pictures of short runs."""
        return self.latent if self.short_latent is None else self.short_latent

    @property
    def short_recipe(self) -> Recipe:
        """What short runs are trained with."""
        batch = self.recipe.batch if self.short_batch is None else self.short_batch
        return dataclasses.replace(self.recipe, batch=batch)

    @property
    def compute_ratio(self) -> float:
        """Multiply-adds of a short run over those of a long one, over all sampled designs."""
        pictures = self.short * self.short_recipe.batch / (self.long * self.recipe.batch)
        if self.short_side == self.latent:
            return pictures
        return pictures * self._macs(self.short_side) / self._macs(self.latent)

    def _macs(self, latent: int) -> int:
        """Return the multiply-adds of all sampled designs' twins for one picture each."""
        return sum(cost(twin(d.spec, self.width, latent)).macs for d in self.designs)

    def to_json(self) -> str:
        """Return the plan as JSON text."""
        data = dataclasses.asdict(self) | {"format": FORMAT}
        for name in ("recipe", "data", "compute"):
            data[name] = as_dict(getattr(self, name))
        for name in ("designs", "walk"):
            data[name] = [
                {**dataclasses.asdict(d), "spec": d.spec.to_dict()} for d in getattr(self, name)
            ]
        return json.dumps(data)

    @classmethod
    def from_json(cls, text: str, where: str) -> Self:
        """Read what :meth:`to_json` wrote; raises :class:`WalkbenchError` naming ``where``."""
        try:
            data: dict[str, Any] = json.loads(text)
            if data.pop("format") != FORMAT:
                raise ValueError("another version of Walkbench wrote it")
            for name in ("designs", "walk"):
                data[name] = tuple(
                    PlannedDesign(**{**d, "spec": UNetSpec.from_dict(d["spec"])})
                    for d in data[name]
                )
            data["recipe"] = from_dict(Recipe, data["recipe"])
            data["marks"] = tuple(data["marks"])
            data["data"] = from_dict(DataSource, data.get("data", {}))  # without it: shapes
            data["compute"] = from_dict(Compute, data.get("compute", {}))  # without it: a CPU
            return cls(**data)
        except (ValueError, KeyError, TypeError) as error:
            raise WalkbenchError(
                f"{where} is not a plan of a validation study ({error}); name another folder"
            ) from None


def make_plan(
    space: str,
    *,
    designs: int = 32,
    strata: int = 4,
    short: int = 400,
    long: int = 4000,
    seeds: int = 3,
    sample_seed: int = 0,
    device: str = "iPhone 15 Pro",
    walk: str | None = None,
    walk_steps: int | None = None,
    marks: tuple[float, ...] = (0.1, 0.3, 0.6),
    width: int = 16,
    latent: int = 24,
    recipe: Recipe | None = None,
    data: DataSource | None = None,
    short_latent: int | None = None,
    short_batch: int | None = None,
    compute: Compute | None = None,
    balance: bool = False,
) -> ValidationPlan:
    """Draw ``designs`` of ``space`` (a shipped name or TOML file) in ``strata`` bands of latency.

    ``device`` prices them; ``walk`` names a family of the design walk to train beside them, for
    ``walk_steps`` each (default: ``long``). ``short_latent`` and ``short_batch`` are for short runs
    that differ from long ones in these; ``compute`` says where twins are trained; with ``balance``
    samplers and widths of the first stage are equally frequent
    (:mod:`studies.proxy_validation.balance`). Raises :class:`WalkbenchError` for budgets that
    validate nothing and for a space with too few designs.
    """
    if walk is None and walk_steps is not None:
        raise WalkbenchError("walk_steps are of the walk; name a family with walk, M or F, too")
    walk_steps = long if walk_steps is None else walk_steps
    _check(designs, strata, seeds, short=short, long=long, walk_steps=walk_steps)
    compute = compute or Compute()
    Hardware.of(compute.device, compute.precision)  # fails where this machine lacks them
    data = data or DataSource()
    content = data.content(latent)
    if short_latent is not None:
        data.content(short_latent)  # fails where the data have no such size
    found = SearchSpace.load(space)
    source = source_of(device)
    sides = (latent,) if short_latent is None else (latent, short_latent)
    chosen, left_out = _stratified(
        found, designs, strata, sample_seed, width, sides, source, balance
    )
    family = walk_specs(FAMILIES[_family(walk)]) if walk is not None else {}
    steps = tuple(
        PlannedDesign(f"{walk}/{name}", spec, round(source.predict(spec).ms, 4))
        for name, spec in family.items()
    )
    plan = ValidationPlan(
        space=found.name,
        space_digest=found.digest(),
        sample_seed=sample_seed,
        device=device,
        designs=chosen,
        walk=steps,
        short=short,
        long=long,
        walk_steps=walk_steps,
        seeds=seeds,
        marks=marks,
        width=width,
        latent=latent,
        recipe=recipe or Recipe(),
        data=data,
        content=content,
        short_latent=short_latent,
        short_batch=short_batch,
        compute=compute,
        left_out=left_out,
    )
    _check_ratio(plan)
    return plan


def keep_plan(plan: ValidationPlan, folder: Path) -> None:
    """Write ``plan`` into ``folder``, or check that it is the one there.

    Raises :class:`WalkbenchError` naming what differs: results of two plans must not mix.
    """
    path = folder / "plan.json"
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as partial:
            partial.write_text(plan.to_json(), encoding="utf-8")
        return
    check_same(load_plan(folder), plan, folder)


def check_same(kept: ValidationPlan, plan: ValidationPlan, folder: Path) -> None:
    """Raise :class:`WalkbenchError` naming what differs where ``kept``, of ``folder``, is another.

    Where the data of the two lie may differ, what they hold may not.
    """
    for name in (one.name for one in dataclasses.fields(ValidationPlan)):
        there, here = getattr(kept, name), getattr(plan, name)
        if there != here and name != "data":
            if name in ("designs", "walk"):
                there, here = (f"{len(designs)} designs" for designs in (there, here))
            shown = f": {there!r} there, {here!r} here" if there != here else ""
            raise WalkbenchError(
                f"{folder} holds another study, {name} differs{shown}; ask for the same one "
                "to go on, or name another folder"
            )


def load_plan(folder: Path) -> ValidationPlan:
    """Return the plan of the study in ``folder``; raises :class:`WalkbenchError` without one."""
    path = folder / "plan.json"
    if not path.is_file():
        raise WalkbenchError(
            f"{folder} holds no validation study (no plan.json); start one with "
            "`walkbench proxy validate FOLDER --space pocket`"
        )
    return ValidationPlan.from_json(path.read_text(encoding="utf-8"), str(path))


def _check(designs: int, strata: int, seeds: int, **steps: int) -> None:
    if designs < LEAST_DESIGNS:
        raise WalkbenchError(f"designs is {designs}; {LEAST_DESIGNS} or more have ranks to compare")
    if not 1 <= strata <= designs // 2:
        raise WalkbenchError(
            f"strata is {strata}; 1 to {designs // 2} is allowed: two of {designs} designs or more "
            "are ranked within each"
        )
    if seeds < 2:
        raise WalkbenchError(f"seeds is {seeds}; 2 or more show how far a rank is noise")
    for name, number in steps.items():
        if number < 1:
            raise WalkbenchError(f"{name} is {number}; a positive number of steps is needed")


def _check_ratio(plan: ValidationPlan) -> None:
    ratio = plan.compute_ratio
    if ratio * LEAST_RATIO > 1 + 1e-9:
        enough = math.ceil(plan.long * ratio * LEAST_RATIO - 1e-6)
        raise WalkbenchError(
            f"a short run of {plan.short} steps takes {ratio:.1%} of the multiply-adds of a long "
            f"one of {plan.long}; a long run must cost {LEAST_RATIO} short ones or more: ask for "
            f"--long {enough}"
        )


def _family(walk: str) -> str:
    if walk not in FAMILIES:
        raise_unknown("family of the walk", walk, FAMILIES)
    return walk


def _stratified(
    space: SearchSpace,
    number: int,
    strata: int,
    seed: int,
    width: int,
    latents: tuple[int, ...],
    source: LatencySource,
    balance: bool,
) -> tuple[tuple[PlannedDesign, ...], str | None]:
    """Return ``number`` designs, as many (±1) from each band of equal share of the latencies.

    Also says how many designs have no twin, with the rule that the first one breaks.
    """
    named = set(all_named().values())
    pool: dict[UNetSpec, float] = {}
    without: dict[UNetSpec, TwinError] = {}
    for spec in draw(space, OVERSAMPLE * number, seed):
        if spec in pool or spec in named:
            continue
        try:
            for latent in latents:
                twin(spec, width, latent)
        except TwinError as error:
            without[spec] = error
            continue
        pool[spec] = source.predict(spec).ms
    left_out = None
    if without:
        rule = next(iter(without.values()))
        left_out = (
            f"{len(without)} of {len(without) + len(pool)} designs drawn have no twin: {rule}"
        )
    if len(pool) < number:
        raise WalkbenchError(
            f"space {space.name!r} gave {len(pool)} different designs with a twin, {number} are "
            f"needed; {left_out or 'plan fewer'}"
        )
    group = _confounded if balance else lambda spec: None
    chosen = tuple(
        PlannedDesign(f"d{i:02d}", spec, round(pool[spec], 4), band)
        for i, (spec, band) in enumerate(balanced(pool, number, strata, group))
    )
    return chosen, left_out


def _confounded(spec: UNetSpec) -> Hashable:
    """Return the switches that decided most in earlier studies: sampler and first-stage width."""
    return spec.sampler, spec.stages[0].channels
