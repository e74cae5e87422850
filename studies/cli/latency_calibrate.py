"""`walkbench latency calibrate`: an estimate for your own phone from one to five timed networks.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> words = ["latency", "calibrate", "--device", "iPhone 15", "--anchors", "--format", "csv"]
>>> CliRunner().invoke(app, words).stdout.splitlines()[0]
'anchor,estimate_ms,spread'
"""

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.formats import decimals

TEACHING = 5  # anchors that --anchors lists
# Candidates for anchors, small enough to convert and time in minutes: a design, a latent.
CANDIDATES = {
    f"{name}@{latent}": (name, latent)
    for name in ("sd15", "M/thin", "M/mqa", "F/thin", "F/ffn-3", "snapgen-t2i")
    for latent in (32, 64, 128)
}


def calibrate(
    device: Annotated[str, typer.Option("--device", help="The phone or chip that was timed.")],
    measured: Annotated[
        Path | None,
        typer.Option("--measured", help="CSV with spec and ms; also latent, tokens, batch."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Device name for studies and estimates.")
    ] = None,
    anchors: Annotated[
        bool, typer.Option("--anchors", help="List the networks that teach most about this phone.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write those networks as .mlpackage here.")
    ] = None,
    format: FormatOption = Format.table,
) -> None:
    """Calibrate the estimate to one phone, by networks that you timed on it.

    Times are medians in milliseconds of one prediction on the Neural Engine. The calibration is
    kept under --name, which studies accept as the device's name.
    """
    from search_space.errors import WalkbenchError

    if measured is None:
        if not (anchors or export):
            raise WalkbenchError(
                "nothing to calibrate by; give --measured FILE, or list networks worth timing "
                "with --anchors"
            )
        _list(device, export, format)
        return
    if anchors or export:
        raise WalkbenchError("--measured calibrates; leave out --anchors and --export")
    _calibrate(device, measured, name or f"my {device}", format)


def _list(device: str, export: Path | None, format: Format) -> None:
    """Emit the anchors that teach most, best first; convert them where asked."""
    from latency_db.calibrate import best_anchors
    from search_space.presets import all_named, named_spec
    from search_space.resize import resized

    candidates = {
        label: resized(named_spec(name), latent=latent)
        for label, (name, latent) in CANDIDATES.items()
    }
    with err.status("pricing networks"):
        lessons = best_anchors(device, candidates, list(all_named().values()), TEACHING)
    rows = [
        {"anchor": one.name, "estimate_ms": one.estimate_ms, "spread": one.spread}
        for one in lessons
    ]
    if export is not None:
        _export({one.name: candidates[one.name] for one in lessons}, export)
    emit(rows, format, _ANCHORS, f"Networks worth timing on {device}, each after those before it")
    if format is Format.table:
        err.print(
            "Time them and write a CSV with the columns spec, latent and ms, for instance\n"
            f"  spec,latent,ms\n  {lessons[0].name.replace('@', ',')},12.3",
            highlight=False,
        )


def _export(networks: dict[str, Any], folder: Path) -> None:
    """Convert the anchors in the layout that estimates assume, and name the package of each."""
    from latency_db.backends.coreml_export import (
        Recipe,
        coremltools,
        export_packages,
        package_path,
    )
    from latency_db.builder_chain import key_of
    from studies.cli.phases import Phases

    coremltools()
    recipe = Recipe("ios17", "fp16", "ane", 1)
    with Phases(err) as progress:
        _, refused = export_packages(
            list(networks.values()), folder, recipe, progress=progress.phase("converting")
        )
    for name, network in networks.items():
        if key_of(network) in refused:
            reason = refused[key_of(network)]
            err.print(f"[yellow]not converted[/yellow] {name}: {reason}", soft_wrap=True)
        else:
            err.print(f"{name}: {package_path(network, 1, folder, recipe)}", soft_wrap=True)


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


_ANCHORS = [
    Column("anchor", "design@latent"),
    Column("estimate_ms", "estimate ms", decimals(1), right=True),
    Column("spread", "interval of others, high/low", decimals(2), right=True),
]
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
