import itertools

import numpy as np
import pytest

from studies.proxy_validation.noise import (
    ceiling,
    gaps,
    paired,
    pooled,
    reliability,
    seeds_to_resolve,
    splits,
)
from studies.verdict import REAL, verdict


def losses(designs: int, seeds: int, noise: float, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    return draw.standard_normal((designs, 1)) + noise * draw.standard_normal((designs, seeds))


def named(values: np.ndarray) -> tuple[list[tuple[str, str]], dict[str, np.ndarray]]:
    """Pairs of neighbours and losses by name, for designs called by their place."""
    names = [str(i) for i in range(len(values))]
    return list(itertools.pairwise(names)), dict(zip(names, values, strict=True))


@pytest.mark.parametrize(("seeds", "number"), [(2, 1), (3, 3), (4, 3), (6, 10)])
def test_splits_are_disjoint_whole_and_different(seeds, number):
    found = [frozenset((frozenset(a), frozenset(b))) for a, b in splits(seeds)]
    assert len(found) == len(set(found)) == number
    assert all(sorted(a + b) == list(range(seeds)) for a, b in splits(seeds))


def test_the_ceiling_falls_with_noise():
    calm, loud = (ceiling(losses(200, 4, noise)) for noise in (0.1, 1.0))
    assert calm > 0.97
    assert 0.4 < loud < 0.8  # groups of two: 1 / (1 + 1/2), less a little for ranks


@pytest.mark.parametrize("seeds", [2, 3, 4, 6])
def test_reliability_undoes_the_split(seeds):
    noise = 0.7  # variance per seed, against one of the designs
    first, second = seeds // 2, seeds - seeds // 2
    agreement = 1 / np.sqrt((1 + noise / first) * (1 + noise / second))
    assert reliability(agreement, first, second, seeds) == pytest.approx(1 / (1 + noise / seeds))


def test_no_agreement_means_no_reliability():
    assert reliability(-0.1, 1, 1, 2) == 0
    assert reliability(1.0, 1, 1, 2) == 1


def test_noise_that_all_designs_share_with_a_seed_cancels():
    draw = np.random.default_rng(0)
    shared = 1 + 0.2 * draw.random((1, 5))  # the luck of a seed scales every loss
    levels = np.array([[1.0], [0.9], [0.9], [0.89]])
    found = gaps(*named(levels * shared))
    assert [round(g.relative, 3) for g in found] == [-0.1, 0.0, -0.011]
    assert verdict(found[0].low, found[0].high, seeds=5) == REAL


def test_nineteen_of_twenty_gaps_of_equal_designs_are_inside_noise():
    wrong = total = 0
    for i in range(40):
        noisy = 1 + 0.01 * np.random.default_rng(i).standard_normal((10, 3))
        found = gaps(*named(noisy))
        wrong += sum(verdict(g.low, g.high, seeds=3) == REAL for g in found)
        total += len(found)
    assert wrong / total < 0.09


def test_a_pair_with_a_failed_run_has_no_verdict():
    values = np.array([[1.0, 1.1], [np.inf, 1.0], [0.9, 1.0], [0.8, 0.9]])
    assert [g.after for g in gaps(*named(values))] == ["3"]


def test_seeds_to_resolve_a_difference_do_so_four_times_in_five():
    deviation, share = 0.02, 0.01
    seeds = seeds_to_resolve(share, deviation)
    draw = np.random.default_rng(0)
    means = share + deviation * draw.standard_normal((4000, seeds)).mean(axis=1)
    assert np.mean(means > 1.96 * deviation / np.sqrt(seeds)) == pytest.approx(0.8, abs=0.03)


def test_the_pooled_deviation_is_that_of_the_seeds():
    values = 1 + 0.01 * np.random.default_rng(1).standard_normal((400, 4))
    deviation, degrees = pooled(paired(*named(values)))
    assert deviation == pytest.approx(0.01 * np.sqrt(2), rel=0.1)
    assert degrees == 399 * 3
