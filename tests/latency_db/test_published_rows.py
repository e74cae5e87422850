"""The published rows: complete, checked, and refused when they are not."""

import csv
from pathlib import Path

import pytest

from latency_db.published.rows import COLUMNS, TABLE, published_rows, read_rows
from search_space.errors import WalkbenchError

SHIPPED = Path(__file__).parents[2] / "latency_db" / "published" / TABLE


def test_all_560_rows_have_a_source_a_device_and_positive_milliseconds():
    rows = published_rows()
    assert len(rows) == 560
    assert all(row.source and row.source_url.startswith("https://") for row in rows)
    assert all(row.device and row.chip and row.latency_ms > 0 for row in rows)


def write(path: Path, **changes: str) -> Path:
    """The first shipped row with some cells changed."""
    with SHIPPED.open(newline="") as file:
        row = next(csv.DictReader(file))
    row.update(changes)
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS)
        writer.writeheader()
        writer.writerow(row)
    return path


def test_an_unchanged_row_reads_back(tmp_path):
    (row,) = read_rows(write(tmp_path / "rows.csv"))
    assert (row.model, row.latency_ms) == ("MobileOne-S0", 0.79)


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("source_paper_or_repo", "", "source_paper_or_repo is empty"),
        ("source_id", " ", "source_id is empty"),
        ("device", "", "device is empty"),
        ("chip", "", "chip is empty"),
        ("latency_ms", "", "latency_ms is ''; a positive number"),
        ("latency_ms", "0", "latency_ms is '0'"),
        ("latency_ms", "-3", "latency_ms is '-3'"),
        ("latency_ms", "nan", "latency_ms is 'nan'"),
        ("latency_ms", "0.8 s", "latency_ms is '0.8 s'"),
        ("source_url", "ftp://x", "source_url is 'ftp://x'"),
        ("suggested_use", "fit", "suggested_use is 'fit', not one of"),
    ],
)
def test_a_row_without_source_device_or_unit_is_refused_by_line(tmp_path, column, value, words):
    path = write(tmp_path / "rows.csv", **{column: value})
    with pytest.raises(WalkbenchError, match="line 2") as error:
        read_rows(path)
    assert words in str(error.value)


def test_a_file_without_the_latency_column_is_refused(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("model,chip\nx,A15\n")
    with pytest.raises(WalkbenchError, match="lacks the column"):
        read_rows(path)


def test_a_short_row_is_refused(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text(",".join(COLUMNS) + "\nMobileOne,x\n")
    with pytest.raises(WalkbenchError, match="line 2 does not have"):
        read_rows(path)


def test_a_missing_file_is_one_line(tmp_path):
    with pytest.raises(WalkbenchError, match="cannot read"):
        read_rows(tmp_path / "none.csv")


def test_an_unknown_chip_names_those_that_have_rows():
    with pytest.raises(WalkbenchError, match="A18 Pro"):
        published_rows("A18 Por")
