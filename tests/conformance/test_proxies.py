"""What every proxy must do, trained or not: repeat, treat all candidates alike, fail loudly.

A proxy here is a function from a design and a seed to named numbers. Short training gives a loss
(less is better), the zero-cost scores give several (more is better).
"""

import dataclasses
import math

import pytest
import torch

from proxies.model import Learner
from proxies.score import Score
from proxies.twin import TwinError
from proxies.zero_cost import zero_cost_scores
from search_space.spec import Conv, Mid, Path, Site, Stage, UNetSpec
from tests.proxies.small import RECIPE, score_of, small_spec


def short_training(spec: UNetSpec, seed: int = 0) -> dict[str, float]:
    score = score_of(spec, steps=2, seed=seed, width=8)
    return {"loss": score.value, "train_loss_sum": score.train_loss_sum, "params": score.params}


def zero_cost(spec: UNetSpec, seed: int = 0) -> dict[str, float]:
    return zero_cost_scores(spec, width=8, seed=seed, batch=4)


PROXIES = {"short training": short_training, "zero-cost": zero_cost}
UNSEEDED = {"params", "macs"}  # what a seed has no part in


def other_spec() -> UNetSpec:
    first, second = small_spec(depth=2).stages
    return small_spec(stages=(dataclasses.replace(first, conv=Conv("separable")), second))


@pytest.fixture(params=PROXIES)
def proxy(request):
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield PROXIES[request.param]
    torch.set_num_threads(before)


def test_it_repeats_to_the_last_bit_whatever_ran_before(proxy):
    torch.manual_seed(1)
    first = proxy(small_spec())
    proxy(other_spec(), seed=5)
    torch.manual_seed(2)
    assert proxy(UNetSpec.from_json(small_spec().to_json())) == first
    assert all(math.isfinite(value) for value in first.values())


def test_another_seed_gives_other_numbers_except_for_what_is_counted(proxy):
    a, b = proxy(small_spec(), seed=0), proxy(small_spec(), seed=1)
    assert {name for name in a if a[name] == b[name]} == UNSEEDED & a.keys()


def test_designs_are_told_apart(proxy):
    a, b = proxy(small_spec()), proxy(other_spec())
    assert all(a[name] != b[name] for name in a)


def test_every_candidate_gets_the_same_pictures_noise_times_and_captions(proxy, monkeypatch):
    seen = []
    plain = Learner.forward

    def forward(self, x_t, t, text, labels=None):
        seen.append([x.detach().clone() for x in (x_t, t, text)])
        return plain(self, x_t, t, text, labels)

    monkeypatch.setattr(Learner, "forward", forward)
    proxy(small_spec())
    number = len(seen)
    proxy(other_spec())
    assert number >= 2 and len(seen) == 2 * number
    for a, b in zip(seen[:number], seen[number:], strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_it_leaves_random_state_threads_and_gradient_mode_as_they_were(proxy):
    torch.manual_seed(3)
    state = torch.get_rng_state()
    proxy(small_spec())
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.get_num_threads() == 1 and torch.is_grad_enabled()


def test_a_design_without_a_twin_is_an_error_that_names_the_rule(proxy):
    path = Path((Site(),))
    narrow = (Stage(64, 1, 64, path, path, kv_heads=1),) * 2
    with pytest.raises(TwinError, match="twin rule channels"):
        proxy(UNetSpec(narrow, Mid(), time_width=64))


def test_a_training_that_fails_is_worse_than_any_loss_and_says_why():
    recipe = dataclasses.replace(RECIPE, learning_rate=1e4, warm_up=0)
    score = score_of(steps=40, width=8, recipe=recipe)
    assert not score.ok and score.failed
    assert score.value == math.inf > 1e9
    assert not Score.from_dict(score.to_dict()).ok


def test_less_loss_is_more_training():
    short, longer = (score_of(steps=n, width=8) for n in (1, 20))
    assert longer.value < short.value < short.start


def test_a_network_with_more_layers_has_more_of_every_score_that_counts_weights():
    small, large = zero_cost(small_spec()), zero_cost(small_spec(depth=3))
    for name in ("params", "macs", "grad_norm", "snip", "synflow", "naswot"):
        assert large[name] > small[name], name
