"""The code of versions: docs/versions.md has the numbers in force; newer files are refused."""

import importlib
import json
import re
from pathlib import Path

import pytest

from latency_db.table_file import read_rows
from latency_db.table_row import COLUMNS, MeasuringConditions, Row
from search_space.errors import WalkbenchError
from search_space.exported import read_spec
from search_space.load import load_network
from search_space.network import network_from_dict
from search_space.presets import named_networks
from studies.proxy_validation.plan import load_plan

ROOT = Path(__file__).parents[1]
DOC = (ROOT / "docs" / "versions.md").read_text(encoding="utf-8")
NUMBERS = re.findall(r"`([\w.]+)\.(FORMAT|VERSION)` = (\d+)", DOC)
FIXTURES = ROOT / "tests" / "fixtures" / "v0_1"


def test_the_page_lists_every_format_number_in_the_code():
    listed = {f"{module}.{name}" for module, name, _ in NUMBERS}
    found = {
        f"{'.'.join(path.relative_to(ROOT).with_suffix('').parts)}.{name}"
        for package in ("search_space", "latency_db", "proxies", "studies")
        for path in (ROOT / package).rglob("*.py")
        for name in re.findall(r"^(FORMAT|VERSION) = \d", path.read_text("utf-8"), re.MULTILINE)
    }
    assert listed == found - {"proxies.train_yaml.FORMAT"}  # a file that people write


@pytest.mark.parametrize(("module", "name", "number"), NUMBERS)
def test_a_number_on_the_page_is_the_one_in_force(module, name, number):
    assert getattr(importlib.import_module(module), name) == int(number)


@pytest.mark.parametrize("name", ["F/mqa", "snapgen-decoder"])
def test_a_newer_spec_is_refused_with_both_numbers(name):
    data = {**named_networks()[name].to_dict(), "format": 99}
    with pytest.raises(WalkbenchError, match="format 99 is not known; this version reads 1"):
        network_from_dict(data)


def test_a_newer_export_is_refused_with_both_numbers(tmp_path):
    (tmp_path / "export.json").write_text('{"format": 99}')
    with pytest.raises(WalkbenchError, match="export format 99, this version reads up to 2"):
        read_spec(tmp_path)


def test_a_newer_plan_is_refused(tmp_path):
    plan = json.loads((FIXTURES / "validation" / "plan.json").read_text())
    (tmp_path / "plan.json").write_text(json.dumps({**plan, "format": 99}))
    with pytest.raises(WalkbenchError):
        load_plan(tmp_path)


def test_a_spec_of_version_0_1_keeps_its_digest_when_written_again(tmp_path):
    for path in sorted((FIXTURES / "specs").iterdir()):
        network = load_network(str(path))
        copy = tmp_path / path.name
        copy.write_text(json.dumps(network.to_dict()))
        assert load_network(str(copy)).digest() == network.digest()


def test_a_table_with_a_column_more_is_read_and_one_with_a_column_less_names_it(tmp_path):
    row = Row.of("conv_in in_channels=4 out_channels=64 size=32", MeasuringConditions("cpu"),
                 {1: [1.0]}, run="a")  # fmt: skip
    cells = {name: f'"{value}"' for name, value in row.cells().items()}
    path = tmp_path / "table.csv"
    path.write_text(f"{','.join(COLUMNS)},later\n{','.join(cells.values())},1\n")
    assert read_rows(path) == [row]
    path.write_text(f"{','.join(COLUMNS[:-1])}\n{','.join(list(cells.values())[:-1])}\n")
    with pytest.raises(WalkbenchError, match=f"no column '{COLUMNS[-1]}'"):
        read_rows(path)
