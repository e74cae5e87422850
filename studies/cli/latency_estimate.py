"""`walkbench latency published`, `estimate` and `validate-estimate`: latencies without a phone.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> words = ["latency", "published", "--chip", "A18 Pro", "--format", "csv"]
>>> CliRunner().invoke(app, words).stdout.splitlines()[1].split(",")[:4]
['SnapGen UNet', 'SnapGen', 'iPhone 16 Pro Max', 'A18 Pro']
"""

from typing import Annotated, Any

import typer

from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.formats import decimals

DeviceOption = Annotated[
    str, typer.Option("--device", help="A phone or a chip, such as 'iPhone 15 Pro' or A15.")
]


def published(
    chip: Annotated[
        str | None, typer.Option("--chip", help="Rows of one chip or phone: A15, 'iPhone 13'.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Rows whose model contains this.")
    ] = None,
    format: FormatOption = Format.table,
) -> None:
    """Browse other people's published iPhone latencies, each with its source."""
    from search_space.errors import WalkbenchError

    rows = [_published_row(row) for row in _rows_of(chip) if _matches(row.model, model)]
    if not rows:
        raise WalkbenchError(
            f"no published row has {model!r} in its model; "
            "`walkbench latency published` lists all of them"
        )
    emit(rows, format, _PUBLISHED, "Published by others; not measured here")


def estimate(
    specs: Annotated[list[str], typer.Argument(help="Specs: names, or paths of their JSON files.")],
    device: DeviceOption = "iPhone 15 Pro",
    latent: Annotated[
        int | None, typer.Option(help="Latent height and width; default: the spec's own.")
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(help="Text tokens; default: the spec's own.")
    ] = None,
    batch: Annotated[
        int, typer.Option(help="Latents at once; 2 for classifier-free guidance.", min=1)
    ] = 1,
    units: Annotated[
        str, typer.Option(help="ane, or gpu and cpu, which have little evidence.")
    ] = "ane",
    format: FormatOption = Format.table,
) -> None:
    """Estimate designs on a phone, iPad or chip, from published measurements.

    The 80 % interval is that of a lab and a family of networks that the fit has never seen.
    """
    from dataclasses import replace

    from latency_db.sources import estimate_of
    from latency_db.units import unit_ratio
    from search_space.load import load_network
    from search_space.resize import resized

    unit_ratio(units)  # raises for unknown units before anything is priced
    source = replace(estimate_of(device), batch=batch, units=units)
    rows = []
    for name in specs:
        spec = resized(load_network(name), latent, tokens)
        latency = source.predict(spec)
        rows.append(
            {
                "spec": name,
                "digest": spec.digest(),
                "device": device,
                "chip": source.chip,
                "latency_low_ms": latency.low,
                "latency_high_ms": latency.high,
                "latency_ms": latency.ms,
                "coverage": latency.coverage,
                "source": latency.source,
                "batch": batch,
                "units": units,
            }
        )
    emit(rows, format, _ESTIMATE, f"Estimated for {device}: ends of the 80 % interval and estimate")


def validate_estimate(
    by: Annotated[
        str, typer.Option("--by", help="What is left out together: both, family or lab.")
    ] = "both",
    format: FormatOption = Format.table,
) -> None:
    """Hold the estimates against published rows they never saw (some minutes).

    "both" leaves out a row's lab and its family together, as for a user's own phone and design.
    """
    from latency_db.held_out import GROUPINGS, leave_out
    from latency_db.validate_estimate import SPLITS, report
    from search_space.errors import raise_unknown

    if by not in GROUPINGS:
        raise_unknown("grouping", by, GROUPINGS)
    grouping = next(name for name in GROUPINGS if name == by)
    words = "lab and family together" if by == "both" else f"one {by} at a time"
    with err.status(f"leaving out {words}") as status:
        held = leave_out(grouping, progress=lambda group: status.update(f"left out {group}"))
    chips = dict.fromkeys(row.item.chip for row in held)
    rows = [
        _score_row(by, found)
        for chip in (*chips, None)
        for split in SPLITS
        if (found := report(held, chip, split))
    ]
    emit(rows, format, _SCORES, f"Estimates against published rows, leaving out {words}")


def _rows_of(chip: str | None) -> tuple[Any, ...]:
    """Rows of a chip, which may be named by a phone; older chips and iPads have rows too."""
    from latency_db.devices import DEVICES, chip_of
    from latency_db.published.rows import published_rows

    if chip is None:
        return published_rows()
    known = {row.chip for row in published_rows()}
    if chip not in known and any(_plain(chip) == _plain(name) for name in (*DEVICES, *known)):
        match = [name for name in known if _plain(name) == _plain(chip)]
        chip = match[0] if match else chip_of(chip)
    return published_rows(chip)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _matches(model: str, wanted: str | None) -> bool:
    return wanted is None or wanted.lower() in model.lower()


def _published_row(row: Any) -> dict[str, Any]:
    return {
        "model": row.model,
        "family": row.family,
        "device": row.device,
        "chip": row.chip,
        "resolution": row.input_resolution,
        "precision": row.precision,
        "units": row.compute_units,
        "published_ms": row.latency_ms,
        "rounding_ms": row.rounding_ms,
        "batch": row.batch,
        "source": row.source,
        "url": row.source_url,
        "use": row.suggested_use,
        "notes": row.notes,
    }


def _score_row(by: str, found: dict[str, Any]) -> dict[str, Any]:
    baseline, gain = found["baseline"] or {}, found["gain"] or {}
    return {
        "left_out": by,
        **{key: value for key, value in found.items() if key not in ("baseline", "gain")},
        "baseline_median_pct": baseline.get("median_pct"),
        "gain_points": gain.get("points"),
        "gain_low": gain.get("low"),
        "gain_high": gain.get("high"),
    }


_PUBLISHED = [
    Column("model", "model"),
    Column("chip", "chip", under="model"),
    Column("resolution", "px"),
    Column("precision", "precision", optional=True),
    Column("units", "units", optional=True),
    Column("published_ms", "published ms", lambda value: f"{value:g}", right=True),
    Column("use", "used as", optional=True),
    Column("source", "source"),
]
_ESTIMATE = [
    Column("spec", "spec"),
    Column("chip", "chip"),
    Column("latency_low_ms", "low ms", decimals(0), right=True),
    Column("latency_high_ms", "high ms", decimals(0), right=True),
    Column("latency_ms", "estimate ms", decimals(0), right=True),
    Column("source", "source"),
]
_SCORES = [
    Column("chip", "chip"),
    Column("split", "split"),
    Column("n", "rows", right=True),
    Column("median_pct", "median %", decimals(1), right=True),
    Column("within_10_pct", "±10 %", decimals(0), right=True, optional=True),
    Column("within_20_pct", "±20 %", decimals(0), right=True),
    Column("spearman", "Spearman", decimals(3), right=True),
    Column("kendall", "Kendall", decimals(3), right=True, optional=True),
    Column("coverage_80_pct", "in 80 %", decimals(0), right=True),
    Column("baseline_median_pct", "baseline %", decimals(1), right=True),
    Column("gain_points", "gain", decimals(1), right=True),
    Column("gain_low", "from", decimals(1), right=True, optional=True),
    Column("gain_high", "to", decimals(1), right=True, optional=True),
]


def register(group: typer.Typer) -> None:
    """Add the commands to the group ``latency``."""
    group.command()(published)
    group.command()(estimate)
    group.command("validate-estimate")(validate_estimate)
