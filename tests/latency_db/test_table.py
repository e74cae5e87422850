"""Tables: what is written can be read, what is damaged is refused by name, runs that differ too."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from latency_db.table import Table
from latency_db.table_file import TableWriter, read_rows, shipped_tables, unfinished_rows
from latency_db.table_import import import_table
from latency_db.table_row import COLUMNS, MeasuringConditions, Row, checksum, network_key
from search_space.blocks import ConvIn
from search_space.errors import WalkbenchError
from search_space.presets import named_spec

HERE = MeasuringConditions(
    device="a phone", os="iOS 18", runtime="coreml", versions="coremltools 9.0"
)
CONVS = [ConvIn(4, width, 32) for width in (32, 64, 96, 128, 160)]


def row(block=CONVS[0], ms=1.0, run="first", conditions=HERE, **more):
    """A row whose slope is ``ms`` and whose calls cost half a millisecond."""
    samples = {1: [0.5 + ms] * 3, 4: [0.5 + 4 * ms] * 3}
    return Row.of(block.key, conditions, samples, run=run, date="2026-01-01T00:00:00", **more)


def write(path, rows):
    with TableWriter(path) as writer:
        for each in rows:
            writer.append(each)
    return path


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [row(), row(CONVS[1], 2.0, pass_number=3), row(CONVS[2], 0.123456)]
    assert read_rows(write(tmp_path / "t.csv", rows)) == rows


def test_a_slope_leaves_the_price_of_a_call_out():
    made = row(ms=2.0)
    assert (made.slope_ms, made.floor_ms, made.median_ms) == (2.0, 0.5, 2.5)


def test_outliers_are_marked_and_kept():
    times = [1.0, 1.01, 0.99, 1.0, 1.02, 9.0]
    made = Row.of(CONVS[0].key, HERE, {1: times}, run="a")
    assert made.outliers == 1 and made.n == 6
    assert made.samples.endswith("9*")


def test_a_whole_network_keeps_its_spec(tmp_path):
    spec = named_spec("sd15")
    made = Row.of(network_key(spec), HERE, {1: [9.0]}, run="a", spec=spec.to_json())
    (network,) = Table.load(write(tmp_path / "t.csv", [row(), made])).networks
    assert network.spec == spec and network.ms == 9.0


def test_passes_and_runs_merge_to_their_median(tmp_path):
    rows = [row(ms=ms, run=run) for ms, run in ((1.0, "a"), (1.02, "a"), (1.08, "b"))]
    (entry,) = Table.load(write(tmp_path / "t.csv", rows)).entries.values()
    assert entry.ms == 1.02 and entry.n == 9 and entry.deviation_ms > 0


def test_two_files_merge_into_one_table(tmp_path):
    one, two = write(tmp_path / "a.csv", [row()]), write(tmp_path / "b.csv", [row(CONVS[1])])
    assert len(Table.load(one, two).entries) == 2


def test_runs_that_contradict_are_refused_or_widen_the_interval(tmp_path):
    path = write(tmp_path / "t.csv", [row(ms=1.0, run="a"), row(ms=1.2, run="b")])
    with pytest.raises(WalkbenchError, match=r"contradicts itself.*run a.*run b"):
        Table.load(path)
    table = Table.load(path, contradictions="widen")
    (entry,) = table.entries.values()
    assert len(table.contradictions) == 1
    assert entry.deviation_ms >= 0.1


def test_runs_fifteen_per_cent_apart_do_not_contradict(tmp_path):
    path = write(tmp_path / "t.csv", [row(ms=1.0, run="a"), row(ms=1.14, run="b")])
    assert not Table.load(path).contradictions


def test_conditions_are_never_mixed(tmp_path):
    half = MeasuringConditions(**{**vars(HERE), "precision": "fp16"})
    path = write(tmp_path / "t.csv", [row(), row(conditions=half)])
    with pytest.raises(WalkbenchError, match="precision: fp32, fp16"):
        Table.load(path)
    assert Table.load(path, where={"precision": "fp16"}).conditions == half
    with pytest.raises(WalkbenchError, match="no condition 'colour'"):
        Table.load(path, where={"colour": "red"})


@pytest.mark.parametrize("column", ["median_ms", "key", "device", "slope_ms", "samples"])
def test_an_edited_row_is_refused_by_line_and_key(tmp_path, column):
    path = write(tmp_path / "t.csv", [row(), row(CONVS[1])])
    edited = path.read_text().splitlines()
    cells = next(csv.reader([edited[2]]))
    cells[COLUMNS.index(column)] = cells[COLUMNS.index(column)].replace("1", "2", 1) + "7"
    out = [*edited[:2], ",".join(f'"{c}"' for c in cells)]
    path.write_text("\n".join(out) + "\n")
    with pytest.raises(WalkbenchError, match=r"t\.csv line 3 .*checksum"):
        read_rows(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"median_ms": "0"}, "median_ms is 0"),
        ({"median_ms": "-3", "p10_ms": "-4"}, "is -"),
        ({"p90_ms": "nan"}, "p90_ms is nan"),
        ({"p10_ms": "99"}, "out of order"),
        ({"n": "0"}, "n is 0"),
        ({"threads": "many"}, "threads is 'many'"),
        ({"key": "sofa width=3"}, "sofa"),
    ],
)
def test_a_value_that_cannot_be_is_refused_even_with_a_right_checksum(tmp_path, changes, message):
    cells = {**row().cells(), **changes}
    cells["check"] = checksum(cells)
    path = tmp_path / "t.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerow(cells)
    with pytest.raises(WalkbenchError, match=message):
        read_rows(path)


def test_an_empty_a_missing_and_a_foreign_file_each_say_what_to_do(tmp_path):
    empty = tmp_path / "empty.csv"
    empty.write_text("")
    with pytest.raises(WalkbenchError, match="is empty"):
        read_rows(empty)
    with pytest.raises(WalkbenchError, match="No such file"):
        read_rows(tmp_path / "none.csv")
    foreign = tmp_path / "foreign.csv"
    foreign.write_text("a,b\n1,2\n")
    with pytest.raises(WalkbenchError, match="latency import"):
        read_rows(foreign)
    with pytest.raises(WalkbenchError, match="not a latency table"):
        TableWriter(foreign)
    header = write(tmp_path / "header.csv", [])
    with pytest.raises(WalkbenchError, match="no rows yet"):
        read_rows(header)
    with pytest.raises(WalkbenchError, match="unknown latency table"):
        Table.load("no-such-table")


def test_a_table_cut_off_at_any_byte_is_refused_and_mended_without_losing_a_whole_row(tmp_path):
    whole = write(tmp_path / "t.csv", [row(), row(CONVS[1])]).read_bytes()
    path = tmp_path / "cut.csv"
    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        if size and not whole[:size].endswith(b"\n"):
            with pytest.raises(WalkbenchError):
                read_rows(path)
        kept = unfinished_rows(path)
        assert len(kept) == max(0, whole[:size].count(b"\n") - 1)
        write(path, [row(CONVS[2])])
        assert read_rows(path)[-1] == row(CONVS[2])


def test_two_runs_cannot_write_one_table_at_once(tmp_path):
    with TableWriter(tmp_path / "t.csv"), pytest.raises(WalkbenchError, match="another run"):
        TableWriter(tmp_path / "t.csv")


def test_a_table_that_cannot_be_written_says_so(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WalkbenchError, match="can be written"):
        TableWriter(tmp_path / "file" / "t.csv")


WRITE_FOREVER = """
import sys
from pathlib import Path
from latency_db.table_file import TableWriter
from latency_db.table_row import MeasuringConditions, Row
from search_space.blocks import ConvIn
with TableWriter(Path(sys.argv[1])) as writer:
    print("ready", flush=True)
    for i in range(1, 10**9):
        key = ConvIn(4, i, 8).key
        writer.append(Row.of(key, MeasuringConditions("cpu"), {1: [1.0 + i]}, run="a"))
