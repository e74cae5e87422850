"""`walkbench study`: documented JSON, resuming, and one line for every mistake."""

import contextlib
import csv
import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from search_space.errors import WalkbenchError
from search_space.spec import UNetSpec
from studies.cli.main import app
from tests.studies.fakes import config_text, make_config

SIZES = {"objectives": ("latency_ms", "params"), "budgets": "macs = 620e9"}


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Run `walkbench study …` on a storage in ``tmp_path``, where small.toml and study.toml lie."""
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    make_config(tmp_path)
    write_config(tmp_path)

    def call(*words, storage=True, code=0):
        given = ("--storage", str(tmp_path / "studies.db")) if storage else ()
        result = CliRunner().invoke(app, ["study", *words, *given])
        assert result.exit_code == code, result.stderr
        return result

    return call


def write_config(folder, **changes):
    (folder / "study.toml").write_text(config_text(**{**SIZES, **changes}))
    return str(folder / "study.toml")


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A storage in which the study of study.toml has run."""
    folder = tmp_path_factory.mktemp("finished")
    make_config(folder)
    words = ["study", "run", write_config(folder), "--storage", str(folder / "studies.db")]
    assert CliRunner().invoke(app, words).exit_code == 0
    return folder / "studies.db"


@pytest.fixture
def ran(study, tmp_path, finished):
    """The same as ``study``, after the study of study.toml has run."""
    shutil.copy(finished, tmp_path / "studies.db")
    return study


def one_line(result):
    line = result.stderr.strip().splitlines()[-1]
    assert line.startswith("error: ") and "Traceback" not in result.stderr
    return line


def test_run_says_what_it_did_as_json_and_running_again_does_nothing(study, tmp_path):
    config = str(tmp_path / "study.toml")
    first = json.loads(study("run", config, "--trials", "3", "--format", "json").stdout)
    assert (first["study"], first["done"], first["trials"], first["ran"]) == ("small", 3, 3, 3)
    more = json.loads(study("run", config, "--format", "json").stdout)
    assert (more["done"], more["ran"]) == (6, 3)
    again = study("run", config, "--format", "json")
    assert json.loads(again.stdout)["ran"] == 0
    assert "6 of 6 trials were done already; --trials 12 adds as many" in again.stderr


def test_a_worker_that_leaves_the_rest_to_others_says_so(study, tmp_path):
    from studies.store import open_storage, open_study

    config = str(tmp_path / "study.toml")
    study("run", config, "--trials", "1")
    taken = open_study(open_storage(f"sqlite:///{tmp_path}/studies.db"), "small").ask()
    taken.set_user_attr("worker", {"host": "another machine", "pid": 1})
    said = " ".join(study("run", config, "--trials", "3").stderr.split())
    assert "2 of 3 trials are done and other workers run the rest, so this one ends" in said


def test_a_suggested_command_is_quoted_for_the_shell(study, tmp_path):
    config = tmp_path / "study.toml"
    config.write_text(config.read_text().replace('"small"', '"my study"', 1))
    said = study("run", str(config), "--trials", "1").stderr
    assert "study best 'my study' --all --storage " in said


def test_help_of_run_names_every_shipped_config(study):
    said = " ".join(study("run", "--help").stdout.split())
    assert "demo, picture, snapgen" in said


def test_every_trial_is_one_line_on_stderr_and_the_front_a_table_on_stdout(study, tmp_path):
    result = study("run", str(tmp_path / "study.toml"))
    lines = [line for line in result.stderr.splitlines() if "trial " in line and "/6" in line]
    assert len(lines) == 6 and "F/mqa" in lines[0] and "over budget (macs by" in lines[0]
    assert "Pareto front of small" in result.stdout and "●" in result.stdout


def test_best_rows_hold_trial_spec_values_and_feasible(ran):
    best = json.loads(ran("best", "small", "--format", "json").stdout)
    assert best
    for row in best:
        assert isinstance(row["trial"], int) and row["feasible"] is True and row["on_front"] is True
        assert UNetSpec.from_dict(row["spec"]).digest() == row["digest"]
        assert set(row["values"]) == {"latency_ms", "params"}
        assert row["latency"]["source"] == "estimated"
    everything = json.loads(ran("best", "small", "--all", "--format", "json").stdout)
    assert [row["trial"] for row in everything] == list(range(6))
    assert {row["trial"] for row in everything if row["on_front"]} == {r["trial"] for r in best}
    assert any(row["feasible"] is False for row in everything)
    assert everything[0]["design"] == "F/mqa"


