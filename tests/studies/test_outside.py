"""Trials that `optuna tell` adds: scored when they are read, and never silently feasible."""

import optuna
import pytest

from search_space.cost import cost
from search_space.space import FixedValues
from studies.reading import open_for_reading, read_study, study_data
from studies.runner import run_study
from studies.summary import best_designs
from studies.trial_notes import write_missing_notes
from tests.studies.fakes import FakeLatency, make_config

LIMIT = 400e6
SIZES = {"objectives": ("params", "macs"), "designs": (), "sampler": "random", "trials": 2}


@pytest.fixture
def study(tmp_path):
    config = make_config(tmp_path, **{**SIZES, "budgets": f"params = {LIMIT}"})
    run_study(config, storage=str(tmp_path / "s.db"), latency=FakeLatency())
    url = f"sqlite:///{tmp_path / 's.db'}"
    return config, optuna.load_study(study_name="small", storage=url), url


def told(study, space, values):
    """Do what `optuna ask --search-space` and `optuna tell` do; return number and parameters."""
    trial = study.ask(fixed_distributions=space)
    study.tell(trial, values)
    return trial.number, trial.params


def both(study, url):
    """The study as a worker reads it, and as pages and commands do."""
    return study_data(study), read_study(open_for_reading(url), "small")


def test_a_told_trial_is_priced_and_what_it_was_told_of_sizes_is_replaced(study):
    config, opened, url = study
    number, params = told(opened, opened.trials[0].distributions, [1.0, 1.0])
    design = config.space.suggest(FixedValues(params))
    for data in both(opened, url):
        trial, priced = data.trial(number), cost(design)
        assert trial.outside and trial.digest == design.digest()
        assert trial.values == {"params": priced.params, "macs": priced.macs}
        assert trial.feasible is (priced.params <= LIMIT)
        assert data.table.value("params")[number] == priced.params
        assert data.table.feasible[number] == int(priced.params <= LIMIT)


def test_a_told_trial_that_cannot_be_scored_stands_on_no_front(study):
    _, opened, url = study
    nonsense = {"nonsense": optuna.distributions.IntDistribution(0, 1)}
    number, _ = told(opened, nonsense, [1.0, 1.0])
    for data in both(opened, url):
        assert data.trial(number).feasible is None and not data.trial(number).outside
        assert number not in {trial.number for trial in best_designs(data)}


def test_an_asked_trial_that_nobody_told_is_left_alone_and_costs_no_place(study, tmp_path):
    config, opened, _ = study
    number = opened.ask().number
    run = run_study(config, trials=4, storage=str(tmp_path / "s.db"), latency=FakeLatency())
    trials = study_data(run.study).trials
    assert run.done == 4 and trials[number].state == "RUNNING"


def test_notes_are_in_the_form_of_optuna_dashboard(study):
    _, opened, _ = study
    note = pytest.importorskip("optuna_dashboard._note")
    records = list(study_data(opened).trials)
    assert write_missing_notes(opened, records) == 2
    assert write_missing_notes(opened, records) == 0
    attributes = opened._storage.get_study_system_attrs(opened._study_id)
    body = note.get_note_from_system_attrs(attributes, opened.trials[0]._trial_id)["body"]
    assert body.startswith("**") and "params" not in body and "stage 1: 128²" in body
