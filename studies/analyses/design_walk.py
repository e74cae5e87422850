"""The design walk as cards: its steps beside what is published, its path, each step's share.

>>> from studies.walk import walk_rows
>>> card = steps_card(walk_rows("M", "iPhone 15 Pro"))
>>> card.title
'The walk of family M, on iPhone 15 Pro'
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from latency_db.source import LatencySource
from search_space.cost import cost
from search_space.network import Network
from studies.analyses.card import Card, CardColumn, CardTable
from studies.figures.walk import walk_figure
from studies.figures.walk_path import path_figure
from studies.figures.waterfall import waterfall_figure
from studies.formats import decimals, giga, millions, percent
from studies.metric import Metric
from studies.metrics import METRICS
from studies.reading import StudyData
from studies.records import LatencyOrigin, TrialRecord
from studies.verdict import WORDS
from studies.walk_order import StepShare
from studies.walk_text import decoder_row, elsewhere, flat_row

AXES = ("latency_ms", "params", "macs", "proxy_loss")
SIGNS = (
    "Params and MACs are exact. Milliseconds are estimates for {device} with their 80 % interval, "
    "never measurements. An open diamond is where the published change leads from our step before."
)
CROSSED = (
    "A crossed diamond, and a change with a phone's name, is a change that was published for that "
    "phone, not for {device}: the two do not compare."
)
PUBLISHED = (
    "Published: SnapGen, arXiv 2412.09619; stated is printed in a source, derived is computed from "
    "stated figures. What the paper does not print is not published. The families are "
    "reconstructions; neither is the paper's own table."
)


def steps_card(rows: Sequence[Mapping[str, Any]]) -> Card:
    """Return the card of one walk's ``rows`` (:func:`studies.walk.walk_rows`), all of one family.

    Published latencies of another device than the rows' carry its name.
    """
    device, family = rows[0]["device"], rows[0]["family"]
    columns = (
        CardColumn("step"),
        CardColumn("params", right=True),
        CardColumn("Δ params", right=True, under="params"),
        CardColumn("params published", under="params"),
        CardColumn("MACs", right=True),
        CardColumn("Δ MACs", right=True, under="MACs"),
        CardColumn("MACs published", under="MACs"),
        CardColumn("ms (80 %)", right=True),
        CardColumn("Δ ms", right=True, under="ms (80 %)"),
        CardColumn("ms published", under="ms (80 %)"),
        CardColumn("FID published", under="step"),
        CardColumn("Δ loss, measured", under="step"),
    )
    table = CardTable(columns, tuple(step_cells(row) for row in rows))
    first, last = rows[0], rows[-1]
    whole = {n: percent(last[n] / first[n] - 1) for n in ("params", "macs", "latency_ms")}
    words = (
        f"From {first['step']} to {last['step']}: params {whole['params']}, MACs {whole['macs']}, "
        f"estimated latency on {device} ≈ {whole['latency_ms']}."
    )
    notes = [SIGNS.format(device=device)]
    if any(map(elsewhere, rows)):
        notes.append(CROSSED.format(device=device))
    title = f"The walk of family {family}, on {device}"
    return Card(title, (words,), walk_figure(rows), table, (*notes, PUBLISHED, WORDS))


def step_cells(row: Mapping[str, Any]) -> tuple[str, ...]:
    """Return a step's figures, their changes and what is published of them, as text."""
    flat = flat_row(dict(row))
    return (
        row["step"],
        millions(row["params"]),
        percent(row["params_delta"]),
        flat["params_published"],
        giga(row["macs"]),
        percent(row["macs_delta"]),
        flat["macs_published"],
        f"○ {flat['latency']}",
        percent(row["latency_delta"]),
        flat["latency_published"],
        flat["fid_published"],
        flat["proxy_loss"],
    )


def step_record(
    name: str, network: Network, source: LatencySource, study: StudyData | None = None
) -> TrialRecord:
    """Return a step as a trial: priced here, with the score that ``study`` has of its design."""
    digest = network.digest()
    own = study.of_design(digest) if study else []
    known = next((trial for trial in own if trial.score), None)
    record = TrialRecord(
        -1,
        "WAITING",
        name=name,
        digest=digest,
        spec=network.to_dict(),
        cost=cost(network),
        latency=source.predict(network),
        latency_origin=LatencyOrigin(source.device, source.name, source.revision),
    )
    return record if known is None else replace(record, score=known.score)


