"""`walkbench latency anchors` as a whole command: the list, the packages, the CSV to fill in."""

import csv
import json

import pytest
from typer.testing import CliRunner

from studies.cli.main import app


def run(*words):
    return CliRunner().invoke(app, ["latency", *map(str, words)])


@pytest.fixture
def converted(monkeypatch):
    """Names of folders and settings that packages were asked for, nothing converted."""
    from latency_db.packages import package_folder

    asked = []

    def write(parts, weights, settings, format, folder, progress=None):
        asked.append((folder, settings, len(parts)))
        return []

    monkeypatch.setattr(package_folder, "write_packages", write)
    return asked


def test_anchors_are_listed_best_first():
    result = run("anchors", "--device", "A15", "--count", "5", "--format", "json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    spreads = [row["spread"] for row in found]
    assert len(found) == 5 and spreads == sorted(spreads, reverse=True)
    assert {f"{row['spec']}@{row['latent']}" for row in found} == {row["anchor"] for row in found}


def test_each_anchor_is_a_folder_in_the_layout_that_estimates_assume(tmp_path, converted):
    result = run("anchors", "--device", "iPhone 15 Pro", "--to", tmp_path, "--format", "json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)
    assert [str(folder) for folder, _, _ in converted] == [row["folder"] for row in rows]
    assert [count for _, _, count in converted] == [row["programs"] for row in rows]
    assert all(folder.parent == tmp_path for folder, _, _ in converted)  # no slash of M/mqa
    assert {(s.layout, s.precision) for _, s, _ in converted} == {("ane", "fp16")}


def test_the_csv_calibrates_once_it_is_filled_in_and_is_never_overwritten(
    tmp_path, converted, monkeypatch
):
    monkeypatch.setenv("WALKBENCH_HOME", str(tmp_path / "home"))
    words = ("anchors", "--device", "iPhone 15 Pro", "--to", tmp_path, "--format", "json")
    rows = json.loads(run(*words).stdout)
    path = tmp_path / "anchors.csv"
    given = ("calibrate", "--device", "iPhone 15 Pro", "--measured", path)
    empty = run(*given)
    assert empty.exit_code == 2 and "line 2: ms of" in empty.stderr and "''" in empty.stderr
    with path.open(encoding="utf-8", newline="") as file:
        lines = list(csv.DictReader(file))
    for line, row in zip(lines, rows, strict=True):
        line["ms"] = 1.2 * row["estimate_ms"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, lines[0])
        writer.writeheader()
        writer.writerows(lines)
    assert "1.20 times the estimate" in run(*given).output
    before = path.read_text(encoding="utf-8")
    again = run(*words)
    assert path.read_text(encoding="utf-8") == before and "stays as it is" in again.stderr


def test_a_network_that_is_refused_is_named_and_not_in_the_csv(tmp_path, monkeypatch):
    from latency_db.backends.backend import CannotRun
    from latency_db.packages import package_folder

    def refuse(parts, weights, settings, format, folder, progress=None):
        raise CannotRun("part 1 cannot be converted to Core ML: no such operator")

    monkeypatch.setattr(package_folder, "write_packages", refuse)
    result = run("anchors", "--device", "A15", "--count", "1", "--to", tmp_path)
    assert result.exit_code == 0 and "not converted" in result.stderr
    assert (tmp_path / "anchors.csv").read_text(encoding="utf-8") == "spec,latent,device,ms\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--device", "iPhone 51"), "iPhone 51"),
        (("--device", "A15", "--count", "99"), "--count 99"),
        (("--device", "A15", "--count", "0"), "--count"),
        (("--device", "A15", "--space", "pockett"), "pockett"),
        (("--device", "A15", "--target", "ios99", "--to", "x"), "ios99"),
        ((), "--device"),
    ],
)
def test_bad_input_is_refused_in_words(words, said):
    result = run("anchors", *words)
    assert result.exit_code == 2 and said in result.stderr and "Traceback" not in result.stderr
