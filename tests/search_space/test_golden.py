"""Nothing moves unnoticed: digests, costs, block keys, spaces, parameter names, initial weights."""

import json
from typing import Any

import pytest

from tests.search_space import golden

KEPT: dict[str, Any] = json.loads(golden.FIXTURE.read_text())


def test_named_specs_have_the_digests_and_costs_they_had() -> None:
    assert golden.named() == KEPT["named"]


def test_blocks_of_named_specs_have_the_keys_they_had() -> None:
    assert golden.block_keys() == KEPT["block_keys"]


def test_spaces_ask_the_same_questions_and_give_the_same_designs() -> None:
    now = golden.spaces()
    for name, kept in KEPT["spaces"].items():
        for number, (ours, theirs) in enumerate(
            zip(now[name].pop("designs"), kept.pop("designs"), strict=True)
        ):
            assert ours == theirs, f"design {number} of {name}"
        assert now[name] == kept


def test_parameters_have_the_names_and_shapes_they_had() -> None:
    assert golden.state_dicts() == KEPT["state_dicts"]


def test_a_seed_gives_the_weights_it_gave() -> None:
    now, kept = golden.seeded(), KEPT["seeded"]
    assert (now["weights"], now["inputs"]) == (kept["weights"], kept["inputs"])
    assert now["mean"] == pytest.approx(kept["mean"], rel=1e-4)
    assert now["std"] == pytest.approx(kept["std"], rel=1e-4)
    assert now["corner"] == pytest.approx(kept["corner"], rel=1e-4, abs=1e-6)
