"""What people ask of a study from outside: an early end, a next design, notes on trials."""

import optuna
import pytest
from optuna_dashboard._note import get_note_from_system_attrs

from search_space.errors import WalkbenchError
from studies.config import parse_config
from studies.kept_notes import PIECE, keep_note
from studies.reading import open_for_reading, read_study
from studies.runner import run_study
from studies.steering import ask_to_stop, enqueue_design
from studies.writing import opened_to_write

CONFIG = """
study = {name = "sizes", trials = 3, sampler = "random"}
space = {name = "snapgen"}
objectives = {minimise = ["params", "macs"]}
enqueue = {designs = []}
"""


@pytest.fixture
def run(tmp_path):
    """Run a study of sizes in a storage, named designs none."""
    config = parse_config(CONFIG)
    url = f"sqlite:///{tmp_path}/s.db"

    def run(trials=3, **options):
        return run_study(config, storage=url, trials=trials, **options)

    run.url, run.name = url, config.name
    return run


def test_a_study_ends_after_the_running_trial_and_a_later_start_goes_on(run):
    class Asking:
        def training(self, progress):
            pass

        def trial_ended(self, trial, done, total):
            with opened_to_write(run.url, run.name) as study:
                ask_to_stop(study)

    assert run(watch=Asking()).done == 1
    assert run().done == 3


def test_workers_that_a_scheduler_starts_heed_a_wish_from_before(run):
    run(trials=1)
    with opened_to_write(run.url, run.name) as study:
        ask_to_stop(study)
    assert run(trials=2, task="a").ran == 0
    assert run(trials=2).ran == 1


def test_a_named_design_is_the_next_trial_once(run):
    run(trials=1)
    with opened_to_write(run.url, run.name) as study:
        number = enqueue_design(study, "F/mqa")
        with pytest.raises(WalkbenchError, match=f"trial {number} is F/mqa already"):
            enqueue_design(study, "F/mqa")
        with pytest.raises(WalkbenchError, match="snapgen"):
            enqueue_design(study, "sd15")
        with pytest.raises(WalkbenchError, match="F/mq"):
            enqueue_design(study, "F/mq")
    assert run(trials=2).study.trials[number].user_attrs["name"] == "F/mqa"


def test_a_study_of_another_tool_takes_no_design():
    with pytest.raises(WalkbenchError, match="does not ship"):
        enqueue_design(optuna.create_study(), "F/mqa")


def test_notes_of_any_length_are_those_of_optuna_dashboard(run):
    run(trials=2)
    long = "é" * (2 * PIECE + 3)
    with opened_to_write(run.url, run.name) as study:
        keep_note(study, 1, long, before="")
        attributes = study._storage.get_study_system_attrs(study._study_id)
        trial = study.trials[1]._trial_id
        assert get_note_from_system_attrs(attributes, trial) == {"version": 1, "body": long}
        keep_note(study, 1, "short", before=long)
        stored = read_study(open_for_reading(run.url), run.name)
        assert (stored.note(0), stored.note(1)) == ("", "short")
        with pytest.raises(WalkbenchError, match="somebody else has changed the note"):
            keep_note(study, 1, "mine", before=long)
        keep_note(study, 1, "", before="short")
        assert read_study(open_for_reading(run.url), run.name).note(1) == ""


def test_a_note_on_no_trial_and_one_too_long_are_refused(run):
    run(trials=1)
    with opened_to_write(run.url, run.name) as study:
        with pytest.raises(WalkbenchError, match="has no trial 9"):
            keep_note(study, 9, "x", before="")
        with pytest.raises(WalkbenchError, match="20,000 at most"):
            keep_note(study, 0, "x" * 20_001, before="")


def test_a_study_that_is_gone_is_named(run):
    run(trials=1)
    with (
        pytest.raises(WalkbenchError, match="holds no study 'gone'"),
        opened_to_write(run.url, "gone"),
    ):
        pass
