"""`walkbench latency`: plan, measure and import the latency table of a device.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> words = ["latency", "plan", "--spec", "sd15", "--format", "csv"]
>>> CliRunner().invoke(app, words).stdout.splitlines()[0]
'key,designs,uses,first_for,seconds'
"""

from pathlib import Path
from typing import Annotated

import typer

from studies.cli import (
    latency_anchors,
    latency_calibrate,
    latency_estimate,
    latency_export,
    latency_read,
    latency_validate,
)
from studies.cli.latency_options import (
    DEFAULTS,
    BackendOption,
    LatentOption,
    Measuring,
    NarrowOption,
    SamplesOption,
    SeedOption,
    SpaceOption,
    SpecOption,
    named_in,
    run_measurement,
    with_options,
)
from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.formats import count, decimals


def plan(
    space: SpaceOption = None,
    spec: SpecOption = None,
    samples: SamplesOption = 0,
    seed: SeedOption = 0,
    narrow: NarrowOption = None,
    latent: LatentOption = None,
    backend: BackendOption = "onnxruntime",
    format: FormatOption = Format.table,
) -> None:
    """List the blocks to measure, those that complete a design soonest first."""
    from latency_db.builder_designs import designs
    from latency_db.builder_plan import plan_blocks
    from latency_db.builder_time import seconds_by_block

    if space is not None and not spec and not samples:
        samples = 500  # enough to meet nearly every block of a small space; the title says how many
    chosen = designs(spec or (), space, samples, seed, narrow, latent)
    listed = plan_blocks(chosen.named, chosen.sampled)
    seconds = seconds_by_block([row.block for row in listed.blocks], backend)
    rows = [
        {
            "key": row.block.key,
            "designs": row.designs,
            "uses": row.uses,
            "first_for": row.first_for,
            "seconds": seconds[row.block],
        }
        for row in listed.blocks
    ]
    columns = [
        Column("key", "block"),
        Column("designs", "designs", count, right=True),
        Column("uses", "uses", count, right=True),
        Column("first_for", "first needed for"),
        Column("seconds", "s (rough)", decimals(1), right=True),
    ]
    emit(rows, format, columns)
    total = sum(seconds.values())
    summary = (
        f"{len(rows)} blocks for {len(chosen.named)} named and {len(chosen.sampled)} sampled "
        f"designs, about {total / 60:.0f} min on {backend}"
    )
    if chosen.sampled:  # without a sample nothing is known of other designs
        summary += f"; another design's block is on the list with a chance of {listed.seen:.1%}"
    err.print(summary, soft_wrap=True)


@with_options
def measure(
    out: Annotated[Path, typer.Argument(help="The table to write, a CSV.")],
    space: SpaceOption = None,
    spec: SpecOption = None,
    samples: SamplesOption = 0,
    networks: Annotated[
        int, typer.Option(help="Also time this many of the sampled designs whole.", min=0)
    ] = 0,
    whole: Annotated[
        bool, typer.Option("--whole", help="Also time the named designs whole.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the table's run.")] = False,
    how: Measuring = DEFAULTS,
) -> None:
    """Measure blocks (and whole networks) on a device into a table; a killed run can resume."""
    from latency_db.builder_designs import subjects
    from search_space.errors import WalkbenchError

    if networks and space is None:
        raise WalkbenchError("--networks are drawn from a space; name it with --space")
    chosen = named_in(spec, space, "measure", how, samples=max(samples, networks))
    timed_whole = [*chosen.sampled[:networks], *(chosen.named.values() if whole else ())]
    run_measurement(subjects(chosen, timed_whole), out, how, resume=resume)


def import_(
    file: Annotated[
        Path, typer.Argument(help="A table of Walkbench, or a CSV with key and times.")
    ],
    out: Annotated[Path, typer.Option("--out", help="The new table.")],
    device: Annotated[str | None, typer.Option(help="Where the file names none.")] = None,
    runtime: Annotated[str | None, typer.Option(help="Where the file names none.")] = None,
    precision: Annotated[str | None, typer.Option(help="Where the file names none.")] = None,
    units: Annotated[str | None, typer.Option(help="Compute units, where not named.")] = None,
) -> None:
    """Bring in a table measured elsewhere; every row is checked before any is written."""
    from latency_db.table import Table
    from latency_db.table_import import import_table

    given = {"device": device, "runtime": runtime, "precision": precision, "units_asked": units}
    rows = import_table(file, out, {k: v for k, v in given.items() if v})
    table = Table.load(out)
    err.print(f"{len(rows)} rows, {len(table.entries)} blocks of {table.device}; table {out}")


def register(app: typer.Typer) -> None:
    """Add the group to ``app``."""
    group = typer.Typer(
        help="Measure a device's latency table, check it, read it.", no_args_is_help=True
    )
    group.command()(plan)
    group.command()(measure)
    group.command("import")(import_)
    for module in (
        latency_read,
        latency_validate,
        latency_export,
        latency_estimate,
        latency_anchors,
        latency_calibrate,
    ):
        module.register(group)
    app.add_typer(group, name="latency")
