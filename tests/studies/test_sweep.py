import pandas as pd
import pytest
from typer.testing import CliRunner

from latency_db.sources import source_of
from search_space.cost import cost
from search_space.errors import WalkbenchError
from studies.cli.main import app
from studies.greybox.switches import Switches
from studies.sweep import sweep, write_sweep
from tests.studies.greybox.small import SPACE


def test_a_sweep_prices_as_the_library_does():
    import json

    source = source_of("iPhone 15 Pro")
    table = sweep(SPACE, 5, latency=source)
    switches = Switches.of(SPACE)
    for _, row in table.iterrows():
        named = {name: row[f"axis.{name}"] for name in switches.names}
        params = {name: json.loads(v) for name, v in named.items() if isinstance(v, str)}
        _, design = switches.settle(switches.row(params))
        assert row["digest"] == design.digest()
        assert row["macs"] == cost(design).macs
        assert row["latency_ms"] == source.predict(design).ms


def test_all_designs_come_once():
    table = sweep(SPACE, None)
    assert len(table) == SPACE.size() == table["digest"].nunique()


def test_budgets_leave_designs_out_and_the_number_counts_those_within():
    every = sweep(SPACE, None)
    limit = float(every["params"].quantile(0.3))
    assert (sweep(SPACE, 10, budgets={"params": limit})["params"] <= limit).all()
    with pytest.raises(WalkbenchError, match="gave only 0 different designs within the budgets"):
        sweep(SPACE, 1, budgets={"params": 1.0})


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_both_formats_read_back(tmp_path, suffix):
    table, path = sweep(SPACE, 4), tmp_path / f"designs{suffix}"
    write_sweep(table, path)
    read = pd.read_parquet(path) if suffix == ".parquet" else pd.read_csv(path)
    assert list(read["digest"]) == list(table["digest"])
    assert list(read.columns) == list(table.columns)


def test_the_command_writes_the_file_it_names(tmp_path):
    path = tmp_path / "designs.csv"
    words = ["space", "sweep", "pocket", "-n", "3", "--to", str(path)]
    assert CliRunner().invoke(app, words).exit_code == 0
    assert len(pd.read_csv(path)) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["pocket", "--to", "designs.xlsx"], "neither .parquet nor .csv"),
        (["pocket", "--to", "nowhere/designs.csv"], "no folder nowhere"),
        (["snapgen", "--all", "--to", "designs.csv"], "designs, 1e\\+07 can be enumerated"),
        (["pocket", "--latency-ms", "9", "--to", "designs.csv"], "needs a device"),
    ],
)
def test_what_cannot_be_swept_is_said_in_one_line(words, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["space", "sweep", *words])
    assert done.exit_code == 2
    import re

    assert re.search(message, " ".join(done.stderr.split()))
    assert not list(tmp_path.iterdir())
