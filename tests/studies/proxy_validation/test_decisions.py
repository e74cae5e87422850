import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search_space.sample import draw
from search_space.space import SearchSpace
from studies.proxy_validation.decisions import accuracy, recall, regret_percent, resolved_pairs
from studies.proxy_validation.spec_ridge import left_one_out, switches


def losses(designs=24, seeds=3, noise=0.0, seed=0):
    rng = np.random.default_rng(seed)
    return 0.1 + 0.001 * np.arange(designs)[:, None] + noise * rng.normal(size=(designs, seeds))


def test_pairs_within_noise_are_not_resolved_and_do_not_count():
    long = losses(noise=0.002)
    apart = resolved_pairs(long)
    assert (apart == apart.T).all() and not apart.diagonal().any()
    assert 0.3 < apart.mean() < 0.95
    swapped = long.mean(axis=1)
    i, j = np.argwhere(~apart & ~np.eye(24, dtype=bool))[0]
    swapped[[i, j]] = swapped[[j, i]]
    kept = [k for k in range(24) if k not in (i, j)]
    assert accuracy(swapped[kept], long[kept])[0] == 1.0


def test_a_proxy_that_knows_the_truth_is_right_and_one_that_knows_nothing_is_right_by_half():
    long = losses(noise=0.001)
    assert accuracy(long.mean(axis=1), long) == (1.0, 1.0, 1.0)
    assert accuracy(-long.mean(axis=1), long)[0] == 0.0
    chance = np.mean(
        [accuracy(np.random.default_rng(s).normal(size=24), long)[0] for s in range(20)]
    )
    assert chance == pytest.approx(0.5, abs=0.08)
    assert accuracy(np.ones(24), long)[0] == 0.0  # a tie decides nothing


def test_one_seed_and_failed_runs_resolve_nothing():
    assert not resolved_pairs(losses(seeds=1)).any()
    assert math.isnan(accuracy(np.arange(24.0), losses(seeds=1))[0])
    long = losses(noise=1e-6)
    long[3, 1] = math.inf
    apart = resolved_pairs(long)
    assert not apart[3].any() and apart[4, 5]


def test_recall_counts_the_true_best_among_the_first_of_the_proxy():
    truth = np.arange(40.0)
    assert recall(truth, truth) == 8 and recall(-truth, truth) == 0
    late = truth.copy()
    late[:3] = 100
    assert recall(late, truth) == 5


@given(st.permutations(range(10)))
def test_regret_is_what_the_best_of_three_costs(order):
    truth = 1.0 + 0.01 * np.arange(10)
    found = regret_percent(np.argsort(order).astype(float), truth)
    assert found == pytest.approx(min(order[:3]))


def test_a_ridge_on_switches_finds_an_additive_truth_and_not_an_arbitrary_one():
    specs = list(dict.fromkeys(draw(SearchSpace.load("pocket"), 60, 5)))[:40]
    columns = switches(specs)
    assert 10 < columns.shape[1] < 60
    rng = np.random.default_rng(0)
    scaled = (columns - columns.mean(axis=0)) / columns.std(axis=0)
    truth = scaled @ rng.normal(size=columns.shape[1])
    assert np.corrcoef(left_one_out(columns, truth), truth)[0, 1] > 0.9
    arbitrary = rng.normal(size=40)
    assert np.corrcoef(left_one_out(columns, arbitrary), arbitrary)[0, 1] < 0.5


def test_a_design_s_own_result_does_not_reach_its_prediction():
    columns = np.random.default_rng(0).normal(size=(12, 3))
    truth = columns @ [1.0, 2.0, 3.0]
    before = left_one_out(columns, truth)[4]
    truth[4] += 100
    assert left_one_out(columns, truth)[4] == before
