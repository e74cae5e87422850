"""Which networks teach a new phone's estimate most: closed forms, and the best of all sets."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latency_db.anchors import anchor_candidates, best_anchors, fits, most_telling
from latency_db.device_model import chip_model
from latency_db.fitted import NETWORK_VARIANCE
from search_space.presets import all_named, named_spec

OWN = 0.25


def left_open(covariance, observed, targets):
    """Median deviation of ``targets`` after ``observed``, by adding precisions."""
    precision = np.linalg.inv(covariance) + observed.T @ observed / OWN
    variances = np.einsum("ij,jk,ik->i", targets, np.linalg.inv(precision), targets) + OWN
    return np.median(np.sqrt(variances))


def test_the_direction_of_the_target_is_observed_first_and_leaves_its_harmonic_part():
    variances = np.array([1.0, 4.0, 9.0])
    target = np.array([[0.0, 1.0, 0.0]])
    ((first, deviation),) = most_telling(np.diag(variances), np.eye(3), target, 1, OWN)
    assert first == 1
    assert deviation**2 == pytest.approx(1 / (1 / 4.0 + 1 / OWN) + OWN)


def test_the_same_observation_n_times_divides_its_variance_by_n():
    chosen = most_telling(np.eye(1), np.ones((5, 1)), np.ones((1, 1)), 5, OWN)
    for n, (_, deviation) in enumerate(chosen, start=1):
        assert deviation**2 == pytest.approx(1 / (1 + n / OWN) + OWN)


def test_what_is_known_already_is_asked_last():
    chosen = most_telling(np.diag([0.0, 1.0]), np.eye(2), np.eye(2), 2, OWN)
    assert [i for i, _ in chosen] == [1, 0]


@given(st.integers(0, 10**6), st.integers(1, 4))
def test_one_at_a_time_leaves_what_all_at_once_leave(seed, count):
    random = np.random.default_rng(seed)
    root = random.normal(size=(4, 4))
    covariance, slopes = root @ root.T + 0.1 * np.eye(4), random.normal(size=(6, 4))
    targets = random.normal(size=(5, 4))
    chosen = most_telling(covariance, slopes, targets, count, OWN)
    rows = [i for i, _ in chosen]
    assert len(set(rows)) == count
    assert chosen[-1][1] == pytest.approx(left_open(covariance, slopes[rows], targets))
    deviations = [deviation for _, deviation in chosen]
    assert deviations == sorted(deviations, reverse=True)
    first = min(range(6), key=lambda i: left_open(covariance, slopes[[i]], targets))
    assert rows[0] == first


def test_three_anchors_chosen_in_turn_are_near_the_best_three_of_all():
    model, candidates = chip_model("A17 Pro"), anchor_candidates()

    def slopes(networks):
        priced = (model.price_network(network, 1) for network in networks)
        return np.array([model.prediction(price)[1] for price in priced])

    observed, targets = slopes(candidates.values()), slopes(all_named().values())
    chosen = most_telling(model.covariance, observed, targets, 3)

    def deviation(rows):
        taught = model.covariance @ observed[rows].T
        inner = observed[rows] @ taught + NETWORK_VARIANCE * np.eye(3)
        left = model.covariance - taught @ np.linalg.solve(inner, taught.T)
        variances = np.einsum("ij,jk,ik->i", targets, left, targets) + NETWORK_VARIANCE
        return np.median(np.sqrt(variances))

    best = min(deviation(list(rows)) for rows in combinations(range(len(observed)), 3))
    assert best <= chosen[-1][1] <= 1.02 * best


def test_each_anchor_narrows_what_the_ones_before_it_left():
    lessons = best_anchors("A17 Pro", anchor_candidates(), [named_spec("sdxl")], 3)
    spreads = [lesson.spread for lesson in lessons]
    assert len({lesson.name for lesson in lessons}) == 3
    assert spreads == sorted(spreads, reverse=True)


def test_a_network_above_the_phones_memory_is_no_candidate():
    assert not fits(named_spec("sdxl"), "iPhone 15 Pro")
    assert fits(named_spec("snapgen-t2i"), "iPhone 15 Pro")
    assert fits(named_spec("sdxl"), "M2")  # whose memory nobody knows
