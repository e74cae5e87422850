"""Training a kind of network of one's own takes a twin and a learner, both registered by its kind.

The toy is one convolution. It trains by flow matching, goes on from a checkpoint and is scored like
a UNet, so that nothing between settings and scores knows UNets.
"""

import json
from dataclasses import dataclass
from typing import ClassVar

import pytest
from torch import nn

from proxies.callbacks import Checkpoints
from proxies.model import LEARNERS, TwinModule
from proxies.testing import StopAt, Stopped, tiny_run
from proxies.trainer import train_run
from proxies.training_run import TrainingRun
from search_space.codec import digest_of
from search_space.network import (
    NETWORK_KINDS,
    TWINS,
    NetworkKind,
    register_kind,
    register_twin,
)


@dataclass(frozen=True)
class OneConv:
    kind: ClassVar[str] = "one-conv"
    size: int = 3
    channels: int = 3

    def to_dict(self):
        return {"kind": self.kind, "size": self.size, "channels": self.channels}

    def digest(self):
        return digest_of(self.to_dict())

    def plan(self):
        raise NotImplementedError("training asks for no plan")


class OneConvLearner(TwinModule):
    def __init__(self, twin, data):
        super().__init__()
        self.moments = data.moments
        self.conv = nn.Conv2d(twin.channels, twin.channels, twin.size, padding=twin.size // 2)

    @property
    def network(self):
        return self.conv

    @property
    def readout(self):
        return self.conv.weight

    def forward(self, x_t, t, text, labels=None):
        rest = self.conv(self.moments.normalised(x_t, t))
        return self.moments.guess(x_t, t) + self.moments.residual_std(x_t, t) * rest


def shrink(network, width, latent, *, channels, tokens):
    return OneConv(network.size, channels)


@pytest.fixture(scope="module", autouse=True)
def registered():
    register_kind(
        NetworkKind(
            "one-conv", "one convolution", lambda data: OneConv(**data), lambda network: None
        )
    )
    register_twin("one-conv", shrink)
    LEARNERS.register("one-conv", OneConvLearner)
    yield
    NETWORK_KINDS.unregister("one-conv")
    TWINS.unregister("one-conv")
    LEARNERS.unregister("one-conv")


def test_a_toy_network_trains_from_the_linear_guess_and_tells_its_sizes_apart():
    small, large = (train_run(tiny_run(OneConv(size), steps=30, width=8)) for size in (1, 5))
    assert small.start == large.start
    assert large.value < small.value < small.start
    assert (small.params, large.params) == (3 * 3 + 3, 3 * 3 * 25 + 3)


def test_it_goes_on_from_a_checkpoint(tmp_path):
    run = tiny_run(OneConv(), steps=6)
    with pytest.raises(Stopped):
        train_run(run, [Checkpoints(tmp_path / "run", seconds=0.0), StopAt(3)])
    assert train_run(run, [Checkpoints(tmp_path / "run")]).losses == train_run(run).losses


def test_its_run_survives_json():
    run = tiny_run(OneConv(5), validate_at=(0.5,))
    assert TrainingRun.from_dict(json.loads(json.dumps(run.to_dict()))) == run


def test_a_kind_without_a_learner_is_named():
    LEARNERS.unregister("one-conv")
    with pytest.raises(ValueError, match="learner 'one-conv'; known: decoder, unet"):
        train_run(tiny_run(OneConv()))
    LEARNERS.register("one-conv", OneConvLearner)
