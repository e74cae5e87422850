r"""A study's config: the space, the objectives, the budgets, the device, and how twins are trained.

A TOML file, checked when it is read: an unknown table, key or device and a value out of range are
errors before anything runs. `docs/studies.md` lists every key.

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

from latency_db.source import LatencySource
from latency_db.sources import source_of
from proxies.data.dataset import shapes
from proxies.training_run import TrainingSettings
from proxies.twin import twin
from search_space.design_space import DesignSpace
from search_space.errors import WalkbenchError, raise_unknown
from search_space.load import load_network
from search_space.load_space import load_space
from search_space.network import Network
from search_space.picture_space import PictureSpace
from search_space.presets import all_named, all_pictures
from search_space.space import OutsideSpace
from studies.candidate import trained_parts
from studies.config_table import ConfigTable
from studies.metrics import METRICS, all_metrics, budget_names
from studies.records import Revisions, StudyRecord
from studies.rungs import Rung, read_rungs
from studies.samplers import SAMPLERS
from studies.settings import build, keys_of, read_one_of, read_table
from studies.shipped import shipped_configs
from studies.sought import Sought

_TABLES = ("study", "space", "objectives", "budgets", "device", "proxy", "recipe", "enqueue")
_RUNG = "rung"  # a list of tables


@dataclass(frozen=True)
class NamedDesign:
    """A design to evaluate first: its name, or the file it came from, and its spec."""

    name: str
    spec: Network


@dataclass(frozen=True)
class StudyConfig:
    """One study, checked. ``left_out`` says which designs to enqueue lie outside the space.

    ``tables`` are measured latency tables, names or paths. ``samples`` is how many pictures each
    trained twin draws; it changes no score, so it is no part of what trials share. ``rungs`` are
    how designs are trained, one for a study without ``[[rung]]`` and none for one that trains
    nothing; ``proxy`` are the settings of the highest.
    """

    name: str
    trials: int
    seed: int
    sampler: str
    storage: str | None
    space: DesignSpace
    objectives: tuple[str, ...]
    budgets: Mapping[str, float]
    device: str | None
    tables: tuple[str, ...]
    proxy: TrainingSettings | None
    enqueue: tuple[NamedDesign, ...]
    left_out: tuple[str, ...] = ()
    samples: int = 0
    rungs: tuple[Rung, ...] = ()

    @property
    def trains(self) -> bool:
        """Whether an objective needs training."""
        return any(METRICS.get(name).stage == "trained" for name in self.objectives)

    def latency_source(self) -> LatencySource | None:
        """Return what prices designs on the study's device; None for a study without a device."""
        if self.device is None and not self.tables:
            return None
        return source_of(self.device, self.tables)

    def sought(self, latency: LatencySource | None) -> Sought:
        """Return what a sampler may know of the study when ``latency`` prices it."""
        return Sought(self.space, self.objectives, self.budgets, latency, self.seed)

    def shared(self, latency: LatencySource | None) -> StudyRecord:
        """Return what every trial of the study shares when ``latency`` prices it."""
        return StudyRecord(
            space=self.space.name,
            space_digest=self.space.digest(),
            space_content=self.space.to_dict(),
            objectives=self.objectives,
            budgets=self.budgets,
            device=self.device or (latency.device if latency else None),
            latency_by=latency.name if latency else None,
            proxy=self.proxy.identity() if self.proxy else None,
            rungs=tuple(rung.to_dict() for rung in self.rungs) if len(self.rungs) > 1 else (),
            revisions=(
                Revisions(
                    latency=latency.revision if latency else None,
                    proxy=self.proxy.digest() if self.proxy else None,
                ),
            ),
        )


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
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise WalkbenchError(f"{where} is not TOML: {error}") from None
    names = (*_TABLES, _RUNG)
    unknown = sorted(set(data) - set(names))
    if unknown:
        raise WalkbenchError(f"{where} has no table {unknown[0]!r}; it has {', '.join(names)}")
    tables = {name: ConfigTable(where, name, data.get(name, {})) for name in _TABLES}
    steps = _rung_tables(where, data.get(_RUNG, []))
    study = tables["study"]
    name = study.text("name")
    trials = study.whole("trials", least=1)
    seed = study.whole("seed", 0, least=0)
    sampler = study.choice("sampler", SAMPLERS.names(), "tpe")
    storage = study.text("storage", None)
    study.done()
    objectives = _objectives(tables["objectives"])
    budgets = _budgets(tables["budgets"])
    device, latency_tables = _device(tables["device"], {*objectives, *budgets}, folder)
    space = _space(tables["space"], folder)
    samples = tables["proxy"].whole("samples", 0, least=0)
    trained = [name for name in objectives if METRICS.get(name).stage == "trained"]
    if "recipe" in data and trained:
        _take_recipe(tables["recipe"], tables["proxy"], folder)
    rungs = _rungs(tables["proxy"], steps, space, folder) if trained else ()
    proxy = rungs[-1].settings if rungs else None
    if samples and proxy is not None and not proxy.data.drawable:
        raise WalkbenchError(f"{where}: [proxy] samples draws pictures; leave it out with latents")
    for unused in ("proxy", "recipe", _RUNG):
        if proxy is None and unused in data:
            needing = ", ".join(m.name for m in all_metrics() if m.stage == "trained")
            raise WalkbenchError(
                f"{where}: [{unused}] has no effect without an objective that is trained "
                f"({needing}); add one or remove the table"
            )
    if len(rungs) > 1 and sampler == "gp":
        raise WalkbenchError(
            f"{where}: sampler 'gp' takes losses of all rungs for those of one; use 'greybox', "
            "'tpe', 'nsga2' or 'random' with [[rung]]"
        )
    if SAMPLERS.get(sampler).repeats_unseen and budgets and proxy:
        raise WalkbenchError(
            f"{where}: sampler {sampler!r} does not see candidates over budget, which are never "
            "trained, and would suggest them again and again; use 'tpe' or remove [budgets]"
        )
    enqueue, left_out = _enqueue(tables["enqueue"], space, folder)
    return StudyConfig(
        name, trials, seed, sampler, storage, space, objectives, budgets, device, latency_tables,
        proxy, enqueue, left_out, samples, rungs,
    )  # fmt: skip


