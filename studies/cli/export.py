"""`walkbench export`: write a design into a folder that diffusers or Walkbench loads.

JSON: one object with ``folder``, ``class`` (UNet2DConditionModel, DreamLiteUNetModel or
search_space.unet.UNet), ``why_own`` (null, or why no stock class builds it), ``digest``,
``params``, ``seed``, ``dtype``, ``files`` (a list of paths) and ``packages`` (their notes).

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["export", "snapgenn", "--to", "nowhere"]).exit_code
2
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from studies.cli import export_packages as packages
from studies.cli.output import Format, FormatOption, emit, err


class DtypeOption(StrEnum):
    """What ``--dtype`` takes."""

    fp32 = "fp32"
    fp16 = "fp16"


def export(
    design: Annotated[
        str, typer.Argument(metavar="TRIAL|SPEC", help="A trial's number, a spec's name or file.")
    ],
    to: Annotated[Path | None, typer.Option("--to", metavar="DIR", help="Folder to write.")] = None,
    study: Annotated[str | None, typer.Option(help="Study of TRIAL.")] = None,
    storage: Annotated[
        str | None,
        typer.Option(metavar="URL", help="Database URL or SQLite file of the study."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the initial weights.")] = 0,
    dtype: Annotated[
        DtypeOption, typer.Option("--dtype", help="Precision of the weights.")
    ] = DtypeOption.fp32,
    device: Annotated[
        str, typer.Option(help="Phone or chip for the latency if the trial has none.")
    ] = "iPhone 15 Pro",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier export.")] = (
        False
    ),
    coreml: packages.CoreMLOption = False,
    coreai: packages.CoreAIOption = False,
    onnx: packages.OnnxOption = False,
    bits: packages.BitsOption = 16,
    group: packages.GroupOption = 0,
    chunks: packages.ChunksOption = "auto",
    target: packages.TargetOption = "ios17",
    layout: packages.LayoutOption = "standard",
    shift: packages.ShiftOption = 1.0,
    swift: packages.SwiftOption = None,
    check_phone: packages.CheckOption = False,
    format: FormatOption = Format.table,
) -> None:
    """Write a design's spec, figures and initial weights into a folder, with packages for phones.

    Run again with the same options, it continues with the packages that are not complete.
    """
    from rich.progress import DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from search_space.errors import WalkbenchError
    from studies.export import export as write
    from studies.export_design import find_design
    from studies.phone.packages import earlier_export

    found = find_design(design, study, storage)
    if check_phone:
        packages.check_phone(found.spec, device, bits, layout, format)
        return
    if to is None:
        raise WalkbenchError("name the folder to write with --to")
    request = packages.request_of(
        coreml, coreai, onnx, bits, group, chunks, target, layout, shift, dtype.value
    )
    done = None
    if (request.formats or swift) and not overwrite:
        done = earlier_export(found.spec, to, seed, dtype.value)
    columns = (TextColumn("weights"), DownloadColumn(), TimeRemainingColumn())
    if done is None:
        with Progress(*columns, console=err, transient=True) as bar:
            task = bar.add_task("weights", total=None)
            done = write(
                found,
                to,
                seed=seed,
                dtype=dtype.value,
                device=device,
                overwrite=overwrite,
                progress=lambda written, total: bar.update(task, completed=written, total=total),
            )
    row = {
        "folder": str(done.folder),
        "class": done.class_name,
        "why_own": done.why_own,
        "digest": done.digest,
        "params": done.params,
        "seed": seed,
        "dtype": dtype.value,
        "files": [str(path) for path in done.files],
        "packages": packages.write(found.spec, to, request, device, swift),
    }
    emit(row, format)


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(export)
