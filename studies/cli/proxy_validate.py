"""`walkbench proxy validate`: does short training rank designs like long training does?

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["proxy", "validate", "no-study", "--report"]).exit_code
2
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from proxies.compute import Compute
from proxies.data.source import DataSource
from proxies.recipe import Recipe
from proxies.training_run import TrainingSettings
from search_space.errors import WalkbenchError
from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.cli.phases import Phases
from studies.cli.proxy_data import side_of
from studies.formats import count, percent
from studies.settings import build, with_settings


@with_settings(TrainingSettings, without=("steps", "seconds", "seed"))
def validate(
    folder: Annotated[Path, typer.Argument(help="Folder of the study.")],
    *,
    space: Annotated[str, typer.Option(help="A shipped space or a TOML file.")] = "pocket",
    designs: Annotated[int, typer.Option(help="Number of designs drawn from the space.")] = 32,
    strata: Annotated[int, typer.Option(help="Latency bands with equal numbers of designs.")] = 4,
    short: Annotated[int, typer.Option(help="Steps of a short run.")] = 400,
    short_latent: Annotated[
        int | None, typer.Option(help="Picture side of short runs, if different.")
    ] = None,
    short_batch: Annotated[
        int | None, typer.Option(help="Pictures per step of short runs, if different.")
    ] = None,
    long: Annotated[int, typer.Option(help="Steps of a long run.")] = 4000,
    seeds: Annotated[int, typer.Option(help="Runs of each length and design.")] = 3,
    walk: Annotated[
        str | None, typer.Option(help="Also train the design walk of this family: M or F.")
    ] = None,
    walk_steps: Annotated[
        int | None, typer.Option(help="Steps of a walk run; as many as a long run by default.")
    ] = None,
    sample_seed: Annotated[int, typer.Option(help="Seed of the sample of designs.")] = 0,
    device: Annotated[
        str, typer.Option(help="Device whose latency defines the bands.")
    ] = "iPhone 15 Pro",
    given: dict[str, Any],
    long_from: Annotated[
        Path | None,
        typer.Option(
            "--long-from", help="Reuse the long runs of this study; its short runs may differ."
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="Runs that train at once.", min=1)] = 1,
    engine: Annotated[
        str, typer.Option(help="Engine that trains the runs: serial, processes.")
    ] = "processes",
    report: Annotated[
        bool, typer.Option("--report", help="Report finished runs without training.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Also write the plots as an HTML page.")] = None,
    format: FormatOption = Format.table,
) -> None:
    """Train a sample of designs short and long under several seeds, and compare the ranks.

    The sample is drawn within latency bands and written before anything is trained. The same
    command continues a study that was stopped; --report reads its finished runs.
    """
    from studies.figures.proxy_validation import write_validation
    from studies.proxy_validation.baselines import kept_baselines, read_baselines
    from studies.proxy_validation.plan import keep_plan, load_plan, make_plan
    from studies.proxy_validation.report import report as report_of
    from studies.proxy_validation.reuse import take_long_runs
    from studies.proxy_validation.runs import results_of, train

    if report:
        plan = load_plan(folder)
    else:
        source = build(DataSource, given)
        plan = make_plan(
            space,
            designs=designs,
            strata=strata,
            short=short,
            long=long,
            seeds=seeds,
            sample_seed=sample_seed,
            device=device,
            walk=walk,
            walk_steps=walk_steps,
            width=given.get("width", TrainingSettings.width),
            latent=side_of(source, given.get("latent")),
            recipe=build(Recipe, given),
            data=source,
            short_latent=short_latent,
            short_batch=short_batch,
            compute=build(Compute, given),
        )
        with _kept_in(folder), Phases(err) as progress:
            if long_from is not None:
                taken = take_long_runs(plan, folder, long_from)
                err.print(f"{taken} runs taken from {long_from}", style="dim", soft_wrap=True)
            keep_plan(plan, folder)
            kept_baselines(plan, folder, progress.phase("baselines"))
            train(plan, folder, workers, progress.phase("training steps"), engine)
    found = report_of(plan, results_of(plan, folder), read_baselines(folder))
    if html is not None:
        write_validation(found, html)
        err.print(f"plots: {html}", soft_wrap=True)
    _show(found, format)


@contextmanager
def _kept_in(folder: Path) -> Iterator[None]:
    """Turn an error of the disk into one line."""
    try:
        yield
    except OSError as error:
        raise WalkbenchError(
            f"study {str(folder)!r}: {error}; what was finished is kept: make room and run it "
            "again, or name another folder"
        ) from None


def _show(found: Mapping[str, Any], format: Format) -> None:
    if format is Format.json:
        emit(found, format)
    elif format is Format.csv:
        emit(found["rows"], format)
    else:
        from studies.proxy_validation.lines import lines

        said = lines(found["summary"])
        emit(dict(said), format, [Column(heading, heading) for heading, _ in said])
        if found["walk"] is not None:
            title = f"design walk, {found['walk']['seeds']} seeds, {found['walk']['steps']} steps"
            emit(found["walk"]["changes"], format, WALK, title)
            emit(found["walk"]["one_percent"], format, ONE_PERCENT, "to show a difference of 1 %")


ONE_PERCENT = [
    Column("steps", "steps", count, right=True),
    Column("deviation", "spread of a difference", percent, right=True),
    Column("seeds", "seeds", count, right=True),
]
WALK = [
    Column("after", "step"),
    Column("relative", "change in loss", percent, right=True),
    Column("low", "from", percent, right=True),
    Column("high", "to", percent, right=True),
    Column("verdict", "verdict"),
]


def register(group: typer.Typer) -> None:
    """Add the command to ``group``."""
    group.command()(validate)
