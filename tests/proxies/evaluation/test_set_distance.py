"""FID and KID in closed form, and the standard errors beside them."""

import math

import pytest
import torch

from proxies.evaluation.set_distance import jackknife, set_distance
from search_space.errors import WalkbenchError


def normal(count, dim, seed):
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(seed)).double()


def whitened(count, dim, seed):
    """Features whose sample mean is 0 and sample covariance the identity, to the last digits."""
    x = normal(count, dim, seed)
    x = x - x.mean(dim=0)
    return x @ torch.linalg.inv(torch.linalg.cholesky(torch.cov(x.T)).T)


def test_fid_of_two_gaussians_is_their_closed_form():
    # |μ|² + Σ (σ − 1)² for diagonal covariances: 9 + 16 + (2 − 1)² + (0.5 − 1)²
    drawn = whitened(500, 4, 1) * torch.tensor([2.0, 0.5, 1.0, 1.0]) + torch.tensor([3.0, 4, 0, 0])
    assert set_distance(whitened(400, 4, 0), drawn).frechet == pytest.approx(26.25, abs=1e-6)


def test_fid_and_kid_of_a_set_with_itself_are_zero():
    x = normal(200, 5, 0)
    found = set_distance(x, x)
    assert found.frechet == pytest.approx(0, abs=1e-6)
    assert -0.2 < found.kid < 0  # unbiased: pictures are not compared with themselves


def test_the_jackknife_of_a_mean_is_the_error_of_group_means():
    x = normal(100, 1, 0)
    groups = torch.stack([x[i::10].mean() for i in range(10)])
    expected = float(groups.std()) / math.sqrt(10)
    assert jackknife(lambda y: float(y.mean()), x) == pytest.approx(expected, rel=1e-9)


def test_the_error_of_fid_is_what_other_draws_differ_by():
    real = normal(500, 3, 0)
    shift = torch.tensor([0.5, 0.0, 0.0])
    found = [set_distance(real, normal(120, 3, seed) + shift) for seed in range(1, 11)]
    spread = float(torch.tensor([one.frechet for one in found]).std())
    said = sum(one.frechet_stderr for one in found) / len(found)
    assert 0.4 < said / spread < 2.5


def test_too_few_pictures_have_no_fid_but_a_kid():
    found = set_distance(normal(30, 40, 0), normal(30, 40, 1))
    assert found.frechet is None and found.frechet_stderr is None
    assert math.isfinite(found.kid)
    with pytest.raises(WalkbenchError, match="1 pictures are too few"):
        set_distance(normal(1, 2, 0), normal(5, 2, 1))