def _objectives(table: ConfigTable) -> tuple[str, ...]:
    """Return the objectives, minimised ones first; each stands under the goal of its metric."""
    names: list[str] = []
    for goal in ("minimise", "maximise"):
        allowed = [metric.name for metric in all_metrics() if metric.goal == goal]
        listed = table.take(goal, [])
        words = f"a list of {', '.join(allowed) or 'metrics (none has this goal)'}"
        if not isinstance(listed, list) or any(name not in allowed for name in listed):
            raise table.bad(goal, words)
        if len(set(listed)) != len(listed):
            raise table.bad(goal, f"{words}, each once,")
        names += listed
    table.done()
    if not names:
        allowed = [metric.name for metric in all_metrics() if metric.goal == "minimise"]
        raise table.bad("minimise", f"a list of {', '.join(allowed)}")
    return tuple(names)


def _budgets(table: ConfigTable) -> dict[str, float]:
    limits = {name: table.positive(name, None) for name in budget_names()}
    table.done()
    return {name: limit for name, limit in limits.items() if limit is not None}


def _device(
    table: ConfigTable, used: set[str], folder: Path | None
) -> tuple[str | None, tuple[str, ...]]:
    """Return the device and the measured tables that price designs on it."""
    name: str | None = table.text("name", None)
    listed = table.take("table", [])
    table.done()
    listed = [listed] if isinstance(listed, str) else listed
    if not isinstance(listed, list) or not all(isinstance(one, str) and one for one in listed):
        raise table.bad("table", "the name or path of a latency table, or a list of these,")
    tables = tuple(_beside(one, folder) for one in listed)
    if name is not None or tables:
        source_of(name, tables)  # raises for what is unknown or does not fit together
        return name, tables
    looked_up = sorted(n for n in used if METRICS.get(n).stage == "lookup")
    if looked_up:
        raise WalkbenchError(
            f'{table.where}: {looked_up[0]} needs a device; add [device] name = "iPhone 16 Pro"'
        )
    return None, ()


def _beside(table: str, folder: Path | None) -> str:
    """Return the path of a table beside the config; a shipped table keeps its name."""
    path = (folder or Path()) / table
    return str(path) if path.exists() else table


