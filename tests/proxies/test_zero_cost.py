import math

import pytest
import torch
from torch import nn

from proxies import zero_cost
from proxies.twin import twin
from proxies.zero_cost import (
    JACOV_EPS,
    grad_norm,
    jacov,
    naswot,
    snip,
    synflow,
    zero_cost_scores,
    zico,
)
from search_space.cost import cost
from search_space.initialise import initialise
from search_space.presets import named_spec
from search_space.unet import UNet
from tests.proxies.small import small_spec

SCORES = ("params", "macs", "grad_norm", "snip", "synflow", "naswot", "jacov", "zico")


def test_all_scores_are_finite_and_repeat_for_one_seed():
    first = zero_cost_scores(small_spec(), batch=4)
    assert tuple(first) == SCORES
    assert all(map(math.isfinite, first.values()))
    assert zero_cost_scores(small_spec(), batch=4) == first
    other = zero_cost_scores(small_spec(), batch=4, seed=1)
    assert all(other[name] != first[name] for name in SCORES[2:])


@pytest.mark.parametrize("name", ["F/thin", "dreamlite", "sd15"])
def test_deep_networks_with_gates_do_not_overflow(name):
    scores = zero_cost_scores(named_spec(name), width=8, batch=4)
    assert all(map(math.isfinite, scores.values()))


def test_params_and_macs_are_those_of_the_design_and_not_of_its_twin():
    scores = zero_cost_scores(small_spec(), batch=4)
    assert scores["params"] == cost(small_spec()).params
    assert scores["macs"] == cost(small_spec()).macs


def test_zico_is_its_formula():
    gradients = [
        {"w": torch.tensor([[1.0, -2.0]]), "bias": torch.tensor([7.0])},
        {"w": torch.tensor([[3.0, -2.5]]), "bias": torch.tensor([9.0])},
    ]
    first = 2.0 / 1.0  # mean and deviation of 1 and 3
    second = 2.25 / 0.25
    assert zico(gradients) == pytest.approx(math.log(first + second))


def test_grad_norm_and_snip_are_their_formulas():
    gradients = {"w": torch.tensor([[3.0, -4.0]]), "bias": torch.tensor([-2.0])}
    assert grad_norm(gradients) == pytest.approx(5.0 + 2.0)
    weights = {"w": torch.tensor([[-0.5, 0.25]]), "bias": torch.tensor([2.0])}
    assert snip(gradients, weights) == pytest.approx(1.5 + 1.0 + 4.0)


def test_the_scores_of_a_design_are_those_of_its_first_gradient(monkeypatch):
    gradients = []
    taken = zero_cost._gradients
    monkeypatch.setattr(
        zero_cost, "_gradients", lambda *a: gradients.append(taken(*a)) or gradients[-1]
    )
    scores = zero_cost_scores(small_spec(), batch=4)
    assert len(gradients) == 2
    squares = [(g**2).sum().sqrt().item() for g in gradients[0].values()]
    assert scores["grad_norm"] == pytest.approx(sum(squares), rel=1e-5)


class Plain(nn.Module):
    """Two linear layers with an activation, called like a learner."""

    def __init__(self, weights):
        super().__init__()
        self.act = nn.ReLU()
        self.layer = nn.Linear(2, 3, bias=False)
        self.layer.weight.data = weights
        self.unet = self

    def forward(self, x, t, tokens, labels):
        return self.act(self.layer(x))


def test_naswot_counts_the_units_on_which_samples_agree():
    net = Plain(torch.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]))
    x = torch.tensor([[1.0, 2.0], [1.0, -3.0]])  # codes 111 and 100: they agree on one unit
    batch = (x, torch.zeros(2), None, None, None)
    assert naswot(net, batch) == pytest.approx(math.log(3 * 3 - 1 * 1))


def test_jacov_is_its_formula():
    def learner(x, t, tokens, labels):
        return (x**2).sum() / 2  # its gradient by the input is the input

    x = torch.tensor([[1.0, 0.0, -1.0], [1.0, -1.0, 0.0]])  # correlated by 1/2: λ is 1 ± 1/2
    values = [0.5 + JACOV_EPS, 1.5 + JACOV_EPS]
    expected = -sum(math.log(value) + 1 / value for value in values)
    assert jacov(learner, (x, torch.zeros(2), None, None, None)) == pytest.approx(expected)


def test_synflow_does_not_see_signs():
    small = initialise(UNet(twin(small_spec(), width=8, latent=8)), seed=0)
    before = synflow(small)
    with torch.no_grad():
        for parameter in small.parameters():
            parameter.neg_()
    assert synflow(small) == pytest.approx(before)


@pytest.mark.parametrize("counts", [{"batch": 1}, {"batches": 1}])
def test_one_sample_or_batch_is_too_few(counts):
    with pytest.raises(ValueError, match="2 or more"):
        zero_cost_scores(small_spec(), **counts)
