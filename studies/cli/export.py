"""`walkbench export`: write a design into a folder that trainers and diffusers' pipelines load.

JSON: one object with ``folder``, ``class`` (UNet2DConditionModel, DreamLiteUNetModel or
WalkbenchUNet2DConditionModel), ``why_own`` (null, or why no stock class builds it), ``digest``,
``params``, ``weights`` (kind, seed or file and digest, dtype), ``files`` (a list of paths) and
``packages`` (their notes).

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["export", "snapgenn", "--to", "nowhere"]).exit_code
2
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from studies.cli import export_packages as packages
from studies.cli.export_decoder import VaeOption
from studies.cli.output import Format, FormatOption, emit, err


class DtypeOption(StrEnum):
    """What ``--dtype`` takes."""

    fp32 = "fp32"
    fp16 = "fp16"


class WeightsOption(StrEnum):
    """What ``--weights`` takes."""

    init = "init"
    proxy = "proxy"
    checkpoint = "checkpoint"


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
    weights: Annotated[
        WeightsOption,
        typer.Option(help="Initial, the proxy's twin, or of --checkpoint."),
    ] = WeightsOption.init,
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE|DIR",
            help="Safetensors file or saved network; for proxy: file of `proxy run --checkpoint`.",
        ),
    ] = None,
    pipeline: Annotated[
        str | None,
        typer.Option(
            metavar="DIR|NAME",
            help="Copy text encoder, tokenizer and VAE of this diffusers pipeline, or name it.",
        ),
    ] = None,
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
    vae: VaeOption = None,
    format: FormatOption = Format.table,
) -> None:
    """Write a design as a network, pipeline and model card that a trainer takes from there.

    With packages for phones where they are asked for.

    Run again with the same options, it continues with the packages that are not complete.
    """
    from rich.progress import DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    from search_space.errors import WalkbenchError
    from studies.cli.export_decoder import decoder_named, export_decoder
    from studies.export import check_folder
    from studies.export import export as write
    from studies.export_design import find_design
    from studies.export_pipeline import components_of
    from studies.export_weights import weights_from
    from studies.phone.packages import earlier_export

    decoder = decoder_named(design, study, storage)
    if decoder is not None and check_phone:
        packages.check_phone(decoder, device, bits, layout, format)
        return
    if decoder is not None:
        if weights is WeightsOption.proxy:
            raise WalkbenchError(
                "--weights proxy is the twin of a UNet; a decoder takes --weights checkpoint"
            )
        export_decoder(
            decoder,
            to,
            packages.request_of(
                coreml, coreai, onnx, bits, group, chunks, target, layout, shift, dtype.value
            ),
            format,
            swift=swift,
            overwrite=overwrite,
            weights=weights_from(weights.value, seed=seed, checkpoint=checkpoint),
            vae=vae,
            dtype=dtype.value,
            device=device,
        )
        return
    if vae is not None:
        raise WalkbenchError("--vae is of a decoder's export; leave it out")
    found = find_design(design, study, storage)
    if check_phone:
        packages.check_phone(found.spec, device, bits, layout, format)
        return
    if to is None:
        raise WalkbenchError("name the folder to write with --to")
    request = packages.request_of(
        coreml, coreai, onnx, bits, group, chunks, target, layout, shift, dtype.value
    )
    packages.check(found.spec, request, device, bundle=swift is not None)
    if weights is WeightsOption.proxy:
        check_folder(to, overwrite)  # before minutes are spent
        found, given = _trained_twin(found, storage, checkpoint)
    else:
        given = weights_from(weights.value, seed=seed, checkpoint=checkpoint)
    facts = {**given.facts, "dtype": dtype.value}
    components = components_of(pipeline, found.spec)
    if found.trial is not None and found.trial["feasible"] is False:
        err.print(
            f"[yellow]trial {found.trial['number']} of study {found.trial['study']} is over its "
            f"budget of {', '.join(found.trial['over_budget'])}; exported all the same[/yellow]",
            soft_wrap=True,
        )
    done = None
    if (request.formats or swift) and not overwrite:
        done = earlier_export(found.spec, to, facts)
    columns = (TextColumn("weights"), DownloadColumn(), TimeRemainingColumn())
    if done is None:
        with Progress(*columns, console=err, transient=True) as bar:
            task = bar.add_task("weights", total=None)
            done = write(
                found,
                to,
                weights=given,
                components=components,
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
        "weights": facts,
        "files": [str(path) for path in done.files],
        "packages": packages.write(found.spec, to, request, swift),
    }
    emit(row, format)


def _trained_twin(found: Any, storage: str | None, checkpoint: Path | None) -> Any:
    """Read or train the twin of a design, with progress."""
    from proxies.callbacks import Report
    from studies.cli.proxy_progress import TrainingBar
    from studies.export_proxy import twin_of_checkpoint, twin_of_trial
    from studies.interrupt import Interrupt

    if checkpoint is not None:
        return twin_of_checkpoint(found, checkpoint)
    with Interrupt() as interrupt, TrainingBar(interrupt) as bar:
        return twin_of_trial(found, storage, (Report(bar),))


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(export)
