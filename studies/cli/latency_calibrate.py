"""`walkbench latency calibrate`: an estimate for your own phone from one to five timed networks.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["latency", "calibrate", "--device", "iPhone 15"]).exit_code
2
"""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.formats import decimals


def calibrate(
    device: Annotated[str, typer.Option("--device", help="The phone or chip that was timed.")],
    measured: Annotated[
        Path | None,
        typer.Option("--measured", help="CSV with spec and ms; also latent, tokens, batch."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Device name for studies and estimates.")
    ] = None,
    format: FormatOption = Format.table,
) -> None:
    """Calibrate the estimate to one phone, by networks that you timed on it.

    Times are medians in milliseconds of one prediction on the Neural Engine. The calibration is
    kept under --name, which studies accept as the device's name.
    """
    from search_space.errors import WalkbenchError

    if measured is None:
        raise WalkbenchError(
            "nothing to calibrate by; give --measured FILE, and for networks worth timing run "
            f"`walkbench latency anchors --device {shlex.quote(device)}`"
        )
    _calibrate(device, measured, name or f"my {device}", format)


def _calibrate(device: str, measured: Path, name: str, format: Format) -> None:
    from latency_db.calibrated_devices import read_anchors, save_calibrated
    from latency_db.sources import estimate_of
    from search_space.presets import named_spec

    found = save_calibrated(name, device, read_anchors(measured, device))
    before, after = estimate_of(device), estimate_of(name)
    rows = []
    for spec in ("snapgen-t2i", "sd15", "sdxl"):
        was, now = before.predict(named_spec(spec)), after.predict(named_spec(spec))
        rows.append(
            {
                "spec": spec,
                "device": name,
                "before_ms": was.ms,
                "before_low_ms": was.low,
                "before_high_ms": was.high,
                "latency_ms": now.ms,
                "latency_low_ms": now.low,
                "latency_high_ms": now.high,
            }
        )
    caption = (
        f"{name}: the anchors took {found.factor:.2f} times the estimate of {device}; "
        "its interval before and now"
    )
    emit(rows, format, _CALIBRATED, caption)
    for note in found.notes:
        err.print(f"[yellow]doubtful anchor[/yellow] {note}", soft_wrap=True)
    if format is Format.table:
        quoted = shlex.quote(name)
        err.print(f"walkbench latency estimate sdxl --device {quoted}", highlight=False)


_CALIBRATED = [
    Column("spec", "spec"),
    Column("before_low_ms", "before: low", decimals(0), right=True),
    Column("before_high_ms", "high", decimals(0), right=True),
    Column("latency_low_ms", "now: low ms", decimals(0), right=True),
    Column("latency_high_ms", "high ms", decimals(0), right=True),
    Column("latency_ms", "estimate ms", decimals(0), right=True),
]


def register(group: typer.Typer) -> None:
    """Add the command to the group ``latency``."""
    group.command()(calibrate)
