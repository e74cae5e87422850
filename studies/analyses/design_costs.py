"""Where a design's time and size are: its latency step by step, its params and MACs by part.

>>> from latency_db.sources import source_of
>>> from search_space.presets import named_spec
>>> card = latency_by_step(named_spec("F/mqa"), source_of("iPhone 15 Pro"))
>>> card.title
'Latency step by step on iPhone 15 Pro'
>>> costs_by_part(named_spec("F/mqa")).table.rows[-1][0]
'all'
"""

from collections.abc import Callable, Iterable

from latency_db.by_step import step_latencies
from latency_db.latency import Latency
from latency_db.source import LatencySource
from latency_db.sources import source_of
from search_space.cost_table import StepCost, step_costs
from search_space.errors import WalkbenchError
from search_space.network import Network
from studies.analyses.card import Card, CardColumn, CardTable
from studies.drawing.marks import mark_of
from studies.figures.blocks import WORDS, parts_figure, steps_figure
from studies.formats import giga, millions
from studies.records import LatencyOrigin

SIGNS = {"measured": "■", "estimated": "○", "mixed": "◧"}
NOTE = (
    "■ measured, ○ estimated, ◧ partly measured; 80 % interval in brackets. No latency of single "
    "blocks is published for these designs."
)


def latency_by_step(network: Network, source: LatencySource, stored: Latency | None = None) -> Card:
    """Return the card of every step's latency, slowest first in the table.

    ``stored`` is what a trial holds, perhaps from an earlier revision of the source.

    Raises :class:`WalkbenchError` where the source does not know single blocks.
    """
    steps = step_latencies(source, network)
    whole, total = source.predict(network), sum(step.latency.ms for step in steps)
    words = [
        f"The whole network: {whole.ms:,.0f} ms ({whole.low:,.0f}–{whole.high:,.0f}), "
        f"{WORDS[whole.source]}, by {source.name}. Its steps add up to {total:,.0f} ms: a network "
        "reads the weights of one block while another computes, and a call has a price of its own."
    ]
    if stored is not None and abs(stored.ms / whole.ms - 1) > 0.001:
        words.append(
            f"The trial stored {stored.ms:,.0f} ms, by an earlier revision of the same source."
        )
    columns = (
        CardColumn("step"),
        CardColumn("block", optional=True),
        CardColumn("ms (80 %)", right=True),
        CardColumn("share", right=True),
    )
    ranked = sorted(steps, key=lambda step: -step.latency.ms)
    rows = tuple(
        (
            step.path,
            mark_of(step.block).words,
            _milliseconds(step.latency),
            f"{100 * step.latency.ms / total:.1f} %",
        )
        for step in ranked
    )
    title = f"Latency step by step on {source.device}"
    return Card(title, tuple(words), steps_figure(steps), CardTable(columns, rows), (NOTE,))


def source_behind(origin: LatencyOrigin | None) -> LatencySource:
    """Return the source that gave a trial's latency, as this installation has it.

    Raises :class:`WalkbenchError` where it has none, or one of another revision.
    """
    if origin is None:
        raise WalkbenchError("the trial has no latency")
    if origin.by.startswith("table "):
        name = origin.by.removeprefix("table ").partition(",")[0]
        source = source_of(tables=[name])
    else:
        source = source_of(origin.device)
    if source.name != origin.by or origin.revision not in (None, source.revision):
        raise WalkbenchError(
            f"the latency is by {origin.by!r}, revision {origin.revision}; this installation has "
            f"{source.name!r}, revision {source.revision}"
        )
    return source


def costs_by_part(network: Network, source: LatencySource | None = None) -> Card:
    """Return the card of every part's params and MACs, and latency where ``source`` knows it."""
    steps = step_costs(network)
    parts = list(dict.fromkeys(step.part for step in steps))
    params = _by_part(parts, steps, lambda step: step.params)
    macs = _by_part(parts, steps, lambda step: step.macs)
    all_params, all_macs = sum(params.values()), sum(macs.values())
    shares = {
        "params": {part: params[part] / all_params for part in parts},
        "MACs": {part: macs[part] / all_macs for part in parts},
    }
    columns = [CardColumn("part"), CardColumn("params", right=True), CardColumn("MACs", right=True)]
    rows = [[part, millions(params[part]), giga(macs[part])] for part in parts]
    rows.append(["all", millions(all_params), giga(all_macs)])
    notes = ["Params and MACs are exact."]
    if source is not None:
        found = {step.path: step.latency for step in step_latencies(source, network)}
        times = _by_part(parts, steps, lambda step: found[step.path].ms)
        total = sum(times.values())
        shares["ms"] = {part: times[part] / total for part in parts}
        columns.append(CardColumn("ms", right=True))
        sign = SIGNS[_one_source(latency.source for latency in found.values())]
        for row, part in zip(rows, parts, strict=False):
            row.append(f"{sign} {times[part]:,.1f}")
        rows[-1].append(f"{sign} {total:,.1f}")
        notes.append(
            f"Milliseconds are sums of blocks on {source.device}: ■ measured, ○ estimated, ◧ both."
        )
    most = max(parts, key=lambda part: params[part])
    busiest = max(parts, key=lambda part: macs[part])
    words = (
        f"{most} holds {100 * shares['params'][most]:.0f} % of the parameters, {busiest} does "
        f"{100 * shares['MACs'][busiest]:.0f} % of the MACs."
    )
    table = CardTable(tuple(columns), tuple(map(tuple, rows)))
    title = "Parameters and MACs by part"
    return Card(title, (words,), parts_figure(shares), table, tuple(notes))


def _by_part(
    parts: Iterable[str], steps: Iterable[StepCost], value: Callable[[StepCost], float]
) -> dict[str, float]:
    sums: dict[str, float] = dict.fromkeys(parts, 0)
    for step in steps:
        sums[step.part] += value(step)
    return sums


def _one_source(sources: Iterable[str]) -> str:
    found = set(sources)
    return found.pop() if len(found) == 1 else "mixed"


def _milliseconds(latency: Latency) -> str:
    sign = SIGNS[latency.source]
    return f"{sign} {latency.ms:,.2f} ({latency.low:,.2f}–{latency.high:,.2f})"
