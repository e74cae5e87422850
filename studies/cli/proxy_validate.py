"""`walkbench proxy validate`: does short training rank designs like long training does?

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["proxy", "validate", "no-study", "--report"]).exit_code
2
"""

from pathlib import Path
from typing import Annotated

import typer

from studies.cli.output import Format, FormatOption, err


def validate(
    folder: Annotated[Path, typer.Argument(help="Where the study is kept.")],
    space: Annotated[str, typer.Option(help="A shipped space or a TOML file.")] = "pocket",
    designs: Annotated[int, typer.Option(help="Designs drawn from the space.")] = 32,
    strata: Annotated[int, typer.Option(help="Bands of latency, equally full.")] = 4,
    short: Annotated[int, typer.Option(help="Steps of a short run.")] = 80,
    long: Annotated[int, typer.Option(help="Steps of a long run.")] = 800,
    seeds: Annotated[int, typer.Option(help="Runs of each length and design.")] = 3,
    walk: Annotated[
        str | None, typer.Option(help="Also train the design walk of this family: M or F.")
    ] = None,
    walk_steps: Annotated[
        int | None, typer.Option(help="Steps of a run of the walk; as a long run if left out.")
    ] = None,
    sample_seed: Annotated[int, typer.Option(help="Another seed draws other designs.")] = 0,
    device: Annotated[str, typer.Option(help="Whose latency makes the bands.")] = "iPhone 15 Pro",
    width: Annotated[int, typer.Option(help="What 256 channels become in the twin.")] = 16,
    latent: Annotated[int, typer.Option(help="Side of the pictures in pixels.")] = 24,
    workers: Annotated[int, typer.Option(help="Processes, one CPU thread each.")] = 1,
    report: Annotated[
        bool, typer.Option("--report", help="Train nothing, report what the folder holds.")
    ] = False,
    html: Annotated[Path | None, typer.Option(help="Also write the plots as a page.")] = None,
    format: FormatOption = Format.table,
) -> None:
    """Train a sample of designs short and long under several seeds, and compare the ranks.

    The sample is drawn within latency bands and written down before anything is trained. A study
    that was stopped goes on when the same command is given again; --report reads what is there.
    """
    from studies.proxy_validation.plan import keep_plan, load_plan, make_plan
    from studies.proxy_validation.runs import train

    if report:
        plan = load_plan(folder)
    else:
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
            width=width,
            latent=latent,
        )
        keep_plan(plan, folder)
        train(plan, folder, workers)
