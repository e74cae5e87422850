"""The reference of config keys, made from the settings dataclasses and the registries."""

import dataclasses
from collections.abc import Iterator
from typing import Any

from mkdocs.structure.files import File, Files

PAGE = "reference/config.md"


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the page."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """Return the page as Markdown."""
    from proxies.objectives import OBJECTIVES
    from proxies.training_run import TrainingSettings
    from studies.samplers import SAMPLERS

    lines = [
        "# Config keys",
        "",
        "Made from the program when the site is built. [Studies](../studies.md) says what the "
        "tables `[study]`, `[space]`, `[device]`, `[[rung]]` and `[enqueue]` hold.",
        "",
        "## [study] sampler",
        "",
        ", ".join(f"`{name}`" for name in SAMPLERS.names()),
        "",
        "## [objectives] and [budgets]",
        "",
        *_metrics(),
        "## [proxy]",
        "",
        "The options of `walkbench proxy run` have the same names and defaults.",
        "",
        *_keys(TrainingSettings),
    ]
    for kind in OBJECTIVES.names():
        lines += [f"### objective {kind}", "", _first(OBJECTIVES.get(kind)), ""]
        lines += _keys(OBJECTIVES.get(kind))
    lines += ["## Axes of a space", "", *_spaces(), "## train.yaml", "", *_train()]
    return "\n".join(lines) + "\n"


def _metrics() -> Iterator[str]:
    from studies.metrics import all_metrics

    yield from ["| metric | is | unit | goal | known |", "|---|---|---|---|---|"]
    known = {"free": "exactly, at once", "lookup": "from the device", "trained": "after training"}
    for metric in all_metrics():
        words = (f"`{metric.name}`", metric.title, metric.unit, metric.goal, known[metric.stage])
        yield f"| {' | '.join(words)} |"
    yield ""


def _keys(settings: type[Any]) -> list[str]:
    from studies.settings import keys_of

    rows = []
    for key in keys_of(settings):
        kind = "name or table" if key.kind is dict else key.kind.__name__
        rows.append(_row(key.name, kind, key.setting, key.default, key.help))
    return _table(rows) if rows else ["No settings.", ""]


def _train() -> Iterator[str]:
    from proxies.setting import settings_of
    from proxies.train_config import TrainConfig

    yield from ["The recipe in every export, read by `walkbench train`.", ""]
    default = TrainConfig()
    for section in dataclasses.fields(default):
        values = getattr(default, section.name)
        yield from [f"### {section.name}", ""]
        rows = [
            _row(key, "", about, getattr(values, key), about.help)
            for key, about in settings_of(type(values))
        ]
        yield from _table(rows)


def _spaces() -> Iterator[str]:
    from search_space.space import SearchSpace, shipped_spaces

    yield from ["`[space.fix]` narrows them; `walkbench space show NAME` prints the same.", ""]
    for name in shipped_spaces():
        yield from [f"### {name}", "", "| axis | bounds |", "|---|---|"]
        for axis, bounds in SearchSpace.load(name).axes:
            yield f"| `{axis.name}` | {_cell(str(bounds))} |"
        yield ""


def _row(name: str, kind: str, about: Any, default: Any, text: str) -> str:
    if not text:
        raise ValueError(f"{name} has no help; give its setting some")
    if about.choices is not None:
        kind = f"one of {', '.join(about.choices())}"
    elif kind in ("int", "float"):
        kind = about.allowed(kind == "int")
    shown = "" if default is None else f"`{default}`"
    return f"| `{name}` | {_cell(kind)} | {_cell(shown)} | {_cell(text)} |"


def _table(rows: list[str]) -> list[str]:
    return ["| key | value | default | |", "|---|---|---|---|", *rows, ""]


def _first(thing: Any) -> str:
    return str(thing.__doc__ or "").strip().split("\n\n")[0].replace("\n", " ")


def _cell(text: str) -> str:
    return " ".join(str(text).replace("|", "\\|").replace("<", "&lt;").split())
