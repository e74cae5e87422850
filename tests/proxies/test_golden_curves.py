import dataclasses
import json

import pytest

from proxies.optimizers import muon
from tests.proxies.golden import RECIPES, RECORD, TOLERANCE, losses

SENSITIVE = RECIPES["every part matters"]


def recorded(name):
    return pytest.approx(json.loads(RECORD.read_text())[name], rel=TOLERANCE)


@pytest.mark.parametrize("name", RECIPES)
def test_training_follows_the_recorded_curve(name):
    assert losses(RECIPES[name]) == recorded(name)


@pytest.mark.parametrize(
    "change",
    [
        {"clip": 1e9},
        {"warm_up": 0},
        {"betas": (0.9, 0.999)},
        {"betas": (0.8, 0.95)},
        {"weight_decay": 0.0},
        {"ema_sigma": 0.11},
    ],
    ids=lambda change: next(iter(change)),
)
def test_the_recorded_curve_notices_every_part_of_the_recipe(change):
    assert losses(dataclasses.replace(SENSITIVE, **change)) != recorded("every part matters")


@pytest.mark.parametrize(
    "change",
    [{"cooldown": 0.0}, {"cooldown": 0.3}, {"learning_rate": 1.3e-2}, {"betas": (0.9, 0.99)}],
    ids=str,
)
def test_the_curve_of_the_fair_recipe_notices_every_part_of_it(change):
    assert losses(dataclasses.replace(RECIPES["fair"], **change)) != recorded("fair")


def test_the_curve_of_the_fair_recipe_notices_another_momentum(monkeypatch):
    monkeypatch.setattr(muon, "MOMENTUM", 0.9)
    assert losses(RECIPES["fair"]) != recorded("fair")


@pytest.mark.parametrize("step", [2, 5, 16])
def test_the_recorded_curve_notices_one_step_that_the_average_missed(step):
    before = []

    def forget(trainer):
        averages = trainer.ema.averages
        if trainer.step == step:
            for average, old in zip(averages, before, strict=True):
                average.copy_(old)
            trainer.ema.steps -= 1
        before[:] = [average.clone() for average in averages]

    assert losses(SENSITIVE, forget) != recorded("every part matters")
