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

from studies.cli import latency_estimate, latency_export, latency_read
from studies.cli.output import Column, Format, FormatOption, count, decimals, emit, err, shortened

SpaceOption = Annotated[str | None, typer.Option("--space", help="A shipped space or a TOML file.")]
SpecOption = Annotated[
    list[str] | None, typer.Option("--spec", help="A named spec or a JSON file; repeatable.")
]
SamplesOption = Annotated[int, typer.Option(help="Designs drawn from the space.", min=0)]
SeedOption = Annotated[int, typer.Option(help="The same seed draws the same designs.")]
NarrowOption = Annotated[
    int | None, typer.Option("--narrow", help="Shrink widths so that 256 becomes this many.")
]
LatentOption = Annotated[int | None, typer.Option("--latent", help="Latent size instead of 128.")]
BackendOption = Annotated[
    str, typer.Option("--backend", help="onnxruntime, torch, coreml or coreml-iphone.")
]


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
        Column("key", "block", shortened),
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


def measure(
    out: Annotated[Path, typer.Argument(help="The table to write, a CSV.")],
    backend: BackendOption = "onnxruntime",
    space: SpaceOption = None,
    spec: SpecOption = None,
    samples: SamplesOption = 0,
    networks: Annotated[
        int, typer.Option(help="Also time this many of the sampled designs whole.", min=0)
    ] = 0,
    seed: SeedOption = 0,
    narrow: NarrowOption = None,
    latent: LatentOption = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the table's run.")] = False,
    passes: Annotated[int, typer.Option(help="Visits to every block.", min=1)] = 5,
    rounds: Annotated[int, typer.Option(help="Turns of both chains in a visit.", min=1)] = 10,
    chain: Annotated[
        tuple[int, int] | None, typer.Option(help="Copies in the two graphs of a block, N1 N2.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda; a phone's name.")] = None,
    threads: Annotated[int | None, typer.Option(help="Threads on a CPU.", min=1)] = None,
    batch: Annotated[int | None, typer.Option(help="Batch size.", min=1)] = None,
    precision: Annotated[str | None, typer.Option(help="fp32, fp16 or bf16.")] = None,
    optimise: Annotated[
        str | None, typer.Option(help="ONNX Runtime: none, basic, extended or all.")
    ] = None,
    units: Annotated[
        str | None, typer.Option(help="Core ML: all, cpu-and-ne, cpu-and-gpu or cpu.")
    ] = None,
    layout: Annotated[str | None, typer.Option(help="Core ML: standard or ane.")] = None,
    target: Annotated[str | None, typer.Option(help="Core ML: ios17 or ios18.")] = None,
    team: Annotated[
        str | None, typer.Option(help="Apple development team, to sign the test app.")
    ] = None,
    workers: Annotated[
        int, typer.Option(help="Processes that make graphs ready beforehand.", min=1)
    ] = 1,
) -> None:
    """Measure blocks (and whole networks) on a device into a table; a killed run can resume."""
    from latency_db.backends.backend import backend_of
    from latency_db.backends.prepare import prepare_graphs
    from latency_db.builder import Effort, measure
    from latency_db.builder_designs import designs, subjects
    from search_space.errors import WalkbenchError
    from studies.cli.latency_progress import MeasureProgress

    samples = max(samples, networks)
    chosen = designs(spec or (), space, samples, seed, narrow, latent)
    if networks and not chosen.sampled:
        raise WalkbenchError("--networks are drawn from a space; name it with --space")
    listed = subjects(chosen, chosen.sampled[:networks])
    options = {
        "device": device,
        "threads": threads,
        "batch": batch,
        "precision": precision,
        "optimise": optimise,
        "units": units,
        "layout": layout,
        "target": target,
        "team": team,
    }
    made = backend_of(backend, **options)
    effort = Effort(passes, rounds, copies=chain)
    try:
        with MeasureProgress(err) as progress:
            if workers > 1:
                prepare_graphs(listed, backend, options, effort, workers, progress.preparing)
            outcome = measure(listed, made, out, effort, resume=resume, progress=progress.visited)
    finally:
        made.close()
    for key, reason in outcome.skipped.items():
        err.print(f"[yellow]skipped[/yellow] {key}: {reason}", soft_wrap=True)
    for key, planned in outcome.fallbacks.items():
        err.print(f"[bold red]not on the Neural Engine[/bold red] {key}: {planned}", soft_wrap=True)
    resumed = f", {outcome.resumed} found done" if outcome.resumed else ""
    err.print(f"{outcome.measured} visits measured{resumed}; table {out}")


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
    for module in (latency_read, latency_export, latency_estimate):
        module.register(group)
    app.add_typer(group, name="latency")
