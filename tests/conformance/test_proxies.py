"""Short training and zero-cost scores pass the suite of proxies, and more of their own."""

import dataclasses
import math

from proxies.objectives import FlowMatching
from proxies.objectives.testing import ObjectiveSuite
from proxies.optimizers.adamw import AdamW
from proxies.optimizers.muon import Muon
from proxies.optimizers.testing import OptimizerSuite
from proxies.score import Score
from proxies.testing import ProxySuite
from proxies.trainer import train_run
from proxies.zero_cost import zero_cost_scores
from tests.proxies.small import RECIPE, score_of, small_spec, tiny_run


class TestShortTraining(ProxySuite):
    def numbers(self, network, seed=0):
        score = train_run(tiny_run(network, steps=2, seed=seed, width=8))
        return {"loss": score.value, "train_loss_sum": score.train_loss_sum, "params": score.params}

    def test_a_training_that_fails_is_worse_than_any_loss_and_says_why(self):
        recipe = dataclasses.replace(RECIPE, learning_rate=1e4, warm_up=0)
        score = score_of(steps=40, width=8, recipe=recipe)
        assert not score.ok and score.failed
        assert score.value == math.inf > 1e9
        assert not Score.from_dict(score.to_dict()).ok

    def test_less_loss_is_more_training(self):
        short, longer = (score_of(steps=n, width=8) for n in (1, 20))
        assert longer.value < short.value < short.start


class TestZeroCost(ProxySuite):
    def numbers(self, network, seed=0):
        return zero_cost_scores(network, width=8, seed=seed, batch=4)

    def test_a_network_with_more_layers_has_more_of_every_score_that_counts_weights(self):
        small, large = self.numbers(small_spec()), self.numbers(small_spec(depth=3))
        for name in ("params", "macs", "grad_norm", "snip", "synflow", "naswot"):
            assert large[name] > small[name], name


class TestAdamW(OptimizerSuite):
    optimizer = AdamW


class TestMuon(OptimizerSuite):
    optimizer = Muon


class TestFlowMatching(ObjectiveSuite):
    objective = FlowMatching()
