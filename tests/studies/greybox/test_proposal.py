import numpy as np
import pytest

from search_space.enumerate import enumerate_designs
from studies import pareto
from studies.greybox.proposal import NoDesignWithinBudgets
from tests.studies.greybox.small import PRICES, SWITCHES, history, loss_of, search

ALL = np.stack([SWITCHES.row(params) for params, _ in enumerate_designs(SWITCHES.space)])
PRICED = PRICES(ALL)[1]
TIGHT = {"params": float(np.quantile(PRICED[:, 0], 0.2))}


def run(trials, budgets=None, seed=0):
    """Return the designs that a study of one worker would train."""
    asked, rows = search(budgets, seed=seed), []
    for number in range(trials):
        rows.append(asked.propose(history(rows), seed * 1000 + number, number))
    return np.stack(rows)


def volume(rows):
    points = list(zip(map(loss_of, rows), PRICES(rows)[1][:, 0], strict=True))
    return pareto.hypervolume(points, (0.25, 1.1 * PRICED[:, 0].max()))


def test_no_design_is_over_budget_or_proposed_twice():
    rows = run(24, TIGHT)
    assert (PRICES(rows)[1][:, 0] <= TIGHT["params"]).all()
    assert len(np.unique(rows, axis=0)) == 24


def test_thirty_trials_find_the_front_of_an_additive_loss():
    reached = volume(run(30)) / volume(ALL)
    at_random = ALL[np.random.default_rng(0).choice(len(ALL), 30, replace=False)]
    assert reached > 0.99 > volume(at_random) / volume(ALL)


def test_a_proposal_depends_on_history_and_trial_alone():
    rows = run(14)
    again = search().propose(history(rows), 5, 14)
    assert (again == search().propose(history(rows), 5, 14)).all()


def test_what_another_worker_trains_is_not_proposed_and_is_taken_as_expected():
    rows = run(16)
    first = search().propose(history(rows), 7, 16)
    with_it = history([*rows, first], pending=(16,))
    second = search().propose(with_it, 7, 17)
    assert (second != first).any()


def test_a_worker_that_has_not_named_its_design_is_left_the_best_one():
    rows = run(16)
    plain = history(rows)
    waiting = type(plain)(plain.levels, plain.loss, plain.pending, plain.failed, unknown=1)
    assert (search().propose(plain, 7, 16) != search().propose(waiting, 7, 16)).any()


def test_designs_that_diverged_make_their_kind_look_worse():
    rows = run(16)
    deep = [row for row in ALL if row[0] == 1 and row[1] == 2]  # the best level of an axis
    expected = []
    for past in (history(rows), history([*rows, *deep[:8]], failed=range(16, 24))):
        asked = search()
        levels, values = PRICES(past.levels)
        model = asked._model(past, levels, values, np.isfinite(past.loss))
        kin = np.stack(deep[8:])
        expected.append(model.mean(kin, asked._features(PRICES(kin)[1])).mean())
    assert expected[0] < expected[1]


def test_trials_without_a_loss_do_not_stop_the_search():
    rows = run(12)
    unknown = history(rows, loss=[np.nan] * 12)  # all over budget, say
    row = search().propose(unknown, 1, 12)
    assert not (rows == row).all(axis=1).any()


def test_fixed_switches_are_kept():
    rows = run(12)
    fixed = np.full(len(SWITCHES.names), -1, np.int16)
    fixed[SWITCHES.names.index("mid")] = 0
    assert search().propose(history(rows), 3, 12, fixed)[0] == 0


def test_without_a_loss_the_front_of_computed_objectives_is_found():
    asked, rows = search(trained=False), []
    for number in range(6):
        rows.append(asked.propose(history(rows, loss=[0.0] * len(rows)), number, number))
    best = PRICED.min(axis=0)
    assert (PRICES(np.stack(rows))[1].min(axis=0) == best).all()


def test_a_space_that_is_used_up_gives_its_designs_again():
    row = search().propose(history(ALL), 0, len(ALL))
    assert (row == ALL).all(axis=1).any()


def test_rare_designs_within_budget_are_reached_by_descent():
    least = {"params": float(PRICED[:, 0].min())}
    row = search(least).propose(history([]), 0, 0)
    assert PRICES(row[None])[1][0, 0] == PRICED[:, 0].min()


def test_a_budget_that_nothing_keeps_names_the_closest_design():
    with pytest.raises(NoDesignWithinBudgets) as found:
        search({"params": 1.0}).propose(history([]), 0, 0)
    assert found.value.prices["params"] == PRICED[:, 0].min()
