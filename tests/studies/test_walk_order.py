import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from latency_db.sources import source_of
from search_space.cost import cost
from search_space.presets import FAMILIES, WALK, walk_specs
from studies.walk_order import (
    marginal_changes,
    ordered_changes,
    shapley_values,
    subsets,
    walk_shares,
    walk_subsets,
)


@given(st.lists(st.integers(-1000, 1000), min_size=8, max_size=8))
def test_shapley_values_are_the_mean_over_all_orders(values):
    by_subset = dict(zip(subsets(range(3)), values, strict=True))
    totals = [0.0, 0.0, 0.0]
    for order in itertools.permutations(range(3)):
        for place, item in enumerate(order):
            before = tuple(sorted(order[:place]))
            totals[item] += by_subset[tuple(sorted((*before, item)))] - by_subset[before]
    assert shapley_values(values) == pytest.approx([total / 6 for total in totals])


@given(st.lists(st.integers(-(10**12), 10**12), min_size=32, max_size=32))
def test_shares_add_up_and_lie_between_their_extremes(values):
    whole = values[-1] - values[0]
    assert sum(ordered_changes(values)) == whole
    assert sum(shapley_values(values)) == pytest.approx(whole, abs=1e-2)
    for item, share in enumerate(shapley_values(values)):
        changes = marginal_changes(values, item)
        assert min(changes) - 1e-6 <= share <= max(changes) + 1e-6


@pytest.mark.parametrize("family", FAMILIES)
def test_subsets_of_the_walk_hold_its_own_designs(family):
    designs, specs = walk_subsets(family), list(walk_specs(FAMILIES[family]).values())
    assert len(designs) == 2 ** (len(WALK) - 1)
    assert [designs[(1 << i) - 1] for i in range(len(WALK))] == specs


def test_in_the_papers_order_each_step_changes_what_the_walk_says():
    shares = {(s.step, s.metric): s for s in walk_shares("M", source_of("iPhone 15 Pro"))}
    specs = walk_specs(FAMILIES["M"])
    for before, after in itertools.pairwise(specs):
        for metric in ("params", "macs"):
            change = getattr(cost(specs[after]), metric) - getattr(cost(specs[before]), metric)
            assert shares[after, metric].in_order == change
    rope = shares["qk-norm-rope", "macs"]
    assert (rope.mean, rope.least, rope.most) == (0, 0, 0)
    separable = shares["separable", "latency_ms"]
    assert separable.least < separable.mean < separable.in_order <= separable.most < 0
