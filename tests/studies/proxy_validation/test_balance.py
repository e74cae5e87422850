import itertools
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from studies.proxy_validation.balance import balanced
from studies.proxy_validation.plan import make_plan

POOLS = st.dictionaries(st.text("ab", min_size=1, max_size=6), st.floats(1, 9), min_size=8)


@given(POOLS, st.integers(1, 4))
def test_members_are_different_and_every_band_has_its_share(pool, strata):
    number = 2 * strata
    chosen = balanced(pool, number, strata, lambda name: name[0])
    assert len({member for member, _ in chosen}) == number
    assert [band for _, band in chosen] == [band for band in range(strata) for _ in range(2)]
    values = [[pool[m] for m, b in chosen if b == band] for band in range(strata)]
    assert all(max(a) <= min(b) for a, b in itertools.pairwise(values))


def test_groups_are_equally_frequent_where_the_bands_allow_it():
    pool = {f"{group}{i}": float(i) for i in range(40) for group in ("a" * 9 + "b")[i % 10]}
    counts = Counter(name[0] for name, _ in balanced(pool, 8, 4, lambda name: name[0]))
    assert counts == {"a": 4, "b": 4}


def test_without_groups_chance_decides_within_a_band():
    pool = {name: float(i // 4) for i, name in enumerate("dcbahgfe")}
    assert [name for name, _ in balanced(pool, 4, 2, lambda name: None)] == ["d", "c", "h", "g"]


def test_a_balanced_plan_has_each_sampler_with_each_width_alike():
    plan = make_plan("pocket", designs=16, strata=4, short=2, long=20, seeds=2, balance=True)
    kinds = Counter((d.spec.sampler, d.spec.stages[0].channels) for d in plan.designs)
    assert len(kinds) == 4 and set(kinds.values()) == {4}
