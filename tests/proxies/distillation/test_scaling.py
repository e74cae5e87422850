import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from proxies.distillation.scaling import BINS, DECAY, LEAST, MOST, Scaling, alpha

TIMES = st.floats(0, 1)


@given(TIMES)
def test_alpha_is_the_logit_normal_density_over_its_peak(t):
    inside = min(max(t, 1e-9), 1 - 1e-9)
    logit = math.log(inside / (1 - inside))
    density = math.exp(-(logit**2) / 2) / (math.sqrt(2 * math.pi) * inside * (1 - inside))
    found = alpha(torch.tensor([t], dtype=torch.float64)).item()
    assert found == pytest.approx(density / (4 / math.sqrt(2 * math.pi)), abs=1e-9)
    assert 0 <= found <= 1


def test_alpha_is_symmetric_and_largest_in_the_middle():
    t = torch.linspace(0, 1, 101, dtype=torch.float64)
    assert torch.allclose(alpha(t), alpha(1 - t), atol=1e-12)
    assert alpha(t).argmax() == 50


@given(st.floats(2 * LEAST, MOST / 2), st.lists(TIMES, min_size=1, max_size=8), st.integers(0, 9))
def test_a_teachers_loss_that_is_a_multiple_of_the_tasks_gives_the_tasks_loss(c, times, seed):
    t = torch.tensor(times)
    scaling, generator = Scaling("full"), torch.Generator().manual_seed(seed)
    for _ in range(3):  # the sample's own ratio first, then the averages
        task = torch.rand(len(t), generator=generator) + 0.1
        assert torch.allclose(scaling.combined("output", t, task, task / c), task, rtol=1e-4)
        scaling.stepped(lambda tensors: None)


def test_each_scale_is_the_full_one_with_parts_left_out():
    t, task, kd = torch.tensor([0.2]), torch.tensor([0.3]), torch.tensor([0.6])
    share = alpha(t)
    for scale, expected in (
        ("constant", 0.5 * task + 0.5 * 3 * kd),
        ("ratio", 0.5 * task + 0.5 * 0.5 * kd),
        ("alpha", share * task + (1 - share) * 3 * kd),
        ("full", share * task + (1 - share) * 0.5 * kd),
    ):
        assert torch.allclose(Scaling(scale, 3.0).combined("output", t, task, kd), expected)


def test_the_ratio_is_that_of_moving_averages_of_the_times_neighbours():
    scaling, t = Scaling("ratio"), torch.tensor([0.5])
    one, two = torch.tensor([1.0]), torch.tensor([2.0])
    scaling.combined("output", t, one, one)
    scaling.stepped(lambda tensors: None)
    scaling.combined("output", t, two, one)  # the ratio is still 1
    scaling.stepped(lambda tensors: None)
    expected = DECAY * 1 + (1 - DECAY) * 2
    inside, outside = 0.5 + 0.5 / BINS, 0.5 + 1.5 / BINS
    found = scaling.combined(
        "output", torch.tensor([inside, outside]), torch.zeros(2), torch.ones(2)
    )
    assert 2 * found[0].item() == pytest.approx(expected)
    assert 2 * found[1].item() == pytest.approx(LEAST)  # its own: a task's loss of zero


def test_the_ratio_keeps_its_bounds_and_has_no_gradient():
    t, kd = torch.tensor([0.5, 0.1]), torch.tensor([1e-9, 1.0], requires_grad=True)
    task = torch.tensor([1.0, 1e-9], requires_grad=True)
    Scaling("ratio").combined("output", t, task, kd).sum().backward()
    assert kd.grad.tolist() == pytest.approx([0.5 * MOST, 0.5 * LEAST])
    assert task.grad.tolist() == [0.5, 0.5]


def test_terms_have_averages_of_their_own_and_state_goes_on():
    scaling, t, one = Scaling("full"), torch.tensor([0.3]), torch.tensor([1.0])
    scaling.combined("output", t, one, 2 * one)
    scaling.combined("feature", t, one, 4 * one)
    scaling.stepped(lambda tensors: None)
    again = Scaling("full")
    again.load(scaling.state(), torch.device("cpu"))
    for term in ("output", "feature"):
        assert torch.equal(again.combined(term, t, one, one), scaling.combined(term, t, one, one))
    assert set(scaling.state()) == {"ratio.output", "ratio.feature"}


def test_two_processes_share_one_ratio():
    def mean_with_another(tensors):
        for tensor in tensors:
            tensor.add_(other).div_(2)

    scaling, t = Scaling("ratio"), torch.tensor([0.0])
    scaling.combined("output", t, torch.tensor([1.0]), torch.tensor([1.0]))
    other = torch.zeros(3, BINS, dtype=torch.float64)
    other[:, 0] = torch.tensor([5.0, 1.0, 1.0])  # the other process saw losses of 5 and 1
    scaling.stepped(mean_with_another)
    ratio = 2 * scaling.combined("output", t, torch.zeros(1), torch.ones(1)).item()
    assert ratio == pytest.approx(3.0)
