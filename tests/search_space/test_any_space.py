"""Spaces that hypothesis makes, over bases that it makes: what holds of `snapgen` holds of them."""

import contextlib
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from search_space.errors import SpecError
from search_space.sample import RandomValues
from search_space.space import FixedValues, SearchSpace
from search_space.spec import UNetSpec
from tests.search_space.strategies import searchable_specs, space_axes


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("bases")


def spaces(data: st.DataObject, bases: Path) -> SearchSpace:
    """A space read from TOML, over a base read from its JSON file."""
    base = data.draw(searchable_specs())
    file = bases / f"{base.digest()}.json"
    file.write_text(base.to_json())
    axes = data.draw(space_axes(len(base.stages)))
    lines = [f'base = "{file}"', "[axes]"]
    for name, bounds in axes.items():
        if isinstance(bounds, dict):
            bounds = "{" + ", ".join(f"{k} = {v}" for k, v in bounds.items()) + "}"
        else:
            bounds = json.dumps(bounds)
        lines.append(f'"{name}" = {bounds}')
    return SearchSpace.from_toml("\n".join(lines))


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(data=st.data(), seed=st.integers(0, 2**32))
def test_params_of_a_suggested_design_lead_back_to_it(
    data: st.DataObject, seed: int, bases: Path
) -> None:
    space = spaces(data, bases)
    try:
        spec = space.suggest(RandomValues(random.Random(seed)))
    except SpecError:
        assume(False)  # axes that contradict one another
    params = space.params_of(spec)
    assert space.suggest(FixedValues(params)) == spec
    assert spec in space
    assert UNetSpec.from_json(spec.to_json()) == spec


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_only_axes_with_an_effect_are_asked_for(data: st.DataObject, bases: Path) -> None:
    """Changing one answer changes the design, up to two spellings of one number of KV heads."""
    space = spaces(data, bases)
    trial = RandomValues(random.Random(data.draw(st.integers(0, 99))))
    try:
        spec = space.suggest(trial)
        assume(trial.params)
        name = data.draw(st.sampled_from(sorted(trial.params)))
        assume(not name.startswith("kv_heads"))
        other = data.draw(st.sampled_from([*space.bounds(name)]))
        assume(other != trial.params[name])
        answers = Preferring({**trial.params, name: other})
        changed = space.suggest(answers)
    except SpecError:
        assume(False)
    assert changed != spec


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_size_counts_every_path_through_a_space(data: st.DataObject, bases: Path) -> None:
    space = spaces(data, bases)
    assume(space.size() <= 300)
    assert sum(1 for _ in every_path(space)) == space.size()


@dataclass
class Preferring:
    """Answers with given values, with the first one where none is given."""

    params: dict[str, Any]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return int(self.params.get(name, low))

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None
    ) -> float:
        return float(self.params.get(name, low))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self.params.get(name, choices[0])


@dataclass
class Branch(Preferring):
    """Answers with the values at given positions, and notes how many there were to choose from."""

    params: dict[str, Any] = field(default_factory=dict)
    positions: list[int] = field(default_factory=list)
    widths: list[int] = field(default_factory=list)

    def _take(self, values: Any) -> Any:
        at = len(self.widths)
        self.widths.append(len(values))
        return values[self.positions[at] if at < len(self.positions) else 0]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return int(self._take(range(low, high + 1, step)))

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self._take(choices)


def every_path(space: SearchSpace) -> Iterator[list[int]]:
    """Every sequence of answers that a space can be given, contradictions included."""
    pending: list[list[int]] = [[]]
    while pending:
        start = pending.pop()
        trial = Branch(positions=start)
        with contextlib.suppress(SpecError):
            space.suggest(trial)
        yield start
        for at in range(len(start), len(trial.widths)):
            prefix = start + [0] * (at - len(start))
            pending += [[*prefix, choice] for choice in range(1, trial.widths[at])]
