"""Columns straight from the database say what records say, however many trials there are."""

import dataclasses
import shutil
import sqlite3
from pathlib import Path

import numpy as np
import optuna
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.large_storage import multiply
from search_space.errors import WalkbenchError
from studies import pareto
from studies.dominance import undominated, volume_history
from studies.reading import open_for_reading, read_names, read_study, study_data
from studies.store import open_storage, open_study
from studies.study_table import StudyTable
from studies.summary import best_designs, study_status
from tests.dashboard.small_study import make_small_study

EXAMPLE = Path(__file__).parents[2] / "studies" / "example" / "example.db"
grids = st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=30)


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("table") / "small.db"
    make_small_study(str(path))
    return path


@pytest.fixture(params=["small", "example"])
def storage(request, small) -> str:
    return f"sqlite:///{small if request.param == 'small' else EXAMPLE}"


@given(grids, st.integers(1, 3))
def test_the_front_of_arrays_is_that_of_pairwise_comparison(points, objectives):
    array = np.array(points, dtype=float)[:, :objectives]
    rows = [tuple(row) for row in array.tolist()]
    wanted = [not any(pareto.dominates(q, p) for q in rows) for p in rows]
    assert undominated(array).tolist() == wanted


@given(grids, st.integers(1, 3))
def test_the_history_is_the_volume_of_every_beginning(points, objectives):
    array = np.array(points, dtype=float)[:, :objectives]
    reference = (5.5,) * objectives
    rows = [tuple(row) for row in array.tolist()]
    wanted = [pareto.hypervolume(rows[: n + 1], reference) for n in range(len(rows))]
    assert volume_history(array, reference) == pytest.approx(wanted)


@pytest.mark.slow
def test_columns_equal_records(storage):
    opened = open_for_reading(storage)
    (name,) = read_names(opened)
    study = read_study(opened, name)
    wanted = StudyTable.of_records(list(study.trials), study.objectives)
    for field in dataclasses.fields(StudyTable):
        found, expected = getattr(study.table, field.name), getattr(wanted, field.name)
        if field.name == "measured":
            assert list(found) == list(expected)
            for metric, column in expected.items():
                for part in ("value", "low", "high"):
                    np.testing.assert_array_equal(
                        getattr(found[metric], part), getattr(column, part), err_msg=metric
                    )
                assert found[metric].source.tolist() == column.source.tolist()
        elif field.name in ("values", "failed"):
            assert list(found) == list(expected)
            for key in expected:
                np.testing.assert_array_equal(found[key], expected[key])
        else:
            np.testing.assert_array_equal(found, expected, err_msg=field.name)


def test_records_equal_those_that_optuna_reads(storage):
    opened = open_for_reading(storage)
    (name,) = read_names(opened)
    found = read_study(opened, name)
    wanted = study_data(open_study(open_storage(storage), name))
    assert list(found.trials) == list(wanted.trials)
    assert found.trial(3) == wanted.trial(3)
    assert study_status(found) == study_status(wanted)
    assert best_designs(found) == best_designs(wanted)


def test_a_refresh_reads_what_is_new_and_what_had_not_finished(small, tmp_path):
    path = shutil.copy(small, tmp_path / "copy.db")
    opened = open_for_reading(f"sqlite:///{path}")
    study = optuna.load_study(study_name="small", storage=f"sqlite:///{path}")
    trial = study.ask()
    before = read_study(opened, "small").table
    assert len(before) == 8 and before.state[-1] == 3  # running
    study.tell(trial, state=optuna.trial.TrialState.FAIL)
    study.ask()
    after = read_study(opened, "small").table
    assert after.state[-2:].tolist() == [2, 3]
    np.testing.assert_array_equal(after.value("macs")[:7], before.value("macs")[:7])


def test_reading_writes_nothing(small):
    opened = open_for_reading(f"sqlite:///{small}")
    with pytest.raises(Exception, match="readonly"):
        opened.engine.connect().exec_driver_sql("DELETE FROM trials")


def test_a_storage_that_vanishes_while_open_is_an_error_of_one_line(small, tmp_path):
    path = Path(shutil.copy(small, tmp_path / "copy.db"))
    opened = open_for_reading(f"sqlite:///{path}")
    opened.engine.dispose()
    path.unlink()
    with pytest.raises(WalkbenchError, match="cannot be read"):
        read_study(opened, "small")


def test_tables_of_another_version_are_named(small, tmp_path):
    path = shutil.copy(small, tmp_path / "copy.db")
    with sqlite3.connect(path) as database:
        database.execute("UPDATE version_info SET schema_version = 3")
    with pytest.raises(WalkbenchError, match="tables of version 3"):
        open_for_reading(f"sqlite:///{path}")


def test_a_study_of_another_tool_has_its_values(tmp_path):
    url = f"sqlite:///{tmp_path}/other.db"
    other = optuna.create_study(study_name="theirs", storage=url, directions=["minimize"] * 2)
    other.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0), n_trials=3)
    study = read_study(open_for_reading(url), "theirs")
    assert study.objectives == ("value_0", "value_1")
    assert len(study.table) == 3 and not np.isnan(study.table.value("value_0")).any()
    assert study.table.metrics == () and not study.table.front(study.objectives).any()


def test_many_trials_have_the_front_of_their_records(small, tmp_path):
    path = Path(shutil.copy(small, tmp_path / "many.db"))
    multiply(path, 300)
    study = read_study(open_for_reading(f"sqlite:///{path}"), "small")
    wanted = {trial.number for trial in pareto.front(list(study.trials), study.objectives)}
    assert set(np.flatnonzero(study.table.front(study.objectives)).tolist()) == wanted
    assert study.table.volumes(study.objectives) == pytest.approx(
        pareto.hypervolume_history(list(study.trials), study.objectives)
    )
