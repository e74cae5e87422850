import dataclasses
import math

import pytest
import torch
from torch import nn

from proxies.checkpoint import restore, save
from proxies.optimizers.muon import MOMENTUM, Muon, matrix_names, step_size
from proxies.optimizers.orthogonal import COEFFICIENTS, STEPS, orthogonalising_factors
from proxies.recipe import Budget, Recipe
from search_space.initialise import initialise
from tests.proxies.small import RECIPE, made

RATE = 0.01


def normal(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def newton_schulz(x):
    """The iteration as it is published, on one matrix in float64."""
    a, b, c = COEFFICIENTS
    x = x.double() / x.double().norm()
    for _ in range(STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x


@pytest.mark.parametrize("rows", [1, 3, 16])
def test_gram_matrices_give_what_the_published_iteration_gives(rows):
    stacks = [normal(2, rows, rows), normal(3, rows, 50, seed=1), normal(1, 90, rows, seed=2).mT]
    for stack, factor in zip(stacks, orthogonalising_factors(stacks), strict=True):
        for x, found in zip(stack, factor @ stack, strict=True):
            assert torch.allclose(found.double(), newton_schulz(x), atol=2e-4)


def test_singular_values_of_badly_scaled_matrices_come_close_to_one():
    u, _ = torch.linalg.qr(normal(20, 20))
    v, _ = torch.linalg.qr(normal(60, 20, seed=1))
    x = (1e-6 * u * torch.logspace(0, -2, 20)) @ v.mT  # condition 100, and tiny
    found = torch.linalg.svdvals(orthogonalising_factors([x[None]])[0][0] @ x)
    assert found.min() > 0.65 and found.max() < 1.3


def test_a_gradient_of_zeros_moves_nothing():
    factor = orthogonalising_factors([torch.zeros(1, 3, 5)])[0]
    assert torch.equal(factor @ torch.zeros(1, 3, 5), torch.zeros(1, 3, 5))


def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, 8, 3, groups=8), nn.Conv2d(8, 16, 1),
        nn.GroupNorm(2, 16), nn.Flatten(), nn.Linear(64, 4), nn.Linear(4, 4),
    )  # fmt: skip


def trained(model, steps=4, **changes):
    recipe = Recipe(learning_rate=RATE, optimizer="muon", **changes)
    muon = Muon(recipe, model, {})
    for step in range(steps):
        muon.flat.zero_gradients()
        model(normal(5, 3, 4, 4, seed=step)).square().mean().backward()
        muon.step(1.0)
    return muon


def reference(model, steps=4, weight_decay=0.0):
    """torch's own Muon on matrices, kernels as matrices, and its AdamW on the rest."""
    matrices = [p for n, p in model.named_parameters() if n in matrix_names(model)]
    rest = [p for n, p in model.named_parameters() if n not in matrix_names(model)]
    flat = [nn.Parameter(p.detach().flatten(1).clone()) for p in matrices]
    muon = torch.optim.Muon(flat, RATE, weight_decay=weight_decay, momentum=MOMENTUM)
    adam = torch.optim.AdamW(rest, RATE, betas=Recipe().betas, weight_decay=weight_decay)
    for step in range(steps):
        model.zero_grad()
        model(normal(5, 3, 4, 4, seed=step)).square().mean().backward()
        for p, q in zip(matrices, flat, strict=True):
            q.grad = p.grad.flatten(1)
        muon.step()
        adam.step()
        for p, q in zip(matrices, flat, strict=True):
            p.data.copy_(q.detach().view_as(p))


@pytest.mark.parametrize("decay", [0.0, 0.5])
def test_it_is_torchs_muon_with_kernels_as_matrices_and_adamw_on_the_rest(decay, monkeypatch):
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.float)  # in torch's iteration
    ours, theirs, start = (initialise(network(), 0) for _ in range(3))
    trained(ours, weight_decay=decay)
    reference(theirs, weight_decay=decay)
    before = dict(start.named_parameters())
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        moved = (b - before[name]).norm()
        assert (a - b).norm() < 2e-3 * moved, name


def test_only_matrices_and_dense_or_pointwise_kernels_are_orthogonalised():
    trainer = made(width=16, recipe=dataclasses.replace(RECIPE, optimizer="muon"))
    stacked = {name for group in trainer.flat.groups if group.stacks for name in group.names}
    assert "unet.down0.res0.conv1.weight" in stacked  # dense 3×3
    assert "unet.down1.stack0.layers.0.ff.out.weight" in stacked
    assert "unet.input.conv_in.conv.weight" in stacked
    parameters = dict(trainer.learner.named_parameters())
    assert all(parameters[name].ndim >= 2 for name in stacked)
    left = {name for name in parameters if parameters[name].ndim >= 2} - stacked
    assert left == {"words.weight", "places.weight"}
    assert "1.weight" not in matrix_names(network())  # depthwise


@pytest.mark.parametrize("shape", [(16, 16, 1, 1), (16, 16, 3, 3), (64, 16), (16, 64), (8, 48)])
def test_a_step_has_the_same_spectral_norm_whatever_the_number_of_inputs(shape):
    """The mechanism of fairness: Adam's step of a dense kernel is nine times a pointwise one's."""
    values = {"weight": normal(*shape) / 10, "bias": torch.ones(3)}
    holder = nn.ParameterDict({name: nn.Parameter(value) for name, value in values.items()})
    muon = Muon(Recipe(learning_rate=RATE, optimizer="muon"), holder, {})
    before = holder["weight"].detach().clone()
    holder["weight"].grad.copy_(normal(*shape, seed=1))
    muon.step(1.0)
    moved = torch.linalg.svdvals((holder["weight"] - before).detach().flatten(1)) / RATE
    size = math.sqrt(max(1.0, shape[0] / math.prod(shape[1:])))
    assert step_size(shape[0], math.prod(shape[1:])) == size
    assert 0.6 * size < moved.min() and moved.max() < 1.3 * size


def test_a_resumed_run_agrees_to_the_last_bit(tmp_path):
    recipe = dataclasses.replace(RECIPE, optimizer="muon", weight_decay=0.1, cooldown=0.5)
    whole, first, second = (made(width=8, recipe=recipe, steps=6) for _ in range(3))
    whole.advance(Budget(steps=6))
    first.advance(Budget(steps=3))
    save(first, tmp_path / "run")
    restore(second, tmp_path / "run")
    second.advance(Budget(steps=6))
    for a, b in zip(whole.flat.weights, second.flat.weights, strict=True):
        assert torch.equal(a, b)
    assert whole.score().losses == second.score().losses
