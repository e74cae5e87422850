import numpy as np
import optuna
import pytest

from search_space.enumerate import enumerate_designs
from search_space.sample import RandomValues, random
from search_space.space import SearchSpace, shipped_spaces
from studies.greybox.moves import moves, named_moves
from studies.greybox.switches import Switches, UnknownValue
from studies.greybox.tabulated import Tabulated
from tests.studies.greybox.small import PRICES, SPACE, SWITCHES


@pytest.mark.parametrize("name", shipped_spaces())
def test_switches_are_another_way_of_writing_parameters(name):
    space = SearchSpace.load(name)
    switches, source = Switches.of(space), random.Random(0)
    for _ in range(20):
        values = RandomValues(source)
        design = space.suggest(values)
        row = switches.row(values.params)
        assert switches.params(row) == values.params
        settled, again = switches.settle(row)
        assert (settled == row).all() and again == design


def test_distributions_are_those_that_the_space_asks_optuna_for():
    trial = optuna.create_study().ask()
    SPACE.suggest(trial)
    for name, distribution in trial.distributions.items():
        assert SWITCHES.distributions[name] == distribution


def test_true_is_not_one():
    with pytest.raises(UnknownValue, match="mid = 1"):
        SWITCHES.row({"mid": 1})


def test_enumeration_meets_every_design_once():
    designs = [spec for _, spec in enumerate_designs(SPACE)]
    assert len(designs) == len(set(designs)) == SPACE.size()


def test_a_table_gives_the_prices_of_its_space_and_knows_which_switches_have_no_effect():
    levels = np.stack([SWITCHES.row(params) for params, _ in enumerate_designs(SPACE)])
    few = levels[::7]
    table = Tabulated(SWITCHES, PRICES.names, levels, np.arange(2.0 * len(levels)).reshape(-1, 2))
    assert (table.index(levels) == np.arange(len(levels))).all()
    rng = np.random.default_rng(0)
    drawn = np.stack([rng.integers(0, size, 40) for size in SWITCHES.sizes], axis=1)
    assert (table(drawn)[0] == PRICES(drawn)[0]).all()
    assert np.isfinite(table(few)[1]).all()


def test_moves_change_several_switches_as_the_walk_does():
    switches = Switches.of(SearchSpace.load("snapgen"))
    found = moves(switches)
    assert ((found >= 0).sum(axis=1) > 1).all()
    mqa = {f"kv_heads.{stage}": 1 for stage in range(3)}
    assert any(move == mqa for move in named_moves(switches))
