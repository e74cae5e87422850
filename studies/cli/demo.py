"""`walkbench demo`: from the design walk to a report in a few minutes, without a GPU.

Prints the walk, runs the shipped study `demo` with real training, writes a report, exports one
design and prints the commands to go on with. An interrupted demo resumes when run again.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["demo", "--trials", "0"]).exit_code
2
"""

import time
from pathlib import Path
from typing import Annotated

import typer

from search_space.errors import WalkbenchError
from studies.cli.next_command import next_command
from studies.cli.output import err
from studies.cli.study_options import StorageOption

CONFIG = "demo"


def demo(
    to: Annotated[
        Path, typer.Option("--to", metavar="FOLDER", help="Where the pages and the export go.")
    ] = Path("runs/demo"),
    storage: StorageOption = None,
    trials: Annotated[
        int | None, typer.Option(min=1, help="Trials in total; the config's number by default.")
    ] = None,
) -> None:
    """Walk, search, train, report, export: all of Walkbench in a few minutes."""
    from studies.cli.designs import print_designs
    from studies.cli.study_run import run_with_progress
    from studies.config import load_config
    from studies.export import export
    from studies.export_design import find_design
    from studies.reading import study_data
    from studies.report import write_report
    from studies.resume import OtherRevision, OtherStudy
    from studies.store import shown_url, storage_url
    from studies.summary import front_and_named, one_design

    began = time.monotonic()
    config = load_config(CONFIG)
    url = storage_url(storage, config.storage)
    _show_walk(to / "walk.html", config.device)
    try:
        run = run_with_progress(config, trials, url)
    except (OtherStudy, OtherRevision):
        raise WalkbenchError(
            f"{shown_url(url)} holds a study {config.name!r} of other settings, perhaps of an "
            "earlier version; name another file with --storage"
        ) from None
    study = study_data(run.study)
    write_report(study, to / "report.html")
    chosen = one_design(study)
    err.print(f"exporting trial {chosen.number}, the knee of the front, at half precision")
    design = find_design(str(chosen.number), config.name, url)
    exported = export(design, to / "export", dtype="fp16", overwrite=True)
    print_designs(study, front_and_named(study), "Pareto front, and named designs")
    print(f"walk       {to / 'walk.html'}")
    print(f"report     {to / 'report.html'}")
    print(f"export     {exported.folder}, the design of trial {chosen.number}, initial weights")
    print(f"storage    {shown_url(url)}")
    print(f"designs    {next_command('study', 'best', config.name, url=url)}")
    print(f"dashboard  {next_command('dashboard', url=url)}")
    print(f"train      {next_command('train', str(exported.folder), '--data', 'CACHE')}")
    print("           CACHE has latents of your pictures: walkbench data cache --help")
    err.print(f"{time.monotonic() - began:.0f} s in all", style="dim")


def _show_walk(path: Path, device: str | None) -> None:
    """Print the design walk of both families, and write its plot."""
    from studies.cli.walk import FamilyOption, walk

    walk(family=FamilyOption.both, device=device or "iPhone 15 Pro", html=path)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(demo)
