"""`walkbench image-time`: prompt to picture on a phone, program by program and together.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> words = ["image-time", "--unet", "sd15", "--decoder", "sd-decoder", "--format", "csv"]
>>> CliRunner().invoke(app, words).stdout.splitlines()[0]
'part,kind,calls,call_ms,call_low_ms,call_high_ms,ms,low_ms,high_ms,coverage,source'
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.formats import ABSENT, decimals

if TYPE_CHECKING:
    from search_space.picture import PictureSpec

NONE = "none"


def image_time(
    unet: Annotated[str, typer.Option(help="A named UNet, or the JSON file of one.")],
    decoder: Annotated[str, typer.Option(help="A named decoder, or the JSON file of one.")],
    steps: Annotated[int, typer.Option(help="Steps of the sampler.")] = 4,
    guidance: Annotated[
        bool,
        typer.Option("--guidance", help="Classifier-free guidance: two passes a step."),
    ] = False,
    device: Annotated[
        str | None,
        typer.Option(
            help="A phone, a chip, or a phone you calibrated; default: what the table measured, "
            "else iPhone 16 Pro Max.",
            show_default=False,
        ),
    ] = None,
    table: Annotated[
        list[Path] | None, typer.Option(help="A measured latency table; repeatable.")
    ] = None,
    text_encoder: Annotated[
        list[str] | None,
        typer.Option(
            help="clip-l, clip-h, clip-bigg, gemma-2-2b, t5-xxl or none; repeatable. Default: "
            "those of the UNet's width.",
        ),
    ] = None,
    bits: Annotated[int, typer.Option(help="Bits per stored weight: 16, 8, 6, 4, 3.")] = 16,
    target: Annotated[str, typer.Option(help="ios17, or ios18, which has 3 bits.")] = "ios17",
    latent: Annotated[
        int | None, typer.Option(help="Latent height and width; default: the UNet's own.", min=1)
    ] = None,
    overhead_ms: Annotated[
        float | None,
        typer.Option(help="Time between programs as you measured it, instead of the estimate."),
    ] = None,
    format: FormatOption = Format.table,
) -> None:
    """Time a picture on a phone: text encoders, UNet at every step, decoder, overhead.

    Programs run on one phone, so their errors are added up as correlated. Also the memory an app
    needs, weights on disk at 16, 8, 6 and 4 bits, and whether each program fits the phone.
    """
    from latency_db.picture_time import OVERHEAD, picture_time
    from latency_db.sources import source_of
    from studies import image_time as rows

    phone = device or ("iPhone 16 Pro Max" if not table else None)
    source = source_of(phone, table or ())
    picture = _picture(unet, decoder, steps, guidance, text_encoder, bits, target, latent)
    timed = picture_time(source, picture, OVERHEAD if overhead_ms is None else _own(overhead_ms))
    times = rows.time_rows(timed)
    if format is Format.csv:
        emit(times, format)
        return
    where = phone or source.device
    memory = rows.memory_rows(picture, rows.allowed_memory(where, source))
    disk, published = rows.disk_rows(picture), rows.published_rows(unet, where)
    if format is Format.json:
        about = {"unet": unet, "decoder": decoder, "steps": steps, "guidance": guidance}
        about |= {"texts": [text.digest() for text in picture.texts], "bits": bits}
        about |= {"device": where, "latency_by": source.name, "digest": picture.digest()}
        parts = {"times": times, "memory": memory, "disk": disk, "published": published}
        emit({**about, **parts}, format)
        return
    _tables(picture, where, times, memory, disk, published)


def _picture(
    unet: str,
    decoder: str,
    steps: int,
    guidance: bool,
    texts: list[str] | None,
    bits: int,
    target: str,
    latent: int | None,
) -> "PictureSpec":
    """Return the checked picture; raises :class:`WalkbenchError` for what does not fit together."""
    from latency_db.packages.palettise import TARGET_BITS, check_bits
    from search_space.errors import WalkbenchError, raise_unknown
    from search_space.load import load_decoder, load_spec
    from search_space.picture import (
        PictureSpec,
        check_text,
        fitted_decoder,
        named_texts,
        text_encoders_for,
    )
    from search_space.resize import resized

    if target not in TARGET_BITS:
        raise_unknown("target", target, TARGET_BITS)
    check_bits(bits, target, 0)
    spec = resized(load_spec(unet), latent)
    read = load_decoder(decoder)
    names = text_encoders_for(spec) if texts is None else [one for one in texts if one != NONE]
    if texts is None and not names:
        raise WalkbenchError(
            f"no known text encoder is as wide as {unet} reads; name some with --text-encoder, or "
            f"--text-encoder {NONE}"
        )
    encoders = named_texts(names, spec)
    check_text(spec, encoders)
    return PictureSpec(spec, fitted_decoder(read, spec), steps, guidance, encoders, bits)


def _own(overhead_ms: float) -> Any:
    import math

    from latency_db.latency import Latency
    from search_space.errors import WalkbenchError

    if not 0 < overhead_ms < math.inf:
        raise WalkbenchError(f"--overhead-ms is {overhead_ms:g}; a positive number is needed")
    return Latency(overhead_ms, overhead_ms, overhead_ms, 1.0, "measured")


def _tables(
    picture: "PictureSpec",
    device: str,
    times: list[dict[str, Any]],
    memory: list[dict[str, Any]],
    disk: list[dict[str, Any]],
    published: list[dict[str, Any]],
) -> None:
    guidance = ", guidance" if picture.guidance else ""
    steps = f"{picture.steps} step{'s' if picture.steps > 1 else ''}"
    title = f"One picture on {device}: {steps}{guidance}, weights at {picture.bits} bits"
    emit(times, Format.table, _TIMES, f"{title}; 80 % intervals")
    print()
    emit(memory, Format.table, _MEMORY, f"Memory at {picture.bits} bits, GB")
    print()
    emit(disk, Format.table, _DISK, "Weights on disk, MB")
    if published:
        print()
        emit(published, Format.table, _PUBLISHED, "Published by others; not measured here")
    whole = times[-1]
    err.print(
        f"{whole['ms'] / 1e3:.2f} s a picture, {whole['low_ms'] / 1e3:.2f} to "
        f"{whole['high_ms'] / 1e3:.2f} s; {whole['source']}",
        soft_wrap=True,
    )


def _gigabytes(value: Any) -> str:
    return ABSENT if value is None else f"{value / 1e9:.2f}"


def _megabytes(value: Any) -> str:
    return f"{value / 1e6:,.0f}"


def _fits(value: Any) -> str:
    return "not known" if value is None else "yes" if value else "no"


def _packages(value: Any) -> str:
    return "too large" if value is None else str(value)


def _optional(value: Any) -> str:
    return ABSENT if value is None else f"{value:g}"


_TIMES = [
    Column("part", "part"),
    Column("calls", "calls", right=True),
    Column("call_ms", "ms a call", decimals(1), right=True),
    Column("ms", "ms", decimals(0), right=True),
    Column("low_ms", "low", decimals(0), right=True),
    Column("high_ms", "high", decimals(0), right=True),
    Column("coverage", "measured", lambda share: f"{share:.0%}", right=True),
    Column("source", "source"),
]
_MEMORY = [
    Column("program", "program"),
    Column("weight_bytes", "weights", _gigabytes, right=True),
    Column("peak_activation_bytes", "activations", _gigabytes, right=True),
    Column("needed_bytes", "needed", _gigabytes, right=True),
    Column("allowed_bytes", "an app has", _gigabytes, right=True),
    Column("packages", "packages", _packages, right=True),
    Column("fits", "fits", _fits),
]
_DISK = [
    Column("program", "program"),
    Column("bytes_16", "16 bits", _megabytes, right=True),
    Column("bytes_8", "8 bits", _megabytes, right=True),
    Column("bytes_6", "6 bits", _megabytes, right=True),
    Column("bytes_4", "4 bits", _megabytes, right=True),
]
_PUBLISHED = [
    Column("name", "picture"),
    Column("chip", "chip"),
    Column("resolution", "size", optional=True),
    Column("guidance", "guidance", lambda on: "yes" if on else "no"),
    Column("steps", "steps", _optional, right=True),
    Column("unet_ms", "step ms", _optional, right=True),
    Column("decoder_ms", "decoder", _optional, right=True),
    Column("total_s", "total s", _optional, right=True),
    Column("confidence", "how sure", lambda word: word or "not published"),
    Column("reduced", "reduced memory", lambda on: "yes" if on else "no", optional=True),
]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command("image-time")(image_time)
