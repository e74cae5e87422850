"""`walkbench ablate`: what single choices of a design, or single steps of the walk, change.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> words = ["ablate", "--around", "F/mqa", "--space", "pocket", "--factors", "ff_ratio"]
>>> out = CliRunner().invoke(app, [*words, "--format", "csv"]).stdout
>>> out.splitlines()[0].split(",")[:3]
['change', 'before', 'after']
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from proxies.training_run import TrainingSettings
from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.formats import count, giga, millions, percent
from studies.settings import build, with_settings


@with_settings(TrainingSettings)
def ablate(
    given: dict[str, Any],
    around: Annotated[
        str | None, typer.Option(metavar="SPEC", help="A named design or JSON file: its choices.")
    ] = None,
    walk: Annotated[
        str | None, typer.Option(metavar="FAMILY", help="M or F: the steps of the design walk.")
    ] = None,
    order: Annotated[
        bool, typer.Option("--order", help="With --walk: each step's share over all orders.")
    ] = False,
    space: Annotated[
        str, typer.Option(help="The space whose axes --around changes, a name or TOML file.")
    ] = "snapgen",
    factors: Annotated[
        str | None,
        typer.Option(
            metavar="AXES",
            help="Axes to change, with commas; else all. recipe: how it is trained, with the "
            "teacher of --objective.",
        ),
    ] = None,
    device: Annotated[str, typer.Option(help="Phone or chip of the latency.")] = "iPhone 15 Pro",
    seeds: Annotated[int, typer.Option(min=2, help="Training seeds of every design.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Runs that train at once.")] = 1,
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder of unfinished runs, to go on from.")
    ] = None,
    format: FormatOption = Format.table,
) -> None:
    """Change one factor at a time and show what it does to latency, size and loss.

    With --around the factors are the axes of a space, with --walk the steps of the design walk,
    each forwards and backwards. Designs are trained only with --steps or --seconds: then a change
    of loss is REAL when its 95 % interval over seeds excludes zero.
    """
    from latency_db.sources import source_of
    from proxies.objectives import FlowMatching
    from search_space.errors import WalkbenchError
    from search_space.load import load_spec
    from search_space.space import SearchSpace
    from studies.ablation import RECIPE, along_walk, by_recipe, costs_of, with_losses
    from studies.ablation import around as around_design

    if (around is None) == (walk is None):
        raise WalkbenchError("ablate needs either --around SPEC or --walk FAMILY")
    if order and walk is None:
        raise WalkbenchError("--order is about the steps of the walk; add --walk F")
    if factors and around is None:
        raise WalkbenchError("--factors are axes of a space; they need --around SPEC")
    source = source_of(device)
    if order:
        _show_order(str(walk), source, format)
        return
    if walk is not None:
        ablation = along_walk(walk)
    elif factors == RECIPE:
        if not given.keys() & {"steps", "seconds"}:
            raise WalkbenchError("--factors recipe is about training; add --steps or --seconds")
        objective = given.get("objective", FlowMatching())
        ablation = by_recipe(load_spec(str(around)), objective)
    else:
        chosen = [name.strip() for name in factors.split(",")] if factors else None
        ablation = around_design(SearchSpace.load(space), load_spec(str(around)), chosen)
    effects = costs_of(ablation, source)
    if given.keys() & {"steps", "seconds"}:
        losses = _trained(ablation, build(TrainingSettings, given), seeds, workers, checkpoints)
        effects = with_losses(effects, losses)
    elif given:
        name = next(iter(given)).replace("_", "-")
        raise WalkbenchError(f"--{name} is about training; add --steps or --seconds")
    rows = [_row(effect) for effect in effects]
    trained = any(row["loss_delta"] is not None for row in rows)
    emit(rows, format, _columns(trained), ablation.title)
    if trained and format is Format.table:
        from studies.verdict import WORDS

        err.print(WORDS, style="dim", soft_wrap=True)


def _trained(
    ablation: Any, settings: Any, seeds: int, workers: int, checkpoints: Path | None
) -> Any:
    from proxies.trainer import check_ready
    from studies.ablation import train_ablation
    from studies.cli.phases import Phases
    from studies.engines import engine

    total, done = len(ablation.designs) * seeds, 0
    check_ready(settings)
    with Phases(err) as phases:
        told = phases.phase("training runs")

        def ended(label: str, seed: int, score: Any) -> None:
            nonlocal done
            done += 1
            told(done, total, f"{label}, seed {seed}")
            if not score.ok:
                err.print(f"{label}, seed {seed}: {score.failed}", soft_wrap=True)

        name = "serial" if workers == 1 else "processes"
        with engine(name, workers=workers, checkpoints=checkpoints) as running:
            return train_ablation(ablation, settings, seeds, running, ended)


def _row(effect: Any) -> dict[str, Any]:
    loss = effect.loss
    return {
        "change": effect.change.name,
        "before": effect.change.before,
        "after": effect.change.after,
        "latency_delta": effect.costs["latency_ms"],
        "params_delta": effect.costs["params"],
        "macs_delta": effect.costs["macs"],
        "loss_delta": loss and loss.relative,
        "loss_low": loss and loss.low,
        "loss_high": loss and loss.high,
        "verdict": loss and loss.verdict,
        "seeds": loss and loss.seeds,
    }


def _columns(trained: bool) -> list[Column]:
    columns = [
        Column("change", "change"),
        Column("latency_delta", "latency Δ", percent, right=True),
        Column("params_delta", "params Δ", percent, right=True),
        Column("macs_delta", "MACs Δ", percent, right=True),
    ]
    if trained:
        columns += [
            Column("loss_delta", "loss Δ", percent, right=True),
            Column("loss_low", "95 % from", percent, right=True),
            Column("loss_high", "to", percent, right=True),
            Column("verdict", "verdict", lambda word: word or "–"),
        ]
    return columns


def _show_order(family: str, source: Any, format: Format) -> None:
    """Show Shapley values beside the changes in the paper's order."""
    from dataclasses import asdict

    from studies.walk_order import walk_shares

    shares = walk_shares(family, source)
    if format is not Format.table:
        emit([asdict(share) for share in shares], format)
        return
    writers = {"latency_ms": _milliseconds, "params": millions, "macs": giga}
    titles = {"latency_ms": f"latency on {source.device}", "params": "parameters", "macs": "MACs"}
    for metric in dict.fromkeys(share.metric for share in shares):
        rows = [asdict(share) for share in shares if share.metric == metric]
        write = writers[metric]
        columns = [
            Column("step", "step"),
            Column("in_order", "in order", write, right=True),
            Column("mean", "over all orders", write, right=True),
            Column("least", "from", write, right=True),
            Column("most", "to", write, right=True),
        ]
        emit(rows, format, columns, f"Family {family}: what each step changes of {titles[metric]}")
    err.print(
        "over all orders: the Shapley value, the mean over every order of the steps; from, to: "
        f"after the sets of steps that make least and most of it; {count(512)} designs priced",
        style="dim",
        soft_wrap=True,
    )


def _milliseconds(value: Any) -> str:
    return f"{value:+,.1f} ms".replace("-", "−")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(ablate)