def _space(table: ConfigTable, folder: Path | None) -> DesignSpace:
    name, path, fix = table.text("name", None), table.text("path", None), table.take("fix", {})
    table.done()
    if (name is None) == (path is None):
        raise WalkbenchError(f"{table.where}: [space] needs either name or path")
    if not isinstance(fix, dict):
        raise table.bad("fix", "a table [space.fix] of axis = value")
    space: DesignSpace = load_space(name if path is None else (folder or Path()) / path)
    return space.fix(fix)


def _rung_tables(where: str, listed: object) -> list[ConfigTable]:
    if not isinstance(listed, list):
        raise WalkbenchError(f"{where}: rung is {listed!r}; tables [[rung]] are needed, one a rung")
    return [ConfigTable(where, f"rung {i}", entry) for i, entry in enumerate(listed, start=1)]


def _take_recipe(recipe: ConfigTable, proxy: ConfigTable, folder: Path | None) -> None:
    """Make the training method of [recipe] the objective of ``proxy``."""
    if "objective" in proxy.data:
        raise WalkbenchError(
            f"{proxy.where}: [recipe] and [proxy] objective both name a training method; give one"
        )
    key = next(key for key in keys_of(TrainingSettings) if key.name == "objective")
    read_one_of(key, recipe.data, recipe.where, "recipe", folder)  # its errors name [recipe]
    proxy.data = {**proxy.data, "objective": recipe.data}


def _rungs(
    table: ConfigTable, steps: list[ConfigTable], space: DesignSpace, folder: Path | None
) -> tuple[Rung, ...]:
    """Return how designs are trained: on the rungs of ``steps``, or on one as [proxy] says."""
    given = read_table(TrainingSettings, table, folder)
    table.done()
    where = table.where
    if steps and {"steps", "seconds"} & set(given):
        raise WalkbenchError(
            f"{where}: [[rung]] says how long twins train; leave it out of [proxy]"
        )
    if not steps and ("steps" in given) == ("seconds" in given):
        raise WalkbenchError(
            f"{where}: [proxy] needs either steps (same result everywhere) or seconds"
        )
    try:
        settings = build(TrainingSettings, {"steps": 1, **given} if steps else given)
    except WalkbenchError as error:
        raise WalkbenchError(f"{where}: [proxy] {error}") from None
    rungs = read_rungs(steps, settings) if steps else (Rung(settings),)
    names = [one.name for one in steps] or ["proxy"]
    for name, rung in zip(names, rungs, strict=True):
        try:
            for part in trained_parts(space.base):
                twin(part, rung.settings.width, rung.settings.latent)
            if rung.settings.data.is_shapes:
                shapes("train", 1, rung.settings.latent)
        except WalkbenchError as error:
            raise WalkbenchError(f"{where}: [{name}] {error}") from None
    return rungs


def _enqueue(
    table: ConfigTable, space: DesignSpace, folder: Path | None
) -> tuple[tuple[NamedDesign, ...], tuple[str, ...]]:
    """Return the designs to evaluate first and a line about each one outside the space."""
    listed, strict = table.take("designs", None), table.flag("strict", True)
    table.done()
    if listed is None:
        named: Mapping[str, Network] = all_named()
        if isinstance(space, PictureSpace):
            named = all_pictures()
        designs = [NamedDesign(name, spec) for name, spec in named.items() if spec in space]
        return _distinct(designs), ()
    if not isinstance(listed, list) or not all(isinstance(name, str) for name in listed):
        raise table.bad("designs", "a list of names or JSON files of specs")
    inside, outside = [], []
    for name in listed:
        is_file = name.endswith(".json") and name not in all_named()
        spec = load_network(str((folder or Path()) / name) if is_file else name)
        try:
            space.params_of(spec)
            inside.append(NamedDesign(name, spec))
        except OutsideSpace as error:
            outside.append(f"{name}: {error}")
    if outside and strict:
        more = f" (and {len(outside) - 1} more)" if len(outside) > 1 else ""
        raise WalkbenchError(
            f"{table.where}: [enqueue] {outside[0]}{more}; widen the space, remove the design, "
            "or leave such designs out with strict = false"
        )
    return _distinct(inside), tuple(outside)


def _distinct(designs: list[NamedDesign]) -> tuple[NamedDesign, ...]:
    """Drop later names of one design: snapgen-imagenet is the last step of family F."""
    first: dict[str, NamedDesign] = {}
    for design in designs:
        first.setdefault(design.spec.digest(), design)
    return tuple(first.values())
