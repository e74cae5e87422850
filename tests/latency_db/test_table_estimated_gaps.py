"""Tables and estimates together."""

import pytest

from latency_db.estimate import ChipEstimate
from latency_db.table import Table
from latency_db.table_row import MeasuringConditions, Row, network_key
from latency_db.table_source import TableSource
from search_space.errors import WalkbenchError
from search_space.plan import plan
from search_space.presets import all_named, named_spec

PHONE = MeasuringConditions("iPhone 13")


def rows_of(name: str, share: float, ms: float = 2.0) -> list[Row]:
    blocks = list(dict.fromkeys(block for block, _ in plan(named_spec(name)).blocks()))
    kept = blocks[: max(1, round(share * len(blocks)))]
    return [Row.of(b.key, PHONE, {1: [ms], 4: [4 * ms]}, run="a") for b in kept]


def test_measured_entries_win_and_coverage_grows_with_them():
    spec, coverages, sources = named_spec("sd15"), [], []
    for share in (0.3, 0.6, 1.0):
        latency = TableSource.of(Table.of(rows_of("sd15", share), "own"), "estimate").predict(spec)
        coverages.append(latency.coverage)
        sources.append(latency.source)
    assert coverages == sorted(coverages)
    assert coverages[-1] == 1.0
    assert sources == ["mixed", "mixed", "measured"]


def test_a_design_with_no_measured_block_is_the_estimate():
    other = Table.of([row for row in rows_of("sdxl", 0.05)], "own")
    spec = named_spec("dreamlite")
    shared = {b for b, _ in plan(spec).blocks()} & set(other.entries)
    assert not shared
    mixed = TableSource.of(other, "estimate").predict(spec)
    assert mixed == ChipEstimate.of("A15").predict(spec)


def test_a_table_of_no_iphone_needs_a_chip():
    table = Table.of(
        [
            Row.of(r.key, MeasuringConditions("a laptop"), {1: [1.0], 4: [4.0]}, run="a")
            for r in rows_of("sd15", 0.1)
        ],
        "own",
    )
    with pytest.raises(WalkbenchError, match="unknown device 'a laptop'"):
        TableSource.of(table, "estimate")
    assert TableSource.of(table, "estimate", "A15").estimate.chip == "A15"


def test_ten_whole_networks_correct_the_estimate():
    """A phone that is throughout 1.5 times as slow as estimated is found out."""
    chip = ChipEstimate.of("A15")
    names = [name for name in all_named() if name.startswith("F/")] + ["sd15", "sd21"]
    rows = []
    for name in names[:10]:
        spec = named_spec(name)
        whole_ms = 1.5 * chip.predict(spec).ms
        key, json = network_key(spec), spec.to_json()
        rows.append(Row.of(key, PHONE, {1: [whole_ms]}, run="a", spec=json))
    source = TableSource.of(Table.of(rows, "own"), "estimate")
    spec = named_spec("dreamlite")
    before, after = chip.predict(spec), source.predict(spec)
    assert after.ms == pytest.approx(1.5 * before.ms, rel=0.02)
    assert after.high / after.low < before.high / before.low
    assert (after.source, after.coverage) == ("mixed", 0.0)
