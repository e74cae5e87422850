import numpy as np
import pytest

from studies.greybox import surrogate
from studies.greybox.surrogate import Scales, Surrogate

SIZES, ORDERED = (2, 3, 4, 2), (False, False, True, False)


def designs(number, seed=0):
    rng = np.random.default_rng(seed)
    levels = np.stack([rng.integers(-1, size, number) for size in SIZES], axis=1).astype(np.int16)
    return levels, rng.normal(size=(number, 2))


def test_kernel_equals_its_formula_pair_by_pair():
    levels, costs = designs(6)
    scales = Scales(0.7, 0.3, 0.2, 0.1, (0.5, 1.0, 2.0, 0.8))
    kernel = surrogate._kernel(SIZES, ORDERED, scales, (levels, costs), (levels, costs))
    for i in range(6):
        for j in range(6):
            alike = [float(a == b) for a, b in zip(levels[i], levels[j], strict=True)]
            if levels[i][2] >= 0 and levels[j][2] >= 0:  # the ordered axis
                alike[2] = 1 - abs(int(levels[i][2]) - int(levels[j][2])) / 4
            parts = [w * a for w, a in zip(scales.weights, alike, strict=True)]
            pairs = sum(parts[a] * parts[b] for a in range(4) for b in range(a))
            expected = surrogate.CONSTANT + 0.7 * sum(parts) / 4 + 0.3 * pairs * 2 / 12
            expected += 0.2 * costs[i] @ costs[j] / 2
            assert kernel[i, j] == pytest.approx(expected)


def test_gradient_of_the_posterior_is_that_of_its_values(monkeypatch):
    levels, costs = designs(20)
    y = np.random.default_rng(1).normal(size=20)
    seen = []

    def spy(function, start, **options):
        seen.append((function, np.array(start)))
        return minimize(function, start, **options)

    minimize = surrogate.minimize
    monkeypatch.setattr(surrogate, "minimize", spy)
    surrogate.learn_scales(SIZES, ORDERED, levels, costs, y)
    function, start = seen[0]
    start = start + 0.1
    _, gradient = function(start)
    for i in range(len(start)):
        step = np.eye(len(start))[i] * 1e-5
        slope = (function(start + step)[0] - function(start - step)[0]) / 2e-5
        assert gradient[i] == pytest.approx(slope, rel=1e-4, abs=1e-5)


def test_an_axis_without_effect_gets_a_small_weight_and_pairs_are_found():
    levels, _ = designs(80)
    levels = np.maximum(levels, 0)
    loss = 1.0 * levels[:, 0] + 2.0 * (levels[:, 0] * levels[:, 3])
    fitted = Surrogate.fit(SIZES, ORDERED, levels, np.zeros((80, 1)), loss.astype(float))
    weights = fitted.scales.weights
    assert min(weights[0], weights[3]) > 2 * max(weights[1], weights[2])
    new = np.array([[1, 2, 3, 1], [0, 1, 0, 1]], np.int16)
    assert fitted.mean(new, np.zeros((2, 1))) == pytest.approx([3.0, 0.0], abs=0.1)


def test_uncertainty_shrinks_with_observations_and_the_bound_holds():
    levels, costs = designs(60)
    loss = np.random.default_rng(2).normal(size=60)
    fitted = Surrogate.fit(SIZES, ORDERED, levels, costs, loss)
    fresh, their_costs = designs(50, seed=3)
    _, sd = fitted.predict(fresh, their_costs)
    bound = fitted.bound(fresh, their_costs, 20)
    assert (bound >= sd - 1e-9).all()
    assert fitted.bound(fresh, their_costs, 60) == pytest.approx(sd)


def test_equal_losses_are_no_error():
    levels, costs = designs(12)
    fitted = Surrogate.fit(SIZES, ORDERED, levels, costs, np.full(12, 0.3))
    assert fitted.mean(levels, costs) == pytest.approx(np.full(12, 0.3))
