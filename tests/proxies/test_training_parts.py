import itertools

import pytest
import torch
from torch import nn

from proxies.data.dataset import shapes, to_bytes, to_float
from proxies.ema import PowerEMA, gamma_of
from proxies.flat import FlatParameters
from proxies.flow_matching import Moments
from proxies.model import Learner, start
from proxies.twin import twin
from proxies.validation import bucket_means, validation_losses, validation_set
from search_space.errors import WalkbenchError
from search_space.initialise import initialise
from search_space.presets import named_spec

MOMENTS = Moments(-0.75, 0.115)


def made(spec, **options):
    """A learner of shapes, with weights from seed 0."""
    return start(lambda: Learner(spec, 27, MOMENTS), 0, **options)


def network():
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.SiLU(), nn.Conv2d(8, 8, 3, groups=8), nn.Flatten(),
        nn.Linear(32, 4),
    )  # fmt: skip


def test_flat_parameters_train_like_separate_ones():
    plain, packed = initialise(network(), 0), initialise(network(), 0)
    flat = FlatParameters(packed, lambda name: 0.5 if name.startswith("4") else 1.0)
    groups = [
        {"params": list(plain[:3].parameters()), "lr": 1e-2},
        {"params": list(plain[4].parameters()), "lr": 5e-3},
    ]
    reference = torch.optim.AdamW(groups, weight_decay=0.1)
    optimizer = torch.optim.AdamW(
        [{"params": [g.weights], "lr": 1e-2 * g.multiplier} for g in flat.groups],
        weight_decay=0.1,
        fused=True,
    )
    x = torch.randn(5, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    for _ in range(5):
        reference.zero_grad()
        plain(x).square().sum().backward()
        nn.utils.clip_grad_norm_(plain.parameters(), 0.5)
        reference.step()
        flat.zero_gradients()
        packed(x).square().sum().backward()
        flat.clip_gradients(0.5)
        optimizer.step()
    for a, b in zip(plain.parameters(), packed.parameters(), strict=True):
        assert torch.allclose(a, b, atol=1e-6)


def test_flat_parameters_keep_values_and_put_channels_last():
    before, net = initialise(network(), 0), initialise(network(), 0)
    flat = FlatParameters(net, lambda name: 1.0)
    for a, b in zip(before.parameters(), net.parameters(), strict=True):
        assert torch.equal(a, b)
        assert b.untyped_storage().data_ptr() == flat.weights[0].untyped_storage().data_ptr()
    assert net[0].weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize(("sigma", "gamma"), [(0.05, 16.97), (0.10, 6.94)])
def test_gamma_is_that_of_the_paper(sigma, gamma):
    assert gamma_of(sigma) == pytest.approx(gamma, abs=0.005)


@pytest.mark.parametrize("sigma", [0.0, 0.5])
def test_a_memory_out_of_range_is_named(sigma):
    with pytest.raises(WalkbenchError, match="sigma_rel"):
        gamma_of(sigma)


def test_the_average_weighs_steps_by_a_power_of_their_number():
    gamma, n = gamma_of(0.10), 400
    ema = PowerEMA([torch.tensor([1e9])], 0.10)  # what came before training is forgotten
    for step in range(1, n + 1):
        ema.update([torch.tensor([float(step)])])
    expected = (gamma + 1) / (gamma + 2) * n  # mean of a density proportional to t^γ
    assert ema.averages[0].item() == pytest.approx(expected, rel=0.01)


def test_common_parameters_of_walk_neighbours_start_equal():
    names = ("F/ffn-3", "F/mqa", "F/early-condition")
    states = [made(twin(named_spec(n))).state_dict() for n in names]
    for a, b in itertools.pairwise(states):
        same = [k for k in a.keys() & b.keys() if a[k].shape == b[k].shape]
        assert len(same) > 0.7 * len(a)
        assert all(torch.equal(a[k], b[k]) for k in same)


def test_weights_do_not_depend_on_the_global_random_state():
    torch.manual_seed(1)
    a = initialise(network(), 0).state_dict()
    torch.manual_seed(2)
    b = initialise(network(), 0).state_dict()
    assert all(torch.equal(a[k], b[k]) for k in a)
    c = initialise(network(), 1).state_dict()
    assert not torch.equal(a["0.weight"], c["0.weight"])


@pytest.mark.parametrize("name", ["sdxl", "dreamlite"])
def test_every_condition_of_the_spec_gets_a_gradient(name):
    learner = made(twin(named_spec(name), width=8), zero_readout=False)
    data = shapes("train", 2, 24)
    x, tokens = to_float(data.images), torch.from_numpy(data.tokens)
    learner(x, torch.tensor([0.3, 0.8]), tokens).square().sum().backward()
    without = [n for n, p in learner.named_parameters() if p.grad is None or not p.grad.any()]
    assert without == []


def test_a_zero_readout_leaves_the_linear_guess():
    learner = made(twin(named_spec("F/mqa"), width=8))
    validation = validation_set(24, 16)
    losses = validation_losses(learner, validation)
    assert sum(losses) / 16 == pytest.approx(validation.loss_of_guess(MOMENTS), rel=1e-4)


def test_captions_reach_the_prediction():
    learner = made(twin(named_spec("F/mqa"), width=8), zero_readout=False)
    x, t = torch.zeros(1, 3, 24, 24), torch.tensor([0.5])
    tokens = torch.from_numpy(shapes("train", 2, 24).tokens)
    a, b = learner(x, t, tokens[:1]), learner(x, t, tokens[1:])
    swapped = learner(x, t, tokens[:1].flip(1))
    assert not torch.allclose(a, b) and not torch.allclose(a, swapped)


def test_pictures_survive_the_way_to_floats_and_back():
    images = shapes("train", 4, 24).images
    floats = to_float(images)
    assert floats.min() >= -1 and floats.max() <= 1
    assert floats.is_contiguous(memory_format=torch.channels_last)
    assert (to_bytes(floats) == images).all()


class Guess(nn.Module):
    """Predicts what it is told to, and draws random numbers meanwhile."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.at = nn.Parameter(answer), 0

    def forward(self, x_t, t, tokens, labels):
        assert not self.training
        torch.rand(3)
        self.at += len(x_t)
        return self.answer[self.at - len(x_t) : self.at]


def test_the_validation_loss_is_the_error_of_the_velocity():
    validation = validation_set(24, 40)
    v = validation.noise - validation.pictures
    assert validation_losses(Guess(v), validation) == [0.0] * 40
    nothing = validation_losses(Guess(torch.zeros_like(v)), validation)
    assert sum(nothing) / 40 == pytest.approx(v.square().mean().item(), rel=1e-5)


def test_validation_leaves_mode_and_random_state_as_they_were():
    validation = validation_set(24, 40)
    model = Guess(torch.zeros_like(validation.noise)).train()
    torch.manual_seed(5)
    state = torch.get_rng_state()
    validation_losses(model, validation)
    assert torch.equal(state, torch.get_rng_state())
    assert model.training


def test_buckets_are_equal_shares_in_order():
    assert bucket_means([1.0, 3.0, 5.0, 7.0], buckets=2) == (2.0, 6.0)
    assert len(bucket_means([1.0] * 100)) == 8
