import dataclasses
import math

import pytest
import torch

from proxies.callbacks import AtEnd
from proxies.recipe import Budget
from proxies.score import difference
from proxies.trainer import train_run
from search_space.errors import WalkbenchError
from search_space.spec import Conv
from tests.proxies.small import RECIPE, made, score_of, small_spec, tiny_run


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def trained(steps=6, seed=0, spec=None):
    trainer = made(spec, seed=seed)
    trainer.advance(Budget(steps=steps))
    return trainer


def weights(trainer):
    return torch.cat([w.detach().clone() for w in trainer.flat.weights])


def test_one_seed_gives_the_same_run_to_the_last_bit():
    a, b = trained(), trained()
    assert torch.equal(weights(a), weights(b))
    assert a.score().losses == b.score().losses


def test_another_seed_gives_another_run():
    assert trained(2).score().losses != trained(2, seed=1).score().losses


@pytest.mark.slow
def test_training_lowers_the_validation_loss():
    trainer = trained(steps=50)
    assert trainer.score().value < 0.7 * trainer.loss_function.start


def test_scoring_on_the_way_changes_nothing_that_follows():
    with_pause = trained(3)
    with_pause.score()
    with_pause.advance(Budget(steps=6))
    assert torch.equal(weights(with_pause), weights(trained(6)))


def test_candidates_share_data_noise_times_and_the_weights_they_have_in_common():
    wide = small_spec(depth=2)
    a, b = trained(1), trained(1, spec=wide)
    assert torch.equal(a.generator.get_state(), b.generator.get_state())
    assert a.loss == b.loss  # the readout starts at zero
    fresh_a, fresh_b = made(), made(wide)
    other = dict(fresh_b.learner.named_parameters())
    shared = [name for name, _ in fresh_a.learner.named_parameters() if name in other]
    assert len(shared) == len(list(fresh_a.learner.parameters()))
    assert all(torch.equal(p, other[n]) for n, p in fresh_a.learner.named_parameters())


@pytest.mark.slow
def test_common_random_numbers_cut_the_variance_of_a_difference():
    separable = dataclasses.replace(small_spec().stages[0], conv=Conv("separable"))
    other = small_spec(stages=(separable, small_spec().stages[1]))
    a, b = trained(30).score(), trained(30, spec=other).score()
    independent = a.stderr**2 + b.stderr**2
    assert difference(a, b).stderr ** 2 < independent / 5


def test_a_run_that_diverges_ends_at_once_in_a_failed_score():
    recipe = dataclasses.replace(RECIPE, learning_rate=1e4, warm_up=0)
    score = score_of(steps=60, recipe=recipe)
    assert (score.ok, score.value) == (False, math.inf)
    assert "training loss is" in (score.failed or "")
    assert score.fidelity.steps < 10


def test_a_loss_that_is_not_a_number_is_a_failed_score():
    trainer = trained(2)
    with torch.no_grad():
        trainer.flat.weights[0][0] = math.nan
    trainer.advance(Budget(steps=60))
    score = trainer.score()
    assert (score.ok, score.fidelity.steps) == (False, 3)
    assert "nan" in (score.failed or "")


def test_weights_that_are_worse_than_none_are_a_failed_score():
    trainer = trained(2)
    for average in trainer.ema.averages:
        average.mul_(20)
    assert "before training" in (trainer.score().failed or "")


def test_validations_on_the_way_reach_progress_at_their_share_of_the_budget():
    seen = []
    score = score_of(steps=8, validate_at=(0.25, 0.5), progress=seen.append)
    on_the_way = [p.step for p in seen if p.validation_loss is not None]
    assert on_the_way == [2, 4, 8]
    assert [step for step, _, _ in score.curve] == [2, 4]
    assert seen[-1].score == score
    assert [p.step for p in seen] == [*range(1, 9), 8]


def test_what_progress_raises_ends_the_run():
    class Enough(Exception):
        pass

    steps = []

    def progress(state):
        steps.append(state.step)
        if state.step == 3:
            raise Enough

    with pytest.raises(Enough):
        score_of(steps=100, progress=progress)
    assert steps == [1, 2, 3]


def test_a_budget_in_seconds_is_spent_and_not_much_more():
    states = []
    score = score_of(seconds=0.3, progress=states.append)
    assert score.fidelity.seconds >= 0.3 > states[-3].seconds
    assert score.fidelity.steps == states[-1].step


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({}, "give steps or seconds"),
        ({"steps": 0}, "steps is 0"),
        ({"seconds": -1.0}, "seconds is -1.0"),
        ({"seconds": math.nan}, "seconds is nan"),
    ],
)
def test_a_budget_that_makes_no_sense_is_named(budget, message):
    with pytest.raises(WalkbenchError, match=message):
        Budget(**budget)


def test_a_score_says_what_it_cost_and_which_twin_it_was():
    score = score_of(steps=2, seed=3, width=32, latent=32)
    f = score.fidelity
    assert (f.steps, f.width, f.latent, f.batch, f.seed) == (2, 32, 32, 8, 3)
    assert f.seconds > 0
    assert score.n == 32 and len(score.buckets) == 8
    assert score.value == pytest.approx(sum(score.buckets) / 8)


def test_the_trained_twin_is_lent_at_the_end_and_not_before():
    lent = []
    at_end = AtEnd(lambda t: lent.append((t.step, t.failed)))
    score = train_run(tiny_run(steps=2), [at_end])
    assert lent == [(score.fidelity.steps, "")]
