import math

import pytest
import torch

from proxies.flow_matching import (
    Moments,
    integrate,
    interpolate,
    logit_normal,
    predicted_noise,
    predicted_picture,
    quantiles,
    sample_losses,
    stratified_times,
    velocity,
)


@pytest.fixture
def path():
    generator = torch.Generator().manual_seed(0)
    x0, noise, error = (torch.randn(8, 3, 6, 6, generator=generator).double() for _ in range(3))
    t = torch.linspace(0.05, 0.95, 8, dtype=torch.float64)
    return x0, noise, t, error


def test_the_path_runs_from_picture_to_noise(path):
    x0, noise, _, _ = path
    assert torch.equal(interpolate(x0, noise, torch.zeros(8).double()), x0)
    assert torch.allclose(interpolate(x0, noise, torch.ones(8).double()), noise)


def test_velocity_is_the_derivative_of_the_path(path):
    x0, noise, t, _ = path
    h = 1e-6
    slope = (interpolate(x0, noise, t + h) - interpolate(x0, noise, t - h)) / (2 * h)
    assert torch.allclose(slope, velocity(x0, noise), atol=1e-8)


def test_the_right_velocity_gives_back_picture_and_noise(path):
    x0, noise, t, _ = path
    x_t, v = interpolate(x0, noise, t), velocity(x0, noise)
    assert torch.allclose(predicted_picture(x_t, v, t), x0)
    assert torch.allclose(predicted_noise(x_t, v, t), noise)


def test_velocity_error_is_picture_error_over_t_squared_and_noise_error_over_1_minus_t_squared(
    path,
):
    x0, noise, t, error = path
    x_t, v = interpolate(x0, noise, t), velocity(x0, noise)
    wrong = v + error
    of_v = sample_losses_exact(wrong, v)
    of_x0 = sample_losses_exact(predicted_picture(x_t, wrong, t), x0)
    of_noise = sample_losses_exact(predicted_noise(x_t, wrong, t), noise)
    assert torch.allclose(of_v, of_x0 / t**2)
    assert torch.allclose(of_v, of_noise / (1 - t) ** 2)


def sample_losses_exact(a, b):
    return (a - b).square().flatten(1).mean(dim=1)


def test_sample_losses_are_means_over_all_but_the_batch(path):
    x0, noise, _, _ = path
    expected = sample_losses_exact(x0.float(), noise.float())
    assert torch.allclose(sample_losses(x0.float(), noise.float()), expected)


def test_times_are_logit_normal():
    uniform = (torch.arange(20_000) + 0.5) / 20_000
    logits = torch.logit(logit_normal(uniform).double())
    assert logits.mean().item() == pytest.approx(0, abs=1e-3)
    assert logits.std().item() == pytest.approx(1, abs=2e-3)


def test_a_batch_takes_one_time_from_each_equal_share():
    t = stratified_times(64, torch.Generator().manual_seed(1))
    uniform = torch.special.ndtr(torch.logit(t.double()))
    assert sorted((uniform * 64).long().tolist()) == list(range(64))


def test_stratified_times_average_to_the_same_distribution():
    generator = torch.Generator().manual_seed(2)
    t = torch.cat([stratified_times(16, generator) for _ in range(2000)])
    inside = ((t > 0.3) & (t < 0.7)).double().mean().item()
    edge = math.log(0.7 / 0.3)
    assert inside == pytest.approx(math.erf(edge / math.sqrt(2)), abs=0.01)


def test_validation_times_lie_in_the_middle_of_their_shares():
    uniform = torch.special.ndtr(torch.logit(quantiles(10).double()))
    assert torch.allclose(uniform, (torch.arange(10) + 0.5).double() / 10, atol=1e-5)


def test_the_linear_guess_is_the_regression_of_velocity_on_x_t():
    generator = torch.Generator().manual_seed(3)
    x0 = torch.randn(1, 1, 400, 500, generator=generator, dtype=torch.float64) * 0.4 - 0.7
    noise = torch.randn(x0.shape, generator=generator, dtype=torch.float64)
    moments, v = Moments(-0.7, 0.16), velocity(x0, noise)
    for t in (torch.tensor([0.05]), torch.tensor([0.5]), torch.tensor([0.99])):
        x_t = interpolate(x0, noise, t.double())
        normal, left = moments.normalised(x_t, t.double()), v - moments.guess(x_t, t.double())
        assert normal.mean().item() == pytest.approx(0, abs=0.01)
        assert normal.std().item() == pytest.approx(1, abs=0.01)
        assert left.mean().item() == pytest.approx(0, abs=0.01)
        assert (left * normal).mean().item() == pytest.approx(0, abs=0.01)  # nothing linear left
        assert left.std().item() == pytest.approx(moments.residual_std(x_t, t).item(), rel=0.01)


@pytest.mark.parametrize("steps", [1, 7])
def test_integrating_the_velocity_of_one_picture_ends_at_that_picture(path, steps):
    x0, noise, _, _ = path

    def towards_x0(x_t, t):
        return (x_t - x0) / t.reshape(-1, 1, 1, 1)

    assert torch.allclose(integrate(towards_x0, noise, steps), x0, atol=1e-9)
