"""Reading a study again and again while it grows."""

from pathlib import Path

import optuna
import pytest

from search_space.errors import WalkbenchError
from studies.reading import open_for_reading, read_names, read_study
from studies.store import open_storage


@pytest.fixture
def url(tmp_path: Path) -> str:
    url = f"sqlite:///{tmp_path}/some.db"
    optuna.create_study(storage=open_storage(url, create=True), study_name="some")
    return url


def test_a_reader_sees_trials_that_another_process_adds(url: str):
    reader = open_for_reading(url)
    before = read_study(reader, "some")
    writer = optuna.load_study(study_name="some", storage=url)
    writer.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)
    after = read_study(reader, "some")
    assert (len(before.trials), len(after.trials)) == (0, 2)
    assert before.stamp != after.stamp
    assert after.trial(1) == after.trials[1]


def test_a_study_of_someone_else_is_read_without_designs(url: str):
    optuna.load_study(study_name="some", storage=url).tell(
        optuna.load_study(study_name="some", storage=url).ask(), 1.0
    )
    found = read_study(open_for_reading(url), "some")
    assert found.objectives == ("value_0",) and found.trials[0].spec is None


def test_a_study_that_is_not_there_is_named_with_those_that_are(url: str):
    reader = open_for_reading(url)
    assert read_names(reader) == ["some"]
    with pytest.raises(WalkbenchError, match=r"'som'.*some"):
        read_study(reader, "som")


def test_a_file_that_vanishes_is_a_message(url: str):
    reader = open_for_reading(url)
    Path(url.removeprefix("sqlite:///")).write_bytes(b"not a database, not at all" * 100)
    with pytest.raises(WalkbenchError, match="cannot be read"):
        read_names(reader)
