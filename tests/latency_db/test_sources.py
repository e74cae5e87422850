"""One door to every latency source: a device, or tables, or both."""

import pytest

import latency_db
from latency_db.estimate import ChipEstimate
from latency_db.sources import source_of
from latency_db.table import Table
from latency_db.table_file import TableWriter
from latency_db.table_row import MeasuringConditions, Row
from latency_db.table_source import TableSource
from search_space.errors import WalkbenchError
from search_space.plan import plan
from search_space.presets import named_spec

SPEC = named_spec("sd15")


def write(path, device, count=None):
    blocks = list(dict.fromkeys(block for block, _ in plan(SPEC).blocks()))[:count]
    with TableWriter(path) as writer:
        for block in blocks:
            writer.append(
                Row.of(block.key, MeasuringConditions(device), {1: [1.5], 4: [4.5]}, run="a")
            )
    return path


def test_a_device_alone_is_estimated():
    source = latency_db.source_of("iphone-15-pro")
    assert source == ChipEstimate.of("A17 Pro", "iphone-15-pro")
    assert source.revision != source_of("iPhone 13").revision


def test_a_phones_table_is_used_where_it_has_entries_and_estimated_elsewhere(tmp_path):
    path = write(tmp_path / "phone.csv", "iPhone 13 Pro", 10)
    for device in (None, "iPhone 13 Pro", "A15"):
        latency = source_of(device, [path]).predict(SPEC)
        assert latency.source == "mixed" and 0 < latency.coverage < 1


def test_another_devices_table_is_refused_and_named(tmp_path):
    path = write(tmp_path / "phone.csv", "iPhone 13")
    with pytest.raises(WalkbenchError, match="measured on 'iPhone 13', not on 'iPhone 15'"):
        source_of("iPhone 15", [path])


def test_a_processors_table_refuses_what_it_lacks(tmp_path):
    path = write(tmp_path / "cpu.csv", "some processor", 10)
    with pytest.raises(WalkbenchError, match="has no entry"):
        source_of(tables=[path]).predict(SPEC)
    assert source_of("Some Processor", [path]).device == "some processor"


def test_two_tables_of_one_device_are_one(tmp_path):
    first, second = (write(tmp_path / f"{n}.csv", "iPhone 13", n) for n in (4, 6))
    assert (
        source_of(tables=[first, second]).table.entries.keys() == Table.load(second).entries.keys()
    )


def test_the_revision_of_a_table_with_gaps_follows_the_estimate(tmp_path, monkeypatch):
    table = Table.load(write(tmp_path / "t.csv", "iPhone 13", 5))
    before = TableSource.of(table, "estimate").revision
    monkeypatch.setattr(ChipEstimate, "revision", "another fit")
    assert TableSource.of(table, "estimate").revision != before


def test_neither_device_nor_table_is_an_error_that_says_what_to_give():
    with pytest.raises(WalkbenchError, match="needs a device"):
        source_of()
