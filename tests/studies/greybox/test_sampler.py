import optuna
import pytest
from optuna.trial import TrialState

from search_space.errors import WalkbenchError
from search_space.presets import named_spec
from studies.greybox.sampler import GreyboxSampler
from tests.studies.greybox.small import PRICES, SPACE, SWITCHES, loss_of, search

OBJECTIVES = ("loss", "params")


def make(budgets=None, seed=0):
    return GreyboxSampler(search(budgets), OBJECTIVES, seed)


def study(sampler=None, **options):
    return optuna.create_study(directions=["minimize"] * 2, sampler=sampler or make(), **options)


def objective(trial):
    SPACE.suggest(trial)
    row = SWITCHES.row(trial.params)
    return loss_of(row), float(PRICES(row[None])[1][0, 0])


def test_optuna_optimises_with_it_over_a_conditional_space():
    made = study()
    made.optimize(objective, n_trials=14)
    rows = [SWITCHES.row(t.params) for t in made.trials]
    assert len({row.tobytes() for row in rows}) == 14
    assert {t.params["mid"] for t in made.trials} == {False, True}


def test_the_name_of_the_study_changes_nothing():
    found = []
    for name in ("one", "two"):
        made = study(study_name=name)
        made.optimize(objective, n_trials=12)
        found.append([t.params for t in made.trials])
    assert found[0] == found[1]


def test_enqueued_designs_are_taken_as_they_are_and_learnt_from():
    made = study()
    params = SPACE.params_of(named_spec("F/mqa"))
    made.enqueue_trial(params)
    made.enqueue_trial({"mid": False})
    made.optimize(objective, n_trials=3)
    assert made.trials[0].params == params
    assert made.trials[1].params["mid"] is False and len(made.trials[1].params) > 3


def test_two_workers_ask_for_different_designs():
    made = study()
    made.optimize(objective, n_trials=12)
    first, second = made.ask(), made.ask()  # both running, neither has named its design
    SPACE.suggest(first)
    SPACE.suggest(second)
    assert first.params != second.params


def test_failed_pruned_and_foreign_trials_are_read():
    made = study()
    made.optimize(objective, n_trials=11)
    for state in (TrialState.FAIL, TrialState.PRUNED):
        trial = made.ask()
        SPACE.suggest(trial)
        trial.set_user_attr("failed", "diverged")
        made.tell(trial, state=state)
    made.add_trial(optuna.create_trial(values=[1.0, 1.0]))  # another tool's, without parameters
    before = [t.params for t in made.trials]
    made.optimize(objective, n_trials=1)
    assert made.trials[-1].params not in before


def test_objectives_with_two_unknowns_are_refused():
    with pytest.raises(WalkbenchError, match="models one trained objective, got loss, quality"):
        GreyboxSampler(search(), ("loss", "quality", "params"), 0)
