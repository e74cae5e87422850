"""Latencies that Walkbench knows: estimated phones, measured tables, and how far both are right."""

import statistics
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import plotly.graph_objects as go

from latency_db.device_model import DeviceModel
from latency_db.devices import CHIPS, chip_of, device_names
from latency_db.estimate import ChipEstimate
from latency_db.evidence import published_evidence
from latency_db.fitted import shipped_fit
from latency_db.held_out import shared_workload
from latency_db.sources import estimate_of
from latency_db.table import Table
from latency_db.table_file import read_rows, shipped_tables
from latency_db.table_missing import MissingEntry
from latency_db.table_source import TableSource
from search_space.errors import WalkbenchError
from search_space.network import Network
from search_space.presets import all_named, named_spec
from search_space.sample import draw_distinct
from search_space.space import SearchSpace
from studies.analyses.card import Card, CardColumn, CardTable
from studies.figures.style import FEASIBLE_COLOUR, FRONT_COLOUR, MARK, NAMED_COLOUR, styled

REFERENCE = "snapgen-t2i"
LIKELY = 0.5  # probability from which a published row counts as a fallback
TWO_KINDS = (
    "The interval of a new lab holds 80 % of what a lab that nobody has seen measures; that of a "
    "known lab, one whose times are in the fit, is narrower. Walkbench reports the new lab's."
)
COVERAGE = (
    "Coverage: the share of a design's time that is of measured blocks; the rest is interpolated. "
    "A design with a block that is like none of the table's counts as 0 %."
)
DRAWN = 24  # designs of a space
ESTIMATED = "○ estimated from published measurements, never measured."


def devices(name: str = REFERENCE) -> Card:
    """Return the card of every estimated device, with both intervals for the design ``name``."""
    spec = named_spec(name)
    named: dict[str, list[str]] = {}
    for device in device_names():
        if device not in CHIPS:
            named.setdefault(chip_of(device), []).append(device)
    rows = []
    for chip, devices_of in named.items():
        found = estimate_of(chip).predict(spec)
        known = ChipEstimate(_as_a_known_lab(chip), chip).predict(spec)
        rows.append(
            (
                chip,
                ", ".join(devices_of),
                f"○ {found.ms:,.0f}",
                f"{found.low:,.0f}–{found.high:,.0f}",
                f"{known.low:,.0f}–{known.high:,.0f}",
                f"{CHIPS[chip].on_chip_mb:g} MB",
            )
        )
    columns = (
        CardColumn("chip"),
        CardColumn("devices", under="chip"),
        CardColumn(f"{name}, ms", right=True),
        CardColumn("new lab, 80 %", right=True),
        CardColumn("known lab, 80 %", right=True),
        CardColumn("on-chip memory", right=True, optional=True),
    )
    words = f"{sum(map(len, named.values()))} devices of {len(rows)} chips can be estimated."
    return Card(
        "Estimated devices", (words,), table=CardTable(columns, tuple(rows)),
        notes=(ESTIMATED, TWO_KINDS),
    )  # fmt: skip


def _as_a_known_lab(chip: str) -> DeviceModel:
    """Return the model of ``chip`` as a lab of the fit would time it, of middling variance."""
    fitted = shipped_fit()
    lab = statistics.median(effect.variance for effect in fitted.fit.labs.values())
    parameters, covariance = fitted.fit.parameters[chip], fitted.fit.covariance[chip] + lab
    return DeviceModel(chip, parameters, covariance, fitted.known_lab, fitted.revision)


def against_published() -> Card:
    """Return the card of the estimates beside the published times that they were fitted to."""
    fit, work = shipped_fit().fit, shared_workload()
    items = [item for item in published_evidence().items if item.chip in fit.parameters]
    found = [
        (item, fit.predict(work.of_item(item), item.chip, item.lab)[0], fit.fallback.get(item.row))
        for item in items
    ]
    groups = {
        "classifier": [f for f in found if not f[0].is_unet and (f[2] or 0) <= LIKELY],
        "diffusion UNet": [f for f in found if f[0].is_unet and (f[2] or 0) <= LIKELY],
        "looks like a fallback": [f for f in found if (f[2] or 0) > LIKELY],
    }
    marks = {
        "classifier": ("circle-open", FEASIBLE_COLOUR),
        "diffusion UNet": ("square-open", FRONT_COLOUR),
        "looks like a fallback": ("x", NAMED_COLOUR),
    }
    figure = go.Figure()
    ends = [value for item, ms, _ in found for value in (item.latency_ms, ms)]
    figure.add_scatter(
        x=[min(ends), max(ends)],
        y=[min(ends), max(ends)],
        mode="lines",
        name="equal",
        line={"color": FRONT_COLOUR, "width": 1, "dash": "dot"},
    )
    for name, own in groups.items():
        symbol, paint = marks[name]
        figure.add_scatter(
            x=[item.latency_ms for item, _, _ in own],
            y=[ms for _, ms, _ in own],
            mode="markers",
            name=name,
            marker={"symbol": symbol, "color": paint, "size": 8},
            customdata=[[item.model, item.chip, item.lab] for item, _, _ in own],
            hovertemplate="%{customdata[0]}, %{customdata[1]}, %{customdata[2]}<br>published "
            "%{x:,.2f} ms, estimated %{y:,.2f} ms<extra></extra>",
        )
    styled(figure, 520)
    figure.update_layout(
        xaxis={"type": "log", "title": "published, ms"},
        yaxis={"type": "log", "title": "estimated, ms"},
    )
    errors = sorted(abs(ms / item.latency_ms - 1) for item, ms, p in found if (p or 0) <= LIKELY)
    words = (
        f"{len(found)} published times; half of those that look like no fallback are estimated "
        f"within {statistics.median(errors):.1%}. They are the fit's own rows: "
        "docs/iphone-estimates.md has the errors on rows left out."
    )
    note = "A fallback: part of the network probably ran on the CPU, so the row teaches little."
    return Card("Estimate against published", (words,), figure, notes=(note,))