def path_card(
    paths: Mapping[str, Sequence[TrialRecord]],
    cloud: Sequence[TrialRecord],
    x: str,
    y: str,
    device: str,
) -> Card:
    """Return the card of ``paths`` by name over the searched ``cloud``, in two of :data:`AXES`.

    Trials whose latency is of another device than ``device`` are left out where latency is an axis.
    """
    across, up = METRICS.get(x), METRICS.get(y)
    shown, left_out = list(cloud), 0
    if "latency_ms" in (x, y):
        shown = [t for t in cloud if t.latency_origin and t.latency_origin.device == device]
        left_out = sum(t.latency is not None for t in cloud) - len(shown)
    missing = [
        step.label
        for steps in paths.values()
        for step in steps
        if step.measured(x) is None or step.measured(y) is None
    ]
    words = [f"{len(shown)} searched designs of the study lie behind the path."]
    if left_out > 0:
        others = dict.fromkeys(t.latency_origin.device for t in cloud if t.latency_origin)
        devices = ", ".join(name for name in others if name != device)
        words.append(f"{left_out} are left out: their latency is of {devices}, not of {device}.")
    if missing:
        words.append(f"Not trained in this study, so without a loss: {', '.join(missing)}.")
    notes = [f"Hollow marks are estimates for {device}, bars 80 % intervals."]
    figure = path_figure(paths, shown, x, y)
    metrics = (across, up) if x != y else (across,)
    columns = (CardColumn("path"), CardColumn("step"), *map(_column, metrics))
    rows = tuple(
        (name, step.label, *(metric.cell(step.measured(metric.name)) for metric in metrics))
        for name, steps in paths.items()
        for step in steps
    )
    title = f"The path: {up.title} over {across.title}"
    return Card(title, tuple(words), figure, CardTable(columns, rows), tuple(notes))


def _column(metric: Metric) -> CardColumn:
    return CardColumn(metric.column, right=True)


def shares_card(shares: Sequence[StepShare], start: float, family: str, device: str) -> Card:
    """Return the card of one metric's ``shares``: what each step changes, in order and on average.

    ``start`` is the first design's value.
    """
    metric = METRICS.get(shares[0].metric)
    write = _writer(metric)
    columns = (
        CardColumn("step"),
        CardColumn("in order", right=True),
        CardColumn("over all orders", right=True),
        CardColumn("from", right=True),
        CardColumn("to", right=True),
    )
    rows = tuple(
        (s.step, write(s.in_order), write(s.mean), write(s.least), write(s.most)) for s in shares
    )
    most = min(shares, key=lambda share: share.mean)
    on = f" on {device}" if metric.name == "latency_ms" else ""
    words = (
        f"Over all orders {most.step} takes away most: {write(most.mean)}, {write(most.in_order)} "
        "in the paper's order."
    )
    notes = [
        "Over all orders: the Shapley value, exact from all 512 subsets of the steps; from, to: "
        "after the sets of steps that make least and most of it."
    ]
    if on:
        notes.append(f"Milliseconds are estimates for {device}.")
    title = f"Each step's share of {metric.title}{on}, family {family}"
    return Card(
        title, (words,), waterfall_figure(shares, start), CardTable(columns, rows), tuple(notes)
    )


def _writer(metric: Metric) -> Any:
    digits = decimals(max(metric.digits, 1))
    unit = f" {metric.unit}" if metric.unit else ""

    def write(value: float) -> str:
        text = digits(value / metric.scale)
        return (text if text.startswith("-") else f"+{text}").replace("-", "−") + unit

    return write


def decoder_card(rows: Sequence[Mapping[str, Any]]) -> Card:
    """Return the card of the decoder's walk (:func:`studies.decoder_walk.decoder_walk_rows`)."""
    device = rows[0]["device"]
    columns = (
        CardColumn("step"),
        CardColumn("change", optional=True),
        CardColumn("params", right=True),
        CardColumn("params published", under="params"),
        CardColumn("MACs", right=True),
        CardColumn("ms (80 %)", right=True),
        CardColumn("ms published", under="ms (80 %)"),
    )
    flat = [decoder_row(dict(row)) for row in rows]
    lines = tuple(
        (
            row["step"],
            row["change"],
            millions(row["params"]),
            row["params_published"],
            giga(row["macs"]),
            f"○ {row['latency']}",
            row["latency_published"],
        )
        for row in flat
    )
    last = rows[-1]
    words = (
        f"{last['step']} has {last['params_ratio']:,.1f} times fewer parameters and takes "
        f"≈ {last['latency_ratio']:,.0f} times less time than {rows[0]['step']} on {device}."
    )
    notes = (SIGNS.format(device=device), "The widths are a reconstruction of the published sizes.")
    title = f"The decoder's walk, on {device}"
    return Card(title, (words,), walk_figure(rows), CardTable(columns, lines), notes)
