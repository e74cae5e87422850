r"""A study's config: what is searched, what is minimised, under which budgets, scored how.

A TOML file, checked when it is read: a table or key that nobody knows, a value out of range and a
device nobody has are errors before anything runs. `docs/studies.md` lists every key.

>>> config = load_config("demo")
>>> config.objectives, config.budgets
(('proxy_loss', 'latency_ms'), {'latency_ms': 650.0})
>>> parse_config("[study]\nname = 'x'\ntrials = 0")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: config: [study] trials is 0; an integer of 1 or more is needed
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from latency_db.devices import chip_of
from proxies.compute import PRECISIONS, Compute
from proxies.data.dataset import shapes
from proxies.data.source import DataSource
from proxies.recipe import Budget, Recipe
from proxies.training_run import TrainingSettings
from proxies.twin import twin
from search_space.errors import WalkbenchError, raise_unknown
from search_space.load import load_spec
from search_space.presets import all_named
from search_space.space import OutsideSpace, SearchSpace
from search_space.spec import UNetSpec
from studies.config_table import ConfigTable
from studies.pareto import BUDGETS, OBJECTIVES

SAMPLERS = ("tpe", "nsga2", "random", "gp")
_TABLES = ("study", "space", "objectives", "budgets", "device", "proxy", "enqueue")


@dataclass(frozen=True)
class Design:
    """A design to evaluate first: its name, or the file it came from, and its spec."""

    name: str
    spec: UNetSpec


@dataclass(frozen=True)
class StudyConfig:
    """One study, checked. ``left_out`` says which designs to enqueue lie outside the space.

    ``samples`` is how many pictures each trained twin draws; it changes no score, so it is no part
    of what trials share.
    """

    name: str
    trials: int
    seed: int
    sampler: str
    storage: str | None
    space: SearchSpace
    objectives: tuple[str, ...]
    budgets: Mapping[str, float]
    device: str | None
    proxy: TrainingSettings | None
    enqueue: tuple[Design, ...]
    left_out: tuple[str, ...] = ()
    samples: int = 0

    def about(self) -> dict[str, Any]:
        """Return what every trial of the study shares, as JSON; two of them compare or do not."""
        return {
            "space": {"name": self.space.name, "digest": self.space.digest()},
            "objectives": list(self.objectives),
            "budgets": dict(self.budgets),
            "device": self.device,
            "proxy": self.proxy.identity() if self.proxy else None,
        }


def shipped_configs() -> list[str]:
    """Return the names of the configs that come with Walkbench."""
    folder = files("studies") / "configs"
    names = (path.name for path in folder.iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))


def load_config(name_or_path: str | Path) -> StudyConfig:
    """Read a shipped config by name, or a TOML file; raises :class:`WalkbenchError`."""
    path, shipped = Path(name_or_path), shipped_configs()
    if str(name_or_path) in shipped:
        resource = files("studies") / "configs" / f"{name_or_path}.toml"
        return parse_config(resource.read_text("utf-8"), f"{name_or_path}.toml")
    if path.suffix != ".toml" and not path.is_file():
        raise_unknown("study config", str(name_or_path), shipped)
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise WalkbenchError(f"study config {path}: {reason}; name a readable file") from None
    return parse_config(text, path.name, path.parent)


def parse_config(text: str, where: str = "config", folder: Path | None = None) -> StudyConfig:
    """Read a config from TOML text; paths in it are relative to ``folder``.

    Raises :class:`WalkbenchError` with the offending value and what is allowed.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WalkbenchError(f"{where} is not TOML: {error}") from None
    unknown = sorted(set(data) - set(_TABLES))
    if unknown:
        raise WalkbenchError(f"{where} has no table {unknown[0]!r}; it has {', '.join(_TABLES)}")
    tables = {name: ConfigTable(where, name, data.get(name, {})) for name in _TABLES}
    study = tables["study"]
    name = study.text("name")
    trials = study.whole("trials", least=1)
    seed = study.whole("seed", 0, least=0)
    sampler = study.choice("sampler", SAMPLERS, "tpe")
    storage = study.text("storage", None)
    study.done()
    objectives = _objectives(tables["objectives"])
    budgets = _budgets(tables["budgets"])
    device = _device(tables["device"], {*objectives, *budgets})
    space = _space(tables["space"], folder)
    samples = tables["proxy"].whole("samples", 0, least=0)
    proxy = _proxy(tables["proxy"], space, folder) if "proxy_loss" in objectives else None
    if samples and proxy is not None and not proxy.data.drawable:
        raise WalkbenchError(f"{where}: [proxy] samples draws pictures; leave it out with latents")
    if proxy is None and "proxy" in data:
        raise WalkbenchError(
            f"{where}: [proxy] has no effect without the objective proxy_loss; "
            "add the objective or remove the table"
        )
    if sampler == "gp" and budgets and proxy:
        raise WalkbenchError(
            f"{where}: sampler 'gp' does not see candidates over budget, which are never trained, "
            "and would ask for them again and again; use 'tpe' or remove [budgets]"
        )
    enqueue, left_out = _enqueue(tables["enqueue"], space, folder)
    return StudyConfig(
        name, trials, seed, sampler, storage, space, objectives, budgets, device, proxy,
        enqueue, left_out, samples,
    )  # fmt: skip


