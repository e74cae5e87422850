"""`walkbench latency export`: blocks as Core ML packages, on Linux or a Mac, checked and listed.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> words = ["latency", "export", "packages", "--target", "ios99"]
>>> CliRunner().invoke(app, words).exit_code
2
"""

from pathlib import Path
from typing import Annotated

import typer

from studies.cli.latency_options import (
    LatentOption,
    Measuring,
    NarrowOption,
    SamplesOption,
    SeedOption,
    SpaceOption,
    SpecOption,
    named_in,
)
from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.formats import count, decimals


def export(
    folder: Annotated[Path, typer.Argument(help="Where the packages and manifest.json go.")],
    space: SpaceOption = None,
    spec: SpecOption = None,
    samples: SamplesOption = 0,
    seed: SeedOption = 0,
    narrow: NarrowOption = None,
    latent: LatentOption = None,
    whole: Annotated[
        bool, typer.Option("--whole", help="Also convert the named designs whole, cut below 1 GB.")
    ] = False,
    copies: Annotated[
        list[int] | None, typer.Option("--copies", help="Copies in a graph; repeatable.", min=1)
    ] = None,
    target: Annotated[str, typer.Option(help="ios17 or ios18.")] = "ios17",
    precision: Annotated[str, typer.Option(help="fp16 or fp32.")] = "fp16",
    layout: Annotated[str, typer.Option(help="standard or ane.")] = "standard",
    batch: Annotated[int, typer.Option(help="Batch size.", min=1)] = 1,
    limit: Annotated[
        int | None, typer.Option(help="At most this many blocks, in the order of `plan`.", min=1)
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes.", min=1)] = 1,
    format: FormatOption = Format.table,
) -> None:
    """Convert blocks to .mlpackage, check operators, weights and MACs, write a manifest.

    A killed export goes on where it stopped when it is run again.
    """
    from dataclasses import asdict

    from latency_db.backends.coreml_export import MANIFEST, Recipe, coremltools, export_packages
    from latency_db.builder_designs import subjects
    from latency_db.packages.network_packages import export_network, network_folder
    from studies.cli.phases import Phases

    recipe = Recipe(target, precision, layout, batch)  # type: ignore[arg-type]
    coremltools()
    how = Measuring(backend="coreml", seed=seed, narrow=narrow, latent=latent)
    chosen = named_in(spec, space, "convert", how, samples=samples)
    listed = subjects(chosen)[:limit]
    with Phases(err) as progress:
        packages, refused = export_packages(
            listed, folder, recipe, tuple(copies or (1,)), workers, progress.phase("making graphs")
        )
        for name, network in chosen.named.items() if whole else ():
            notes = export_network(network, folder, recipe, progress.phase(name))
            where = network_folder(network, folder, recipe)
            err.print(f"{name}: {len(notes)} programs in {where}", soft_wrap=True)
    emit(
        [asdict(package) for package in packages],
        format,
        [
            Column("key", "block"),
            Column("copies", "copies", count, right=True),
            Column("target", "target"),
            Column("layout", "layout"),
            Column("macs", "MACs", count, right=True),
            Column("bytes", "bytes", count, right=True),
            Column("seconds", "s", decimals(1), right=True),
        ],
    )
    for key, reason in refused.items():
        err.print(f"[yellow]not converted[/yellow] {key}: {reason}", soft_wrap=True)
    err.print(f"{len(packages)} packages; {folder / MANIFEST}")


def register(group: typer.Typer) -> None:
    """Add the command to `walkbench latency`."""
    group.command()(export)
