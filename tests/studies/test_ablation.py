import json

import numpy as np
import pytest
from typer.testing import CliRunner

from proxies.testing import tiny_run
from search_space.cost import cost
from search_space.errors import WalkbenchError
from search_space.presets import FAMILIES, named_spec, walk_specs
from search_space.space import OutsideSpace, SearchSpace
from studies.ablation import BASE, along_walk, around, costs_of, train_ablation, with_losses
from studies.cli.main import app
from studies.engines import engine

POCKET = SearchSpace.load("pocket")


def test_around_a_design_every_change_moves_one_axis():
    design = named_spec("F/mqa")
    base, found = POCKET.params_of(design), around(POCKET, design)
    for change in found.changes:
        axis, value = change.name.split(" = ")
        params = POCKET.params_of(found.designs[change.after])
        assert str(params[axis]) == value
        assert {k for k in base if k in params and params[k] != base[k]} == {axis}
    counted = sum(len(POCKET.bounds(name)) - 1 for name in base)
    assert len(found.changes) == counted


def test_an_axis_that_a_change_switches_on_takes_its_first_value():
    found = around(POCKET, named_spec("F/mqa"), ["depth.0.down"])
    params = POCKET.params_of(found.designs["depth.0.down = 1"])
    assert params["resblocks.0.down"] is False


@pytest.mark.parametrize(
    ("factor", "message"),
    [("depth.9", "unknown axis"), ("resblocks.0.down", "has no effect on this design")],
)
def test_factors_that_cannot_be_changed_are_named(factor, message):
    with pytest.raises(WalkbenchError, match=message):
        around(POCKET, named_spec("F/mqa"), [factor])


def test_a_design_outside_the_space_is_refused():
    with pytest.raises(OutsideSpace):
        around(POCKET, named_spec("sdxl"))


def test_the_walk_forwards_is_the_walk_and_backwards_leaves_one_step_out():
    found, specs = along_walk("F"), walk_specs(FAMILIES["F"])
    forwards = [change for change in found.changes if change.name.startswith("+")]
    assert [found.designs[change.after] for change in forwards] == list(specs.values())[1:]
    without = found.designs["without ffn-3"]
    assert {stage.ff_ratio for stage in without.stages} == {4.0}
    assert specs["snapgen"].stages[1].conv == without.stages[1].conv


def test_costs_are_exact_ratios():
    found = along_walk("M")
    effects = {effect.change.name: effect for effect in costs_of(found, None)}
    before, after = (cost(found.designs[label]).params for label in ("mqa", "early-condition"))
    assert effects["+ early-condition"].costs["params"] == after / before - 1
    assert effects["+ early-condition"].costs["latency_ms"] is None


@pytest.mark.slow
def test_every_design_is_trained_under_every_seed_and_judged_by_pairs():
    found = around(POCKET, named_spec("F/mqa"), ["ff_ratio"])
    settings = tiny_run().settings
    with engine("serial") as serial:
        losses = train_ablation(found, settings, 2, serial)
    assert {label: len(row) for label, row in losses.items()} == {BASE: 2, "ff_ratio = 4.0": 2}
    (effect,) = with_losses(costs_of(found, None), losses)
    expected = (losses["ff_ratio = 4.0"] / losses[BASE] - 1).mean()
    assert effect.loss.relative == pytest.approx(expected)
    assert effect.loss.low < effect.loss.relative < effect.loss.high


def test_a_large_steady_change_is_real_and_a_failed_run_gives_no_verdict():
    found = around(POCKET, named_spec("F/mqa"), ["kv_heads", "ff_ratio"])
    losses = {
        BASE: np.array([1.0, 1.1, 0.9]),
        "kv_heads = all": np.array([2.0, 2.21, 1.79]),
        "ff_ratio = 4.0": np.array([1.0, np.nan, 1.0]),
    }
    effects = {e.change.name: e for e in with_losses(costs_of(found, None), losses)}
    assert effects["kv_heads = all"].loss.verdict == "REAL"
    assert effects["ff_ratio = 4.0"].loss is None


def run(*words):
    return CliRunner().invoke(app, ["ablate", *words])


@pytest.mark.slow
def test_the_command_trains_when_told_how_long():
    words = ["--around", "F/mqa", "--space", "pocket", "--factors", "ff_ratio", "--steps", "2"]
    small = ["--width", "8", "--latent", "24", "--batch", "2", "--seeds", "2"]
    done = run(*words, *small, "--format", "json")
    assert done.exit_code == 0, done.stderr
    (row,) = json.loads(done.stdout)
    assert row["verdict"] in ("REAL", "INSIDE NOISE") and row["seeds"] == 2


@pytest.mark.slow
def test_the_order_of_the_walk_is_shown_by_metric():
    done = run("--walk", "F", "--order", "--format", "json")
    assert {row["metric"] for row in json.loads(done.stdout)} == {"latency_ms", "params", "macs"}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ((), "needs either --around SPEC or --walk FAMILY"),
        (("--walk", "Q"), "unknown family"),
        (("--around", "F/mqa", "--order"), "--order is about the steps of the walk"),
        (("--walk", "F", "--factors", "conv"), "--factors are axes of a space"),
        (("--walk", "F", "--batch", "8"), "--batch is about training; add --steps or --seconds"),
    ],
)
def test_words_that_do_not_fit_are_refused_in_one_line(words, message):
    done = run(*words)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())