"""


def test_a_writer_killed_at_any_moment_leaves_only_whole_rows(tmp_path):
    path = tmp_path / "t.csv"
    process = subprocess.Popen(
        [sys.executable, "-c", WRITE_FOREVER, str(path)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    while path.stat().st_size < 20_000:
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    rows = unfinished_rows(path)
    assert [r.block for r in rows] == [ConvIn(4, i, 8) for i in range(1, len(rows) + 1)]


def foreign(path, lines, header="key,median_ms,device"):
    path.write_text("\n".join([header, *lines]) + "\n")
    return path


def test_a_table_of_another_tool_is_imported(tmp_path):
    lines = [f"{block.key},{0.01 * block.out_channels},my phone" for block in CONVS]
    source = foreign(tmp_path / "in.csv", lines)
    import_table(source, tmp_path / "out.csv", {"runtime": "coreml"})
    table = Table.load(tmp_path / "out.csv")
    assert table.device == "my phone" and table.conditions.runtime == "coreml"
    assert table.conditions.precision == table.conditions.units_asked == "not recorded"
    assert table.entries[CONVS[0]].ms == pytest.approx(0.32)


@pytest.mark.parametrize("factor", [1000.0, 0.001])
def test_a_row_in_the_wrong_unit_is_refused_by_its_key_and_nothing_is_written(tmp_path, factor):
    times = {block: 0.01 * block.out_channels for block in CONVS}
    times[CONVS[3]] *= factor
    source = foreign(tmp_path / "in.csv", [f"{b.key},{ms},phone" for b, ms in times.items()])
    with pytest.raises(WalkbenchError, match=r"out_channels=128 .*check its unit"):
        import_table(source, tmp_path / "out.csv", {})
    assert not (tmp_path / "out.csv").exists()


@pytest.mark.parametrize(
    ("lines", "header", "message"),
    [
        ([], "key,median_ms,device", "no rows"),
        (["sofa width=3,1,phone"], "key,median_ms,device", "sofa"),
        ([f"{CONVS[0].key},0,phone"], "key,median_ms,device", "positive"),
        ([f"{CONVS[0].key},fast,phone"], "key,median_ms,device", "'fast'"),
        ([f"{CONVS[0].key},1,"], "key,median_ms,device", "no device"),
        ([f"{CONVS[0].key},1,phone"], "key,micros,device", "median_ms"),
        ([f"{CONVS[0].key},1,red"], "key,median_ms,colour", "'colour'"),
        ([f"{CONVS[0].key},1,-2,phone"], "key,median_ms,slope_ms,device", "slope_ms is -2"),
    ],
)
def test_what_cannot_be_imported_is_named(tmp_path, lines, header, message):
    source = foreign(tmp_path / "in.csv", lines, header)
    with pytest.raises(WalkbenchError, match=message):
        import_table(source, tmp_path / "out.csv", {})


def test_an_import_into_an_existing_table_is_refused(tmp_path):
    out = write(tmp_path / "out.csv", [row()])
    with pytest.raises(WalkbenchError, match="exists"):
        import_table(out, out, {})


def test_every_shipped_table_reads():
    for name in shipped_tables():
        table = Table.load(name)
        assert table.entries and table.device