def test_rows_have_every_field_of_version_0_1(ran):
    best = set(
        [
            "trial",
            "design",
            "digest",
            "values",
            "feasible",
            "on_front",
            "state",
            "params",
            "macs",
            "latency",
            "score",
            "failed",
            "spec",
        ]
    )
    line = set(
        [
            "study",
            "done",
            "trials",
            "complete",
            "over_budget",
            "failed",
            "running",
            "waiting",
            "front",
            "objectives",
            "space",
            "device",
            "started",
            "last",
        ]
    )
    status = line | set(
        [
            "budgets",
            "space_digest",
            "latency_by",
            "proxy",
            "trained",
            "training_seconds",
            "hypervolume",
            "reference_point",
            "failures",
        ]
    )
    for fields, words in (
        (best, ("best", "small")),
        (line, ("list",)),
        (status, ("status", "small")),
    ):
        found = json.loads(ran(*words, "--format", "json").stdout)
        assert fields <= set(found[0] if isinstance(found, list) else found)
    latency = json.loads(ran("best", "small", "--format", "json").stdout)[0]["latency"]
    assert {"ms", "low", "high", "coverage", "source", "device", "by"} <= set(latency)


def test_csv_has_the_fields_of_json(ran):
    rows = list(csv.DictReader(io.StringIO(ran("best", "small", "--format", "csv").stdout)))
    loaded = json.loads(ran("best", "small", "--format", "json").stdout)
    assert [json.loads(row["spec"]) for row in rows] == [row["spec"] for row in loaded]
    assert list(rows[0]) == list(loaded[0])


def test_list_and_status_count_trials_by_what_became_of_them(ran):
    (line,) = json.loads(ran("list", "--format", "json").stdout)
    assert line["study"] == "small" and line["done"] == line["trials"] == 6
    assert line["complete"] + line["over_budget"] + line["failed"] == 6
    status = json.loads(ran("status", "small", "--format", "json").stdout)
    assert line.items() <= status.items()
    assert status["budgets"] == {"macs": 620e9} and status["failures"] == []
    assert status["hypervolume"] > 0 and set(status["reference_point"]) == {"latency_ms", "params"}


def test_an_empty_storage_lists_nothing_and_says_what_to_do(study, tmp_path):
    from studies.store import open_storage

    open_storage(f"sqlite:///{tmp_path}/studies.db", create=True)
    assert "walkbench study run demo" in study("list").stderr
    assert json.loads(study("list", "--format", "json").stdout) == []


def test_the_environment_names_the_storage(ran, tmp_path, monkeypatch):
    monkeypatch.setenv("OPTUNA_STORAGE", f"sqlite:///{tmp_path}/studies.db")
    assert json.loads(ran("list", "--format", "json", storage=False).stdout)[0]["done"] == 6


def test_the_default_storage_is_made_in_runs(study, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study("run", "study.toml", "--trials", "1", storage=False)
    assert (tmp_path / "runs" / "walkbench.db").is_file()


@pytest.fixture
def report(finished):
    """Run `walkbench report …` on the study of study.toml."""

    def call(*words, code=0):
        result = CliRunner().invoke(app, ["report", *words, "--storage", str(finished)])
        assert result.exit_code == code, result.stderr
        return result

    return call


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nope", "--to", "x.html"), "unknown study 'nope'"),
        (("small", "--to", "/proc/nowhere/x.html"), "cannot write"),
    ],
)
def test_a_report_that_cannot_be_written_is_one_line(report, words, said):
    assert said in one_line(report(*words, code=2))


def test_design_shows_one_design_and_the_commands_for_it(ran, tmp_path):
    cards = json.loads(ran("design", "small", "0", "--against", "sdxl", "--format", "json").stdout)
    titles = [card["title"] for card in cards]
    assert titles[0] == "F/mqa, trial 0" and titles[2] == "F/mqa against sdxl"
    commands = cards[-1]["commands"]
    assert commands[0].startswith("walkbench export 0 --study small --storage")
    assert commands[-1].startswith("walkbench ablate --around exported/small-0/spec.json")
    assert "Where" not in ran("design", "small", "0").stdout


