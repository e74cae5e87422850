"""Adding a training method takes one file: an objective and its loss, registered under its kind.

The toy weighs the loss of flow matching by t^power, so that it learns noisy pictures first. It
passes the suite of objectives, trains, is named in a study's TOML and on the command line, and its
settings are part of checkpoints and digests.
"""

import dataclasses
import json
from dataclasses import dataclass
from typing import ClassVar

import pytest
from typer.testing import CliRunner

from proxies.callbacks import Checkpoints
from proxies.flow_matching import interpolate, velocity
from proxies.objectives import OBJECTIVES
from proxies.objectives.testing import ObjectiveSuite
from proxies.setting import setting
from proxies.testing import TINY_RECIPE, tiny_network, tiny_run
from proxies.trainer import train_run
from proxies.training_run import TrainingRun
from proxies.velocity_loss import VelocityLoss
from search_space.errors import WalkbenchError
from studies.cli.main import app
from tests.studies.fakes import make_config


@dataclass(frozen=True)
class NoiseFirst:
    kind: ClassVar[str] = "noise-first"
    power: float = setting(1.0, help="Power of t that weighs the loss.", least=0)

    def prepare(self, setup):
        return NoiseFirstLoss(setup, self.power)


class NoiseFirstLoss(VelocityLoss):
    def __init__(self, setup, power):
        super().__init__(setup)
        self.power = power

    def training(self, forward, draw):
        x_t = interpolate(draw.x0, draw.noise, draw.t)
        with self.setup.hardware.autocast():
            predicted = forward(x_t, draw.t, draw.text, draw.labels)
        squares = (predicted.float() - velocity(draw.x0, draw.noise)).square().flatten(1)
        return (draw.t**self.power * squares.mean(dim=1)).mean()


@pytest.fixture(scope="module", autouse=True)
def registered():
    OBJECTIVES.register(NoiseFirst.kind, NoiseFirst)
    yield
    OBJECTIVES.unregister(NoiseFirst.kind)


class TestNoiseFirst(ObjectiveSuite):
    objective = NoiseFirst(2.0)


def recipe(power):
    return dataclasses.replace(TINY_RECIPE, objective=NoiseFirst(power))


def test_a_toy_objective_trains_and_without_a_weight_is_flow_matching():
    plain, weighed = train_run(tiny_run(steps=10)), train_run(tiny_run(steps=10, recipe=recipe(2)))
    assert weighed.ok and weighed.value < weighed.start and weighed.value != plain.value
    assert train_run(tiny_run(steps=3, recipe=recipe(0))).value == pytest.approx(
        train_run(tiny_run(steps=3)).value, rel=1e-5
    )


def test_its_settings_are_part_of_the_run_its_digest_and_its_checkpoint(tmp_path):
    one, two = (tiny_run(steps=2, recipe=recipe(power)) for power in (1.0, 2.0))
    assert TrainingRun.from_dict(json.loads(json.dumps(one.to_dict()))) == one
    assert len({one.digest(), two.digest(), tiny_run(steps=2).digest()}) == 3
    train_run(one, [Checkpoints(tmp_path / "run")])
    with pytest.raises(WalkbenchError, match=r"of another run: objective is .*'power': 1.0"):
        train_run(two, [Checkpoints(tmp_path / "run")])


def test_a_study_names_it_with_its_settings(tmp_path):
    proxy = '[proxy]\nsteps = 2\nwidth = 8\nobjective = {kind = "noise-first", power = 3}'
    config = make_config(tmp_path, proxy=proxy)
    assert config.proxy.recipe.objective == NoiseFirst(3.0)
    with pytest.raises(WalkbenchError, match=r"power is -1; a number of 0 or more is needed"):
        make_config(tmp_path, proxy=proxy.replace("3}", "-1}"))


def test_a_command_trains_by_it(tmp_path):
    spec = tmp_path / "tiny.json"
    spec.write_text(tiny_network().to_json())
    options = ["--steps", "1", "--batch", "2", "--train-images", "8", "--validation-images", "4"]
    command = ["proxy", "run", str(spec), *options, "--format", "json", "--objective"]
    toy, plain = (
        CliRunner().invoke(app, [*command, name]) for name in ("noise-first", "flow-matching")
    )
    assert toy.exit_code == plain.exit_code == 0, toy.stderr
    losses = [json.loads(result.stdout)["train_loss_sum"] for result in (toy, plain)]
    assert losses[0] != losses[1]
