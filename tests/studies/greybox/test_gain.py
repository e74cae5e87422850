import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from studies import pareto
from studies.greybox.gain import certain_gain, expected_gain, free_boxes

coordinate = st.integers(0, 9).map(float)


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_gain_of_a_certain_design_is_the_difference_of_two_hypervolumes(objectives, data):
    point = st.tuples(*[coordinate] * objectives)
    front = data.draw(st.lists(point, max_size=6))
    new = data.draw(point)
    reference = (8.0,) * objectives
    boxes = free_boxes(np.array(front).reshape(-1, objectives), np.array(reference))
    expected = pareto.hypervolume([*front, new], reference) - pareto.hypervolume(front, reference)
    assert certain_gain(boxes, np.array([new]))[0] == pytest.approx(expected)
    known, loss = np.array([new[1:]]), np.array([new[0]])
    assert expected_gain(boxes, known, loss, np.zeros(1))[0] == pytest.approx(expected)


def test_expected_gain_is_the_mean_over_losses():
    rng = np.random.default_rng(0)
    front, reference = rng.random((8, 3)), np.full(3, 1.1)
    boxes = free_boxes(front, reference)
    known, mean, sd = rng.random((5, 2)), rng.random(5), np.array([0.01, 0.05, 0.1, 0.3, 1.0])
    drawn = mean[:, None] + sd[:, None] * rng.standard_normal((5, 4_000))
    for i in range(5):
        points = np.column_stack([drawn[i], np.broadcast_to(known[i], (4_000, 2))])
        gains = certain_gain(boxes, points)
        error = gains.std() / np.sqrt(len(gains))
        assert expected_gain(boxes, known, mean, sd)[i] == pytest.approx(
            gains.mean(), abs=5 * error + 1e-6
        )


def test_more_uncertainty_is_worth_more_to_a_dominated_design():
    boxes = free_boxes(np.array([[0.2, 10.0]]), np.array([1.0, 20.0]))
    known, mean = np.array([[11.0], [11.0]]), np.array([0.3, 0.3])
    little, much = expected_gain(boxes, known, mean, np.array([0.01, 0.2]))
    assert little < 1e-6 < 0.1 < much