def tables(space: str) -> list[Card]:
    """Return the cards of each table that ships: what it covers, age, spread, sums.

    ``space`` is a space that ships, of which :data:`DRAWN` random designs are looked up.
    """
    named = list(all_named().values())
    designs = {
        f"{len(named)} named designs": named,
        f"{DRAWN} random designs of {space}": draw_distinct(SearchSpace.load(space), DRAWN, seed=0),
    }
    return [card for name in shipped_tables() for card in _table(name, designs)]


def _table(name: str, designs: Mapping[str, Sequence[Network]]) -> list[Card]:
    table, rows = Table.load(name, contradictions="widen"), read_rows(shipped_tables()[name])
    dates = sorted(row.date for row in rows)
    age = (datetime.now(UTC) - datetime.fromisoformat(dates[-1])).days
    spreads = [e.deviation_ms / e.ms for e in table.entries.values() if e.ms > 0]
    facts = [
        ("device", table.device),
        ("runtime", f"{table.conditions.runtime} {table.conditions.versions}".strip() or "–"),
        ("precision", table.conditions.precision),
        ("blocks", f"{len(table.entries):,}"),
        ("whole networks", f"{len(table.networks):,}"),
        ("measured", f"{dates[0][:10]} to {dates[-1][:10]}, {age} days ago"),
        ("spread of an entry, median", f"{statistics.median(spreads):.1%}" if spreads else "–"),
        ("runs that contradict each other", f"{len(table.contradictions)} blocks"),
        ("drift removed", f"{table.drift:.1%}"),
        *((f"coverage of {words}", _coverage(table, own)) for words, own in designs.items()),
    ]
    columns = (CardColumn("table"), CardColumn(name))
    card = Card(f"Table {name}", table=CardTable(columns, tuple(facts)), notes=(COVERAGE,))
    whole = _sums(table)
    return [card, _spread(table), *([whole] if whole else [])]


def _coverage(table: Table, space: Sequence[Network]) -> str:
    """Return which share of the time of these designs the table measured."""
    source = TableSource.of(table, "interpolate")
    shares = []
    for network in space:
        try:
            shares.append(source.predict(network).coverage)
        except WalkbenchError:  # a block is missing, and too few are like it
            shares.append(0.0)
    return (
        f"{statistics.mean(shares):.0%} of the time, {min(shares):.0%} at least" if shares else "–"
    )


def _spread(table: Table) -> Card:
    entries = [entry for entry in table.entries.values() if entry.ms > 0]
    figure = go.Figure(
        go.Scattergl(
            x=[entry.ms for entry in entries],
            y=[100 * entry.deviation_ms / entry.ms for entry in entries],
            mode="markers",
            name="blocks",
            marker={"color": FEASIBLE_COLOUR, "size": 5, "symbol": MARK["measured"]["symbol"]},
            customdata=[entry.key for entry in entries],
            hovertemplate="%{customdata}<br>%{x:.3g} ms ± %{y:.1f} %<extra></extra>",
        )
    )
    styled(figure, 360)
    figure.update_layout(
        xaxis={"type": "log", "title": "ms of a block, measured"},
        yaxis={"type": "log", "title": "standard error, %"},
    )
    return Card(f"Spread of {table.name}", figure=figure)


def _sums(table: Table) -> Card | None:
    """Return the card of sums of blocks beside whole networks; None where none was timed."""
    source = TableSource.of(table, "interpolate")
    pairs = []
    for one in table.networks:
        try:
            pairs.append((one.ms, source.summation.of(one.spec).ms, one.spec.digest()))
        except MissingEntry:
            continue
    if not pairs:
        return None
    figure = go.Figure()
    ends = [min(min(p[:2]) for p in pairs), max(max(p[:2]) for p in pairs)]
    figure.add_scatter(
        x=ends, y=ends, mode="lines", name="equal",
        line={"color": FRONT_COLOUR, "width": 1, "dash": "dot"},
    )  # fmt: skip
    figure.add_scatter(
        x=[p[0] for p in pairs],
        y=[p[1] for p in pairs],
        mode="markers",
        name="networks",
        marker={**MARK["measured"], "color": FEASIBLE_COLOUR},
        customdata=[p[2] for p in pairs],
        hovertemplate="%{customdata}: whole %{x:.2f} ms, sum %{y:.2f} ms<extra></extra>",
    )
    styled(figure, 420)
    figure.update_layout(
        xaxis={"title": "whole network, ms, measured"},
        yaxis={"title": "sum of its blocks, ms, measured"},
    )
    errors = [abs(total / whole - 1) for whole, total, _ in pairs]
    words = f"{len(pairs)} networks; sums are off by {statistics.median(errors):.1%} at the median."
    return Card(f"Sum against whole, {table.name}", (words,), figure)
