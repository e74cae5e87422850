"""`walkbench walk`: a design walk, computed and published figures side by side.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> out = CliRunner().invoke(app, ["walk", "--family", "M", "--format", "csv"]).stdout
>>> out.splitlines()[0].split(",")[:4]
['family', 'step', 'change', 'against']
"""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.formats import decimals, giga, millions, percent
from studies.walk_text import flat_row


class FamilyOption(StrEnum):
    """What ``--family`` takes."""

    M = "M"
    F = "F"
    both = "both"


class NetworkOption(StrEnum):
    """What ``--network`` takes."""

    unet = "unet"
    decoder = "decoder"


class LegOption(StrEnum):
    """What ``--leg`` takes."""

    design = "design"
    training = "training"


def walk(
    network: Annotated[
        NetworkOption,
        typer.Option(help="The walk of the UNet, from SDXL, or of the decoder, from SD's."),
    ] = NetworkOption.unet,
    leg: Annotated[
        LegOption,
        typer.Option(
            help="Of the UNet: from SDXL to SnapGen's design, or on through its training."
        ),
    ] = LegOption.design,
    family: Annotated[
        FamilyOption | None,
        typer.Option(
            help="Of the UNet: M matches the published percentages, F the published totals.",
            show_default="both",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            help="Phone or chip of the latency, such as 'iPhone 15 Pro'.",
            show_default="the published one",
        ),
    ] = None,
    html: Annotated[
        Path | None, typer.Option(help="Also write the walk as an interactive plot.")
    ] = None,
    format: FormatOption = Format.table,
) -> None:
    """Show the design walk from SDXL to SnapGen with computed and published figures."""
    from search_space.errors import WalkbenchError
    from studies.walk import WALK_DEVICE, walk_rows

    if leg is LegOption.training:
        if network is NetworkOption.decoder or family is not None or html is not None:
            raise WalkbenchError("--leg training has no --network decoder, --family or --html")
        _training_leg(format)
        return

    if network is NetworkOption.decoder:
        if family is not None:
            raise WalkbenchError(
                "--family is of the UNet's walk, which has two reconstructions; leave it out"
            )
        _decoder_walk(device, html, format)
        return
    device = device or WALK_DEVICE
    rows = walk_rows((family or FamilyOption.both).value, device)
    if html is not None:
        _write_html(rows, html, f"The design walk from SDXL to SnapGen, on {device}")
    if format is not Format.table:
        emit(rows, format)
        return
    for name in dict.fromkeys(row["family"] for row in rows):
        own = [flat_row(row) for row in rows if row["family"] == name]
        emit(own, format, _columns(device), f"Family {name}: the walk from SDXL to SnapGen")
    trained = [{**row, **row["proxy_loss"]} for row in rows if row["proxy_loss"]]
    if trained:
        emit(trained, format, MEASURED, MEASURED_TITLE.format(**trained[0]))
    _legend(device)


MEASURED_TITLE = (
    "Measured change in loss after {steps:,} training steps of a narrow twin on {latent}-pixel "
    "pictures, {seeds} seeds"
)
MEASURED = [
    Column("step", "step"),
    Column("against", "against", under="step"),
    Column("relative", "loss Δ", percent, right=True),
    Column("low", "95 % from", percent, right=True),
    Column("high", "to", percent, right=True),
    Column("verdict", "verdict"),
    Column("untried_latents", "not tried at", lambda v: ", ".join(map(str, v)) or "–", right=True),
]


def _columns(device: str) -> list[Column]:
    return [
        Column("step", "step"),
        Column("params", "params", millions, right=True),
        Column("params_delta", "Δ", percent, right=True, under="params"),
        Column("params_published", "published", under="params"),
        Column("macs", "MACs", giga, right=True),
        Column("macs_delta", "Δ", percent, right=True, under="macs"),
        Column("macs_published", "published", under="macs"),
        Column("latency", "est. ms (80 %)", right=True),
        Column("latency_delta", "Δ", percent, right=True, under="latency"),
        Column("latency_published", "published", under="latency"),
        Column("fid_published", "FID published", under="step"),
    ]


def _legend(device: str) -> None:
    from studies.verdict import WORDS

    err.print(
        f"Params and MACs are exact (128×128 latent, 77 tokens). Milliseconds are estimates for "
        f"{device} with an 80 % interval, never measurements.\n"
        "Δ compares with the previous step; expanded-separable with no-high-res-sa, as published. "
        "Published: SnapGen, arXiv 2412.09619;\nits latencies are of an iPhone 15 Pro. "
        "The two families are reconstructions; neither is the paper's own table.\n"
        f"{WORDS}",
        style="dim",
        soft_wrap=True,
    )


