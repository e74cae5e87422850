import json
import math
from dataclasses import replace

import pytest

from proxies.score import Fidelity, Score, difference
from proxies.score_parts import Composition, Distance, Extrapolated
from search_space.errors import WalkbenchError

RUN = Fidelity(steps=10, seconds=1.0, width=16, latent=24, batch=16, seed=0)


def test_mean_and_standard_error_are_those_of_the_samples():
    score = Score.of_losses([1.0, 2.0, 3.0, 4.0], RUN)
    assert score.value == 2.5
    assert score.stderr == pytest.approx(math.sqrt(5 / 3) / 2)
    assert score.n == 4


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_loss_that_is_not_finite_is_a_failed_score_and_worse_than_any(bad):
    score = Score.of_losses([0.1, bad], RUN)
    assert not score.ok
    assert score.value > Score.of_losses([1e9, 1e9], RUN).value


@pytest.mark.parametrize(
    "score",
    [
        Score.of_losses([0.5, 0.25], RUN, buckets=(0.5, 0.25), curve=((5, 0.5, 0.6),), params=7),
        Score.failure("loss is nan at step 3", RUN, stopped="diverged"),
        Score.failure("loss is inf", RUN, curve=((5, 0.5, math.inf),)),
        Score.of_losses([0.5, 0.25], RUN, curve=((5, 0.5, math.inf), (9, 0.9, 0.7))),
        Score.of_losses(
            [0.5, 0.25],
            RUN,
            composition=Composition(9, 0.1, 0.2, 0.3, None, 0.4, 0.5, {"two": 0.1}, 11.0, 0.7),
            distances=(Distance("attributes", "0f", 45, 256, 1.0, 0.1, 0.2, -0.01),),
            extrapolated=Extrapolated(0.2, 0.1, 0.3, 1000, 8),
        ),
    ],
)
def test_a_score_survives_json(score):
    text = json.dumps(score.to_dict(), allow_nan=False)
    assert Score.from_dict(json.loads(text)) == score


def test_a_sum_that_overflowed_is_read_as_not_a_number():
    stored = Score.failure("loss is nan", RUN, train_loss_sum=math.nan).to_dict()
    assert stored["train_loss_sum"] is None
    assert math.isnan(Score.from_dict(stored).train_loss_sum)


def test_the_loss_on_the_way_is_the_one_that_was_measured_there():
    curve = ((10, 0.1, 0.8), (20, 0.2, 0.6))
    score = Score.of_losses([0.5, 0.25], replace(RUN, steps=40), curve=curve)
    assert [score.loss_at(steps) for steps in (10, 20, 40, 50)] == [0.8, 0.6, 0.375, 0.375]
    assert score.loss_at(19) == 0.6  # a share of the steps that is not whole ends at the next one
    assert math.isnan(score.loss_at(15))
    failed = Score.failure("loss is nan", replace(RUN, steps=25), curve=curve)
    assert [failed.loss_at(steps) for steps in (20, 25, 30)] == [0.6, math.inf, math.inf]


def test_a_score_of_an_earlier_version_is_read_as_one_without_the_new_parts():
    stored = Score.of_losses([0.5, 0.25], RUN).to_dict()
    for name in ("composition", "distances", "extrapolated"):
        del stored[name]
    score = Score.from_dict(stored)
    assert (score.composition, score.distances, score.extrapolated) == (None, (), None)
    assert score == Score.of_losses([0.5, 0.25], RUN)


def test_paired_differences_ignore_what_both_samples_share():
    shared = [0.1, 5.0, 0.2, 9.0]
    a = Score.of_losses([x + 0.01 for x in shared], RUN)
    b = Score.of_losses(shared, RUN)
    paired = difference(a, b)
    assert paired.value == pytest.approx(0.01)
    assert paired.stderr < 1e-9 < a.stderr


def test_scores_of_different_resolutions_do_not_compare():
    other = Fidelity(steps=10, seconds=1.0, width=16, latent=32, batch=16, seed=0)
    with pytest.raises(WalkbenchError, match="do not compare"):
        difference(Score.of_losses([1.0, 2.0], RUN), Score.of_losses([1.0, 2.0], other))


def test_a_failed_score_has_no_difference():
    good = Score.of_losses([1.0, 2.0], RUN)
    with pytest.raises(WalkbenchError, match="loss is nan"):
        difference(good, Score.failure("loss is nan", RUN))


WRONG_PART = {**Score.of_losses([0.5, 0.25], RUN).to_dict(), "extrapolated": {"value": 1}}


@pytest.mark.parametrize(
    "data", [{}, {"fidelity": {}}, {"value": 1, "fidelity": {"steps": 1}}, WRONG_PART]
)
def test_what_is_not_a_score_is_named_so(data):
    with pytest.raises(WalkbenchError, match="not a score"):
        Score.from_dict(data)
