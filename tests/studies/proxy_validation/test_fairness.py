import json
from pathlib import Path

import numpy as np
import pytest

from proxies.recipe import Recipe
from proxies.recipes import FAIR
from proxies.twin import twin
from studies.proxy_validation.fairness import (
    DOUBLE,
    GATE,
    HALF,
    NETWORKS,
    SIGNS,
    SWITCHES,
    failures,
    interactions,
    network,
    recipe_digest,
)
from tests.proxies.golden import RECORD

ROOT = Path(__file__).parents[3]
RESULT = ROOT / "benchmarks" / "results" / "recipe_fairness" / "fair.json"
NAMES = list(SWITCHES)


def made_up(interaction, switch="sampler", noise=0.0, seeds=4):
    """Losses in which one switch moves the effect of the rate by ``interaction``."""
    rng, sign = np.random.default_rng(0), SIGNS[:, NAMES.index(switch)]
    return {
        (number, rate, seed): 0.1
        * np.exp(
            0.03 * sign[number]
            + (rate == DOUBLE) * (0.02 + interaction * sign[number] / 2)
            + noise * rng.normal()
        )
        for number in range(NETWORKS)
        for rate in (HALF, DOUBLE)
        for seed in range(seeds)
    }


def test_every_switch_is_balanced_against_every_other():
    assert (NETWORKS * np.eye(len(SWITCHES)) == SIGNS.T @ SIGNS).all()
    assert (SIGNS.sum(axis=0) == 0).all()
    specs = [network(number) for number in range(NETWORKS)]
    assert len({spec.digest() for spec in specs}) == NETWORKS
    for spec in specs:
        twin(spec, 8, 24)
        twin(spec, 16, 32)


def test_an_interaction_is_found_with_its_size_and_no_other():
    found = interactions(made_up(0.05, "kv_heads"))
    for name, one in found["interactions"].items():
        assert one["effect"] == pytest.approx(0.05 if name == "kv_heads" else 0.0, abs=1e-5)
    assert found["rate_effect"] == pytest.approx(0.02)
    assert found["effects"]["kv_heads"]["effect"] == pytest.approx(0.06 + 0.025)


def test_the_standard_error_is_that_of_the_noise():
    errors = [interactions(made_up(0, noise=0.02, seeds=s))["interactions"] for s in (2, 8)]
    few, many = (np.mean([one["stderr"] for one in e.values()]) for e in errors)
    assert few == pytest.approx(2 * 0.02 * np.sqrt(2 / 2 / NETWORKS), rel=0.35)
    assert many == pytest.approx(few / 2, rel=0.35)


def test_a_seed_that_lacks_a_run_does_not_count():
    losses = made_up(0.0)
    del losses[3, HALF, 2]
    assert interactions(losses)["seeds"] == 3
    assert interactions({})["interactions"] == {}


def test_the_gate_names_what_is_above_it_unknown_or_of_another_recipe():
    good = {"recipe_digest": "a", **interactions(made_up(0.5 * GATE))}
    assert failures(good, "a") == []
    assert "not of b" in failures(good, "b")[0]
    assert (
        "sampler: +2.00%" in failures({"recipe_digest": "a", **interactions(made_up(0.02))}, "a")[0]
    )
    vague = {"recipe_digest": "a", **interactions(made_up(0.0, noise=0.05))}
    assert any("train more seeds" in one for one in failures(vague, "a"))
    assert failures({"recipe_digest": "a"}, "a")


def test_the_digest_follows_the_recipe_and_what_it_does():
    curve = [0.5, 0.4]
    assert recipe_digest(FAIR, curve) == recipe_digest(FAIR, [0.5, 0.4 + 1e-7])
    assert recipe_digest(FAIR, curve) != recipe_digest(FAIR, [0.5, 0.41])


def found_of_fair():
    """What keeps the fair recipe from its gate, by the committed result."""
    if not RESULT.is_file():
        return ["run python benchmarks/recipe_fairness.py fair"]
    digest = recipe_digest(FAIR, json.loads(RECORD.read_text())["fair"])
    return failures(json.loads(RESULT.read_text()), digest)


def test_muon_is_the_default_only_with_a_committed_result_that_passes_the_gate():
    if Recipe().optimizer == FAIR.optimizer:
        assert found_of_fair() == []


def test_a_committed_result_is_of_the_recipe_in_the_code():
    if RESULT.is_file():
        assert not [reason for reason in found_of_fair() if "of recipe" in reason]