def _decoder_walk(device: str | None, html: Path | None, format: Format) -> None:
    from studies.decoder_walk import DECODER_DEVICE, decoder_walk_rows
    from studies.walk_text import decoder_row

    device = device or DECODER_DEVICE
    rows = decoder_walk_rows(device)
    title = "The decoder's walk from Stable Diffusion to SnapGen"
    if html is not None:
        from studies.analyses.design_walk import decoder_card

        _write_page([decoder_card(rows)], html, f"{title}, on {device}")
    if format is not Format.table:
        emit(rows, format)
        return
    emit([decoder_row(row) for row in rows], format, DECODER, f"{title}, 1024 pixels")
    emit(rows, format, CHANGES, "What each step changes")
    err.print(
        f"Params, MACs and memory (float16) are exact. Milliseconds are estimates for {device} "
        "with an 80 % interval, never measurements.\n"
        "×: how many times the first step exceeds this one. Published: SnapGen, arXiv 2412.09619, "
        "of its last step only; what stands at\nthe first step under ms is 54 × 119 ms. The "
        "widths are a reconstruction: walkbench spec show snapgen-decoder",
        style="dim",
        soft_wrap=True,
    )


DECODER = [
    Column("step", "step"),
    Column("params", "params", millions, right=True),
    Column("params_ratio", "×", decimals(1), right=True, under="params"),
    Column("params_published", "published", under="params"),
    Column("macs", "MACs", giga, right=True),
    Column("macs_ratio", "×", decimals(1), right=True, under="macs"),
    Column("memory", "peak MiB", decimals(0), right=True),
    Column("peak_ratio", "×", decimals(1), right=True, under="memory"),
    Column("latency", "est. ms (80 %)", right=True),
    Column("latency_ratio", "×", decimals(1), right=True, under="latency"),
    Column("latency_published", "published", under="latency"),
]
CHANGES = [
    Column("step", "step"),
    Column("change", "change"),
    Column("confidence", "the paper's?"),
]


def _training_leg(format: Format) -> None:
    from studies.training_walk import training_rows

    rows = training_rows()
    if format is not Format.table:
        emit(rows, format)
        return
    emit([{**row, **_published(row)} for row in rows], format, TRAINING, TRAINING_TITLE)
    err.print(
        "loss: of the velocity on validation data, without the teacher, against the step before; "
        "strict: share of pictures that are exactly as their prompt says, drawn in as many steps "
        "as stand there. –: not published, or not measured.\n"
        "Published: SnapGen, arXiv 2412.09619, of its own networks and data; ours are twins on "
        "pictures of shapes, so only directions compare (docs/distillation.md).",
        style="dim",
        soft_wrap=True,
    )


def _published(row: dict[str, Any]) -> dict[str, Any]:
    found = row["published"] or {}
    return {
        "geneval": found.get("geneval", {}).get("value"),
        "geneval_change": found.get("geneval_delta", {}).get("value"),
        "dpg_change": found.get("dpg_delta", {}).get("value"),
    }


TRAINING_TITLE = "The walk's second leg: SnapGen's training, step by step"
TRAINING = [
    Column("step", "step"),
    Column("geneval", "GenEval published", lambda v: "–" if v is None else f"{v:.2f}", right=True),
    Column("geneval_change", "Δ", percent, right=True, under="geneval"),
    Column("dpg_change", "DPG Δ published", percent, right=True, under="geneval"),
    Column("loss_delta", "our loss Δ", percent, right=True),
    Column("loss_low", "95 % from", percent, right=True, under="loss_delta"),
    Column("loss_high", "to", percent, right=True, under="loss_delta"),
    Column("verdict", "verdict", lambda word: word or "–"),
    Column("strict", "our strict", lambda v: "–" if v is None else f"{v:.3f}", right=True),
    Column("strict_stderr", "±", lambda v: "–" if v is None else f"{v:.3f}", right=True),
]


def _write_html(rows: list[dict[str, Any]], path: Path, title: str) -> None:
    from studies.analyses.design_walk import steps_card

    families = dict.fromkeys(row["family"] for row in rows)
    cards = [steps_card([row for row in rows if row["family"] == name]) for name in families]
    _write_page(cards, path, title)


def _write_page(cards: list[Any], path: Path, title: str) -> None:
    from studies.figures.page import write_page
    from studies.report import card_html

    write_page(path, title, [part for card in cards for part in card_html(card, title)])
    err.print(f"wrote {path}")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(walk)