def test_report_is_one_page_without_a_network(report, tmp_path):
    page = tmp_path / "out" / "report.html"
    report("small", "--to", str(page))
    text = page.read_text()
    assert "Study small" in text and "F/mqa" in text and "Provenance" in text
    assert not re.search(r"<script[^>]*\ssrc=", text)
    outside_scripts = re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL)
    assert "http" not in outside_scripts and "<link" not in outside_scripts


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("run", "nope"), "known: demo"),
        (("run", "nope.toml"), "No such file"),
        (("status", "nope"), "unknown study 'nope'"),
        (("best", "nope"), "unknown study 'nope'"),
        (("design", "nope", "0"), "unknown study 'nope'"),
        (("design", "small", "99"), "has no trial 99"),
        (("design", "small", "0", "--against", "F/mqb"), "did you mean 'F/mqa'"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(ran, words, said):
    assert said in one_line(ran(*words, code=2))


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("gone.db", "does not exist"),
        ("nowhere", "is no database URL"),
        ("foo://bar", "no driver"),
        ("postgresql://me:secret@127.0.0.1:1/db", "cannot be opened"),
    ],
)
def test_a_bad_storage_is_one_line_without_its_password(study, storage, said):
    for words in (("list",), ("status", "x"), ("best", "x")):
        result = study(*words, "--storage", storage, storage=False, code=2)
        assert said in one_line(result) and "secret" not in result.stderr


def test_a_storage_of_another_space_is_refused(ran, tmp_path):
    config = write_config(tmp_path, fix="{mid_depth = 4}")
    assert "of another space" in one_line(ran("run", config, code=2))


def test_an_option_out_of_range_is_a_usage_error(study, tmp_path):
    result = study("run", str(tmp_path / "study.toml"), "--trials", "0", code=2)
    assert "--trials" in result.stderr


def test_designs_left_out_are_listed(study, tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(config_text(**SIZES, designs=("sd21", "F/mqa")) + "strict = false\n")
    result = study("run", str(path), "--trials", "1", "--format", "json")
    assert json.loads(result.stdout)["left_out"][0].startswith("sd21: ")
    assert "left out: sd21" in result.stderr


@pytest.mark.command
def test_optunas_own_command_reads_the_storage_with_our_names(ran, tmp_path):
    url = f"sqlite:///{tmp_path}/studies.db"
    script = "import sys; from optuna.cli import main; sys.exit(main())"
    command = [sys.executable, "-W", "ignore", "-c", script, "trials", "--study-name", "small"]
    done = subprocess.run(
        [*command, "--storage", url, "--format", "json"],
        capture_output=True,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    assert done.returncode == 0, done.stderr
    trials = json.loads(done.stdout)
    assert len(trials) == 6 and set(trials[0]["values"]) == {"latency_ms", "params"}
    assert trials[0]["user_attrs"]["name"] == "F/mqa"


@pytest.mark.command
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_ctrl_c_ends_with_130_and_leaves_no_trial_running(study, tmp_path):
    from studies.reading import open_for_reading, read_study  # which makes no tables of its own

    config = write_config(
        tmp_path,
        objectives=("proxy_loss", "latency_ms"),
        budgets="latency_ms = 1e4",
        proxy="[proxy]\nsteps = 1000000\nwidth = 8\nbatch = 2\n",
    )
    script = "from studies.cli.main import app; app()"
    storage = str(tmp_path / "studies.db")
    running = subprocess.Popen(
        [sys.executable, "-c", script, "study", "run", config, "--storage", storage],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    url, found = f"sqlite:///{storage}", []
    deadline = time.monotonic() + 120
    while not any(trial.latency for trial in found) and time.monotonic() < deadline:
        time.sleep(0.3)  # until the first trial is priced and about to train
        with contextlib.suppress(WalkbenchError):
            found = read_study(open_for_reading(url), "small").trials
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130, said
    assert said.strip().endswith("what was finished is kept")
    (trial,) = read_study(open_for_reading(url), "small").trials
    assert trial.state == "FAIL" and trial.failed == "interrupted" and trial.spec


@pytest.mark.slow
def test_a_study_that_trains_runs_from_the_command_line(study, tmp_path):
    config = write_config(
        tmp_path,
        objectives=("proxy_loss", "latency_ms"),
        budgets="latency_ms = 1e4",
        proxy="[proxy]\nsteps = 2\nwidth = 8\nbatch = 2\n",
        fix='{"depth.1.down" = 2, "depth.2.down" = 4, "depth.2.up" = 4}',
    )
    study("run", config, "--trials", "2")
    found = json.loads(study("best", "small", "--all", "--format", "json").stdout)
    for row in found:
        assert row["score"]["fidelity"]["steps"] == 2 and row["score"]["stderr"] > 0
        assert row["values"]["proxy_loss"] == row["score"]["value"]
        assert "losses" not in row["score"]