def _objectives(table: ConfigTable) -> tuple[str, ...]:
    names = table.take("minimise")
    table.done()
    allowed = f"a list of {', '.join(OBJECTIVES)}"
    if not isinstance(names, list) or not names or any(n not in OBJECTIVES for n in names):
        raise table.bad("minimise", allowed)
    if len(set(names)) != len(names):
        raise table.bad("minimise", f"{allowed}, each once,")
    return tuple(names)


def _budgets(table: ConfigTable) -> dict[str, float]:
    limits = {name: table.positive(name, None) for name in BUDGETS}
    table.done()
    return {name: limit for name, limit in limits.items() if limit is not None}


def _device(table: ConfigTable, used: set[str]) -> str | None:
    name: str | None = table.text("name", None)
    table.done()
    if name is not None:
        chip_of(name)  # raises, naming the nearest one
    elif "latency_ms" in used:
        raise WalkbenchError(
            f'{table.where}: latency_ms needs a device; add [device] name = "iPhone 16 Pro"'
        )
    return name


def _space(table: ConfigTable, folder: Path | None) -> SearchSpace:
    name, path, fix = table.text("name", None), table.text("path", None), table.take("fix", {})
    table.done()
    if (name is None) == (path is None):
        raise WalkbenchError(f"{table.where}: [space] needs either name or path")
    if not isinstance(fix, dict):
        raise table.bad("fix", "a table [space.fix] of axis = value")
    space = SearchSpace.load(name if path is None else (folder or Path()) / path)
    return space.fix(fix)


def _proxy(table: ConfigTable, space: SearchSpace, folder: Path | None) -> TrainingSettings:
    beta2 = table.positive("beta2", Recipe.betas[1])
    if beta2 >= 1:
        raise table.bad("beta2", "a number below 1")
    steps, seconds = table.whole("steps", None, least=1), table.positive("seconds", None)
    if (steps is None) == (seconds is None):
        raise WalkbenchError(
            f"{table.where}: [proxy] needs either steps (same result everywhere) or seconds"
        )
    settings = TrainingSettings(
        Budget(steps, seconds),
        width=table.whole("width", TrainingSettings.width, least=1),
        latent=table.whole("latent", TrainingSettings.latent, least=1),
        seed=table.whole("seed", TrainingSettings.seed, least=0),
        recipe=Recipe(
            batch=table.whole("batch", Recipe.batch, least=1),
            learning_rate=table.positive("learning_rate", Recipe.learning_rate),
            warm_up=table.whole("warm_up", Recipe.warm_up, least=0),
            betas=(Recipe.betas[0], beta2),
        ),
        data=_data(table, folder or Path()),
        compute=Compute(
            device=table.text("torch_device", Compute.device),
            precision=table.choice("precision", PRECISIONS, Compute.precision),
            compiled=table.flag("compile", Compute.compiled),
            accumulate=table.flag("accumulate", Compute.accumulate),
        ),
    )
    table.done()
    try:
        twin(space.base, settings.width, settings.latent)
        if settings.data.is_shapes:
            shapes("train", 1, settings.latent)
    except WalkbenchError as error:
        raise WalkbenchError(f"{table.where}: [proxy] {error}") from None
    return settings


def _data(table: ConfigTable, folder: Path) -> DataSource:
    named, images, latents = (table.text(key, None) for key in ("data", "images", "latents"))
    try:
        return DataSource(
            named,
            None if images is None else str(folder / images),
            None if latents is None else str(folder / latents),
            table.text("vae", None),
        )
    except WalkbenchError as error:
        raise WalkbenchError(f"{table.where}: [proxy] {error}") from None


def _enqueue(
    table: ConfigTable, space: SearchSpace, folder: Path | None
) -> tuple[tuple[Design, ...], tuple[str, ...]]:
    """Return the designs to evaluate first and a line about each one outside the space."""
    listed, strict = table.take("designs", None), table.flag("strict", True)
    table.done()
    if listed is None:
        named = all_named().items()
        designs = [Design(name, spec) for name, spec in named if spec in space]
        return _without_twins(designs), ()
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise table.bad("designs", "a list of names or JSON files of specs")
    inside, outside = [], []
    for name in listed:
        is_file = name.endswith(".json") and name not in all_named()
        spec = load_spec(str((folder or Path()) / name) if is_file else name)
        try:
            space.params_of(spec)
            inside.append(Design(name, spec))
        except OutsideSpace as error:
            outside.append(f"{name}: {error}")
    if outside and strict:
        more = f" (and {len(outside) - 1} more)" if len(outside) > 1 else ""
        raise WalkbenchError(
            f"{table.where}: [enqueue] {outside[0]}{more}; widen the space, remove the design, "
            "or leave such designs out with strict = false"
        )
    return _without_twins(inside), tuple(outside)


def _without_twins(designs: list[Design]) -> tuple[Design, ...]:
    """Drop later names of one design: snapgen-imagenet is the last step of family F."""
    first: dict[str, Design] = {}
    for design in designs:
        first.setdefault(design.spec.digest(), design)
    return tuple(first.values())
