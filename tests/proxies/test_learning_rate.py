import dataclasses

import pytest
import torch

from proxies.optimizers import muon
from proxies.recipe import Budget
from tests.proxies.small import RECIPE, made

WATCHED = ("down0.res0", "down1.stack0", "mid.res0", "up1.stack0", "up0.res0")


def moved(width, by_width=True, steps=4, **changes):
    """How far training moves what each watched block gives, relative to what it gave."""
    recipe = dataclasses.replace(RECIPE, by_width=by_width, warm_up=0, **changes)
    trainer = made(width=width, recipe=recipe)
    before = outputs(trainer)
    trainer.advance(Budget(steps=steps))
    after = outputs(trainer)
    return {n: ((after[n] - before[n]).norm() / before[n].norm()).item() for n in WATCHED}


@torch.no_grad()
def outputs(trainer):
    found = {}
    hooks = [
        trainer.learner.unet.get_submodule(name).register_forward_hook(
            lambda module, args, out, name=name: found.__setitem__(name, out.clone())
        )
        for name in WATCHED
    ]
    x, text, labels = trainer.data.batch(torch.arange(8))
    trainer.learner(x, torch.full((8,), 0.5), text, labels)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.slow
def test_coordinates_move_alike_at_all_widths_and_grow_without_the_rule():
    narrow = moved(16, by_width=True)
    with_rule, without = moved(64, by_width=True), moved(64, by_width=False)
    for name in WATCHED:
        growth, plain = with_rule[name] / narrow[name], without[name] / narrow[name]
        assert growth < 1.4, (name, growth)
        assert plain > 1.5 * growth, (name, plain, growth)


def test_coordinates_move_alike_under_muon_with_no_twin_of_another_width_as_reference():
    changes = {"optimizer": "muon", "learning_rate": 3e-3}
    narrow, wide = moved(16, **changes), moved(64, **changes)
    for name in WATCHED:
        assert wide[name] / narrow[name] < 1.45, (name, wide[name] / narrow[name])


def test_steps_as_long_as_adams_would_grow_with_the_width(monkeypatch):
    monkeypatch.setattr(muon, "step_size", lambda rows, columns: 0.2 * max(rows, columns) ** 0.5)
    changes = {"optimizer": "muon", "learning_rate": 3e-3}
    narrow, wide = moved(16, **changes), moved(64, **changes)
    assert all(wide[name] / narrow[name] > 1.5 for name in WATCHED)


def test_the_base_width_has_one_learning_rate():
    trainer = made(width=16)
    assert [group.multiplier for group in trainer.flat.groups] == [1.0]


def test_only_matrices_whose_inputs_grow_are_slowed():
    trainer = made(width=32)
    multiplier = {n: g.multiplier for g in trainer.flat.groups for n in g.names}
    assert multiplier["unet.down0.res0.conv1.weight"] == 0.5
    assert multiplier["unet.down1.stack0.layers.0.ff.out.weight"] == 0.5
    assert multiplier["unet.output.conv_out.conv.weight"] == 0.5
    assert multiplier["unet.input.conv_in.conv.weight"] == 1.0
    assert multiplier["words.weight"] == multiplier["places.weight"] == 1.0
    assert multiplier["unet.down0.res0.norm1.weight"] == 1.0
    assert multiplier["unet.down0.res0.conv1.bias"] == 1.0


@pytest.mark.thinned
@pytest.mark.parametrize("width", [8, 32])
def test_several_groups_train_as_well(width):
    trainer = made(width=width)
    trainer.advance(Budget(steps=20))
    assert len(trainer.flat.groups) > 1
    assert trainer.score().value < trainer.loss_function.start
