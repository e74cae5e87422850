"""`walkbench study`: run and list studies, show their progress and their designs.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["study", "list", "--storage", "nowhere.db"]).exit_code
2
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from studies.cli.designs import print_designs
from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.cli.study_importance import importance_command
from studies.cli.study_notes import notes_command
from studies.cli.study_options import NameArgument, StorageOption
from studies.cli.study_run import run_command, worker_command
from studies.cli.study_seeds import seeds_command

study = typer.Typer(help="Search a space for designs.", no_args_is_help=True)
study.command("run")(run_command)
study.command("worker")(worker_command)


@study.command("list")
def list_command(storage: StorageOption = None, format: FormatOption = Format.table) -> None:
    """List the studies of a storage."""
    from studies.reading import open_for_reading, read_names, read_study
    from studies.store import storage_url
    from studies.summary import study_line

    opened = open_for_reading(storage_url(storage))
    lines = [study_line(read_study(opened, name)) for name in read_names(opened)]
    if not lines and format is Format.table:
        err.print("no studies yet; `walkbench study run demo` creates one")
        return
    emit(lines, format, _LIST_COLUMNS)


@study.command("status")
def status_command(
    name: NameArgument, storage: StorageOption = None, format: FormatOption = Format.table
) -> None:
    """Show a study's progress: trials by outcome, budgets, front, failures."""
    from studies.summary import study_status

    emit(study_status(_open(name, storage)), format)


@study.command("best")
def best_command(
    name: NameArgument,
    everything: Annotated[
        bool, typer.Option("--all", help="Every trial, not the front alone.")
    ] = False,
    storage: StorageOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Show the Pareto front: designs within budget that no other design dominates."""
    from studies.summary import chosen_designs, design_rows

    study = _open(name, storage)
    found = chosen_designs(study, everything=everything)
    if format is not Format.table:
        emit(design_rows(study, found), format)
    elif found:
        print_designs(study, found, f"{'All trials' if everything else 'Pareto front'} of {name}")
    else:
        err.print(f"no trial of {name} is complete and within budget yet; see --all")


@study.command("show")
def show_command(
    name: NameArgument,
    analyses: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ANALYSIS]...", help="Such as overview or walk; all by default."),
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Show the report without its figures: overview, fronts, walk, progress, designs, settings."""
    from studies.analyses.card import cards
    from studies.cli.cards import print_card

    found = cards(_open(name, storage), analyses or None)
    if format is not Format.table:
        emit([card.to_dict() for card in found], format)
        return
    for card in found:
        print_card(card)
        print()


@study.command("design")
def design_command(
    name: NameArgument,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="Number of the trial.")],
    against: Annotated[
        str | None,
        typer.Option(metavar="NAME|TRIAL", help="A named design, or a trial, to compare with."),
    ] = None,
    storage: StorageOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Show one design: numbers, stages, latency by step, costs by part, training, provenance."""
    from studies.analyses.design import design_cards, reference
    from studies.cli.cards import print_card
    from studies.store import storage_url

    study = _open(name, storage)
    chosen = study.trial(trial)
    other = reference(study, against, chosen) if against is not None else None
    found = design_cards(study, chosen, storage_url(storage), other)
    if format is not Format.table:
        emit([card.to_dict() for card in found], format)
        return
    for card in found:
        print_card(card)
        print()


@study.command("samples")
def samples_command(
    name: NameArgument,
    trial: Annotated[int, typer.Argument(metavar="TRIAL", help="Number of the trial.")],
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The PNG file to write.")],
    storage: StorageOption = None,
) -> None:
    """Write the pictures that a trial's twin drew: the same prompts and noise for every trial."""
    from proxies.samples import writable_png
    from search_space.atomic import write_file
    from studies.gallery import read_grid
    from studies.store import storage_url

    study = _open(name, storage)
    png = read_grid(storage_url(storage), study.trial(trial), study.trials)
    write_file(writable_png(to), png)
    err.print(f"wrote {to}")


def _open(name: str, storage: str | None) -> Any:
    from studies.reading import open_for_reading, read_study
    from studies.store import storage_url

    return read_study(open_for_reading(storage_url(storage)), name)


_LIST_COLUMNS = [
    Column("study", "study"),
    Column("done", "done", right=True),
    Column("trials", "of", right=True),
    Column("over_budget", "over budget"),
    Column("failed", "failed"),
    Column("front", "front"),
    Column("objectives", "objectives", ", ".join),
    Column("space", "space", lambda name: name or "–", optional=True),
    Column("device", "device", lambda name: name or "–", optional=True),
    Column("last", "last trial", lambda date: (date or "–").replace("T", " ")),
]


study.command("importance")(importance_command)
study.command("seeds")(seeds_command)
study.command("notes")(notes_command)


def register(app: typer.Typer) -> None:
    """Add the group to ``app``."""
    app.add_typer(study, name="study")
