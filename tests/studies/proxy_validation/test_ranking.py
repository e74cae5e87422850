import numpy as np
import pytest
from scipy import stats

from latency_db.agreement import (
    interval,
    kendall,
    resamples,
    spearman,
    spearman_of_resamples,
)
from studies.proxy_validation.ranking import (
    better_half,
    concordance,
    partial_spearman,
    precision_at,
    regret,
)

DRAW = np.random.default_rng(0)


def test_rank_correlations_are_scipys():
    x, y = DRAW.integers(0, 6, 30).astype(float), DRAW.integers(0, 6, 30).astype(float)
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic)
    assert kendall(x, y) == pytest.approx(stats.kendalltau(x, y).statistic)


def test_correlations_of_resamples_are_those_of_one_at_a_time():
    x, y = DRAW.integers(0, 4, 8).astype(float), DRAW.standard_normal(8)
    y[2] = -np.inf
    draws = resamples(8)[:200]
    expected = [spearman(x[i], y[i]) for i in draws]
    assert spearman_of_resamples(x, y, draws) == pytest.approx(expected, nan_ok=True)
    constant = spearman_of_resamples(np.ones(8), y, draws)
    assert np.isnan(constant).all()


def test_a_failed_design_is_the_last_rank():
    truth = np.array([3.0, 2.0, 1.0, -np.inf])
    assert spearman(np.array([9.0, 8.0, 7.0, -np.inf]), truth) == pytest.approx(1.0)


def test_partial_correlation_vanishes_when_a_third_quantity_explains_both():
    cause = DRAW.standard_normal(20_000)
    x, y = (cause + DRAW.standard_normal(20_000) for _ in range(2))
    assert spearman(x, y) > 0.4
    assert abs(partial_spearman(x, y, cause)) < 0.05


def test_choosing_the_best_has_no_regret_and_the_worst_has_all():
    truth = np.array([1.0, 5.0, 3.0])
    assert regret(truth, truth) == 0
    assert regret(-truth, truth) == 1


def test_precision_counts_those_of_the_best_that_were_found():
    truth = np.arange(10.0)
    found = truth.copy()
    found[9] = -1  # the best is missed
    assert precision_at(5, found, truth) == 0.8


def test_the_better_half_is_by_truth():
    assert sorted(better_half(np.array([0.1, 0.9, 0.5, 0.7, 0.3])).tolist()) == [1, 2, 3]


def test_the_interval_covers_the_correlation_of_the_population():
    rho, inside = 0.8, 0
    for i in range(40):
        draw = np.random.default_rng(i)
        x = draw.standard_normal(40)
        y = rho * x + np.sqrt(1 - rho**2) * draw.standard_normal(40)
        low, high = interval(lambda k, x=x, y=y: spearman(x[k], y[k]), resamples(40)[:200])
        inside += low <= 6 / np.pi * np.arcsin(rho / 2) <= high
    assert inside >= 33  # 95 % of 40 is 38


def test_concordance_over_all_pairs_is_kendalls_tau_and_over_some_theirs():
    x, y = DRAW.standard_normal(12), DRAW.standard_normal(12)
    pairs = [(i, j) for i in range(12) for j in range(i)]
    assert concordance(x, y, pairs) == pytest.approx(kendall(x, y))
    truth = np.array([1.0, 2.0, 3.0])
    assert concordance(np.array([1.0, 3.0, 2.0]), truth, [(0, 1), (1, 2)]) == 0.0
    assert np.isnan(concordance(truth, truth, []))
