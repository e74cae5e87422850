import io
import json
import sqlite3
from contextlib import closing

import optuna
import pytest

from search_space.errors import WalkbenchError
from studies.reading import study_data
from studies.records import StudyRecord
from studies.store import (
    DEFAULT_STORAGE,
    open_storage,
    open_study,
    storage_url,
    study_names,
)


def test_the_option_wins_over_the_environment_over_the_config_over_our_default(monkeypatch):
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    assert storage_url() == DEFAULT_STORAGE
    assert storage_url(None, "mine.db") == "sqlite:///mine.db"
    monkeypatch.setenv("OPTUNA_STORAGE", "sqlite:///env.db")
    assert storage_url(None, "mine.db") == "sqlite:///env.db"
    assert storage_url("given.db", "mine.db") == "sqlite:///given.db"


@pytest.mark.parametrize("text", ["bar", "runs/", "postgresql//db", "a b"])
def test_text_that_is_no_url_is_refused_with_what_would_be(text):
    with pytest.raises(WalkbenchError, match=r"sqlite:///FILE\.db"):
        storage_url(text)


def test_a_malformed_url_is_refused():
    with pytest.raises(WalkbenchError, match="malformed"):
        storage_url("postgresql://me@host:port/db")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:///{folder}/gone.db", "does not exist"),
        ("sqlite:///{folder}", "is a folder"),
        ("sqlite://", "lost at the end"),
        ("sqlite:///:memory:", "lost at the end"),
        ("oracle9://me@host/db", "no driver"),
        ("mysql://me@host/db", "not installed"),
        ("postgresql+psycopg://me:secret@127.0.0.1:1/db", "cannot be opened"),
    ],
)
def test_a_storage_that_cannot_be_opened_says_why_in_one_line(tmp_path, url, said):
    with pytest.raises(WalkbenchError, match=said) as caught:
        open_storage(url.format(folder=tmp_path))
    assert "\n" not in str(caught.value) and "secret" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_database_is_refused(tmp_path):
    (tmp_path / "notes.db").write_text("a list of things to do, long enough to be read\n" * 50)
    with pytest.raises(WalkbenchError, match="not a database"):
        open_storage(f"sqlite:///{tmp_path}/notes.db")


def test_a_new_storage_makes_its_folders_and_one_below_a_file_cannot_be_made(tmp_path):
    open_storage(f"sqlite:///{tmp_path}/a/b/new.db", create=True)
    assert (tmp_path / "a/b/new.db").is_file()
    with pytest.raises(WalkbenchError, match="cannot be created"):
        open_storage(f"sqlite:///{tmp_path}/a/b/new.db/c/d.db", create=True)


def test_tables_of_another_optuna_are_refused_with_the_command_that_upgrades_them(tmp_path):
    import sqlite3

    path = tmp_path / "old.db"
    open_storage(f"sqlite:///{path}", create=True)
    with sqlite3.connect(path) as base:
        base.execute("UPDATE alembic_version SET version_num = 'v3.0.0.c'")
    base.close()
    with pytest.raises(WalkbenchError, match="optuna storage upgrade"):
        open_storage(f"sqlite:///{path}")


def test_an_unknown_study_names_the_known_ones(tmp_path):
    storage = open_storage(f"sqlite:///{tmp_path}/s.db", create=True)
    with pytest.raises(WalkbenchError, match="holds none"):
        open_study(storage, "demo")
    for name in ("snapgen", "demo"):
        optuna.create_study(study_name=name, storage=storage)
    assert study_names(storage) == ["demo", "snapgen"]
    with pytest.raises(WalkbenchError, match="did you mean 'demo'"):
        open_study(storage, "dem")


def test_a_study_that_optuna_made_has_rows_with_values_and_is_on_no_front():
    study = optuna.create_study(directions=["minimize", "minimize"])
    study.optimize(lambda trial: (trial.suggest_float("x", 0, 1), 1.0), n_trials=2)
    read = study_data(study)
    assert read.shared == StudyRecord() and read.objectives == ("value_0", "value_1")
    found = read.trials
    assert found[1].values["value_1"] == 1.0 and "x" in found[1].params
    assert found[1].feasible is None and found[1].spec is None


def test_a_missing_trial_says_which_there_are():
    study = optuna.create_study(study_name="x")
    with pytest.raises(WalkbenchError, match="no trial 0; its trials: none yet"):
        study_data(study).trial(0)
    study.optimize(lambda trial: 1.0, n_trials=2)
    assert study_data(study).trial(1).number == 1
    with pytest.raises(WalkbenchError, match="0 … 1"):
        study_data(study).trial(2)


def test_optuna_dashboard_shows_which_trials_are_over_budget(tmp_path):
    """It reads constraints in Optuna's older form; whoever changes that can drop it here too."""
    optuna_dashboard = pytest.importorskip("optuna_dashboard")
    from studies.runner import run_study
    from tests.studies.fakes import FakeLatency, make_config

    config = make_config(tmp_path, objectives=("latency_ms", "params"), budgets="macs = 620e9")
    run = run_study(config, storage=str(tmp_path / "s.db"), latency=FakeLatency())
    application = optuna_dashboard.wsgi(open_storage(f"sqlite:///{tmp_path}/s.db"))
    request = {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": f"/api/studies/{run.study._study_id}",
        "QUERY_STRING": "after=0",
        "wsgi.url_scheme": "http",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "wsgi.errors": io.StringIO(),
        "wsgi.input": io.BytesIO(),
    }
    answer = b"".join(application(request, lambda *_: None))
    shown = json.loads(answer)["trials"]
    assert len(shown) == 6 and {row.feasible for row in study_data(run.study).trials} == {
        True,
        False,
    }
    for trial, ours in zip(shown, study_data(run.study).trials, strict=True):
        assert all(value <= 0 for value in trial["constraints"]) == ours.feasible


def test_a_database_of_another_program_is_left_as_it_is(tmp_path):
    path = tmp_path / "photos.db"
    with closing(sqlite3.connect(path)) as other:
        other.execute("create table albums (name text)")
    before = path.read_bytes()
    for create in (False, True):
        with pytest.raises(WalkbenchError, match=r"another program \(its tables: albums\)"):
            open_storage(f"sqlite:///{path}", create=create)
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_named(tmp_path):
    path = tmp_path / "notes.db"
    path.write_text("not a database, " * 100)
    with pytest.raises(WalkbenchError, match="file is not a database"):
        open_storage(f"sqlite:///{path}", create=True)
