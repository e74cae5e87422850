import itertools

import numpy as np
import pytest

from proxies.extrapolation import MIN_POINTS, extrapolate, extrapolate_score
from proxies.score import Fidelity, Score
from search_space.errors import WalkbenchError

STEPS = (60, 100, 150, 220, 330, 480, 700, 1000)


def power_law(floor, drop, exponent):
    return lambda steps: floor + drop * (np.asarray(steps) / 1000) ** -exponent


@pytest.mark.parametrize(
    ("floor", "drop", "exponent"), [(0.1, 0.1, 0.5), (0.0, 0.3, 0.2), (0.3, 0.02, 1.3)]
)
def test_a_power_law_without_noise_is_continued_exactly(floor, drop, exponent):
    law = power_law(floor, drop, exponent)
    for far in (2000, 10_000, 100_000):
        found = extrapolate(list(zip(STEPS, law(STEPS), strict=True)), far)
        assert found.value == pytest.approx(float(law(far)), rel=1e-3)
        assert found.high - found.low < 1e-2 * found.value
        assert (found.at_steps, found.points) == (far, len(STEPS))


def test_an_exponential_without_noise_is_continued_closely():
    curve = [(s, 0.1 + 0.4 * np.exp(-s / 300)) for s in STEPS]
    assert extrapolate(curve, 4000).value == pytest.approx(0.1, rel=1e-3)


@pytest.mark.thinned
@pytest.mark.parametrize("noise", [0.003, 0.02])
def test_the_80_percent_interval_holds_between_70_and_97_percent_of_random_laws(noise):
    random, held = np.random.default_rng(7), []
    for _ in range(25):
        steps = np.unique(np.geomspace(80, 1000, random.integers(6, 13)).round()).astype(int)
        law = power_law(*random.uniform((0.03, 0.1, 0.3), (0.25, 0.5, 1.2)))
        losses = law(steps) * (1 + noise * random.standard_normal(len(steps)))
        far = int(1000 * random.choice([2, 4, 10]))
        truth = law(far) * (1 + noise * random.standard_normal())
        found = extrapolate(list(zip(steps.tolist(), losses.tolist(), strict=True)), far)
        assert 0 <= found.low <= found.value <= found.high
        held.append(found.low <= truth <= found.high)
    assert 0.70 <= np.mean(held) <= 0.97


@pytest.mark.slow
def test_more_steps_never_promise_a_higher_loss():
    random = np.random.default_rng(3)
    for _ in range(4):
        law = power_law(*random.uniform((0.03, 0.1, 0.3), (0.25, 0.5, 1.2)))
        losses = law(STEPS) * (1 + 0.02 * random.standard_normal(len(STEPS)))
        curve = list(zip(STEPS, losses.tolist(), strict=True))
        values = [extrapolate(curve, far).value for far in (1100, 1500, 3000, 9000, 50_000)]
        assert all(a >= b for a, b in itertools.pairwise(values))


def test_the_interval_widens_with_noise_and_with_distance():
    law, noise = power_law(0.1, 0.1, 0.5), np.random.default_rng(0).standard_normal(len(STEPS))

    def width(size, far):
        curve = list(zip(STEPS, (law(STEPS) * (1 + size * noise)).tolist(), strict=True))
        found = extrapolate(curve, far)
        return found.high - found.low

    assert width(0.001, 2000) < width(0.01, 2000) < width(0.01, 20_000)


def test_a_plateau_before_the_fall_is_not_taken_for_a_fast_one():
    def law(steps):
        return 0.1 + 0.3 / (1 + (np.asarray(steps) / 300) ** 0.9)

    found = extrapolate(list(zip(STEPS, law(STEPS), strict=True)), 4000)
    assert found.value == pytest.approx(float(law(4000)), rel=0.02)


def test_the_same_curve_gives_the_same_answer_in_any_order():
    law = power_law(0.1, 0.1, 0.5)
    curve = list(zip(STEPS, law(STEPS).tolist(), strict=True))
    assert extrapolate(curve[::-1], 4000) == extrapolate(curve, 4000)


def test_a_score_is_extrapolated_from_its_curve_and_its_end():
    law = power_law(0.1, 0.1, 0.5)
    run = Fidelity(steps=1000, seconds=9.0, width=16, latent=24, batch=8, seed=0)
    curve = tuple((s, s / 100, float(law(s))) for s in STEPS[:-1])
    end = float(law(1000))
    found = extrapolate_score(Score.of_losses([end, end], run, curve=curve), 4000)
    assert found.value == pytest.approx(0.15, rel=1e-4)
    assert found.points == len(STEPS)


@pytest.mark.parametrize(
    ("curve", "at", "message"),
    [
        ([(100, 0.3), (200, 0.2), (400, 0.15), (800, 0.12)], 4000, "4 points .* too few"),
        ([(100, 0.3)] * 9, 4000, "1 points"),
        ([(900 + i, 0.3 - i / 100) for i in range(9)], 4000, "span too little"),
        ([(s, 0.3) for s in STEPS[:-1]] + [(1000, np.nan)], 4000, "finite losses"),
        ([(s, 0.1 + 1 / s) for s in STEPS], 1000, "not beyond the curve, which ends at 1000"),
        ([(s, 0.1 + s / 1000) for s in STEPS], 4000, "do not fall"),
    ],
)
def test_what_cannot_be_extrapolated_is_refused_with_the_reason(curve, at, message):
    assert MIN_POINTS == 5
    with pytest.raises(WalkbenchError, match=message):
        extrapolate(curve, at)


def test_a_run_that_is_still_on_the_first_plateau_is_refused():
    run = Fidelity(steps=1000, seconds=9.0, width=16, latent=24, batch=8, seed=0)
    curve = tuple((s, 0.1, 0.36 - s / 1e5) for s in STEPS[:-1])
    resting = Score.of_losses([0.34, 0.35], run, curve=curve, start=0.5)
    with pytest.raises(WalkbenchError, match=r"0.345 of 0.5 at the start.*until it is below 0.3"):
        extrapolate_score(resting, 4000)


def test_a_slow_fall_after_a_fast_one_is_within_the_interval():
    def law(steps):
        x = np.asarray(steps) / 1000
        return 0.02 * x**-1.2 + 0.1 * x**-0.3

    found = extrapolate(list(zip(STEPS, law(STEPS).tolist(), strict=True)), 4000)
    assert found.low <= law(4000) <= found.high


def test_a_failed_score_has_no_longer_run():
    run = Fidelity(steps=10, seconds=1.0, width=16, latent=24, batch=8, seed=0)
    with pytest.raises(WalkbenchError, match="loss is nan"):
        extrapolate_score(Score.failure("loss is nan", run), 100)
