"""The model itself: limits, gradients, and what each switch may change."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latency_db.operators import KINDS, Operator
from latency_db.roofline import NAMES, OVERLAP, START, Setting, loads, milliseconds

values = st.integers(0, 10**9)
some_operators = st.builds(
    Operator, st.sampled_from(KINDS), values, values, values, values, st.integers(1, 40)
)


@given(st.dictionaries(some_operators, st.integers(1, 5), max_size=4), st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_gradient_is_the_derivative_by_log_parameters(ops, ane_layout):
    work = loads(ops, 16.0, Setting(ane_layout, old_silu=True))
    ms, gradient = milliseconds(work, START)
    step = 1e-6
    for k in range(len(NAMES)):
        up, down = START.copy(), START.copy()
        up[k] *= np.exp(step)
        down[k] *= np.exp(-step)
        numeric = (milliseconds(work, up)[0] - milliseconds(work, down)[0]) / (2 * step)
        assert gradient[k] == pytest.approx(numeric, rel=1e-4, abs=1e-6 * ms)


@given(st.dictionaries(some_operators, st.integers(1, 5), max_size=4), st.booleans())
@settings(max_examples=30, deadline=None)
def test_milliseconds_are_homogeneous_in_the_parameters(ops, ane_layout):
    work = loads(ops, 4.0, Setting(ane_layout))
    ms, gradient = milliseconds(work, START)
    assert gradient.sum() == pytest.approx(ms)
    assert milliseconds(work, 3 * START)[0] == pytest.approx(3 * ms)


def test_weights_stream_in_while_operators_run():
    computes = Operator("matrix", 10**9, 0, 0)
    reads = Operator("linear", 0, 10**7, 0)
    apart = [milliseconds(loads({op: 1}, 4.0), START, floor=False)[0] for op in (computes, reads)]
    together, _ = milliseconds(loads({computes: 1, reads: 1}, 4.0), START, floor=False)
    assert max(apart) < together < sum(apart)
    assert together == pytest.approx(sum(ms**OVERLAP for ms in apart) ** (1 / OVERLAP))


def test_weights_are_charged_once_and_do_not_spill():
    reads = Operator("matrix", 0, 10**9, 10)  # 2 GB, far more than fits on chip
    ms, gradient = milliseconds(loads({reads: 1}, 4.0), START, floor=False)
    assert ms == pytest.approx(START[NAMES.index("weight")] * 2000, rel=1e-6)
    assert gradient[NAMES.index("spill")] == 0


@pytest.mark.parametrize(("weights", "again"), [(10**5, False), (10**7, True)])
def test_a_convolution_reads_again_only_where_neither_tensors_nor_weights_fit(weights, again):
    work = loads({Operator("conv", 10**9, weights, 10**8): 1}, 4.0)
    assert bool(work.compute[0, NAMES.index("reread")] > 0) == again


@given(some_operators)
@settings(max_examples=60, deadline=None)
def test_no_operator_takes_negative_time_and_two_take_twice_as_long(op):
    once, _ = milliseconds(loads({op: 1}, 16.0), START, floor=False)
    twice, _ = milliseconds(loads({op: 2}, 16.0), START, floor=False)
    assert once >= 0
    assert twice == pytest.approx(2 * once)


def test_an_empty_network_takes_the_floor():
    ms, gradient = milliseconds(loads({}, 16.0), START)
    assert ms == START[NAMES.index("floor")]
    assert gradient[NAMES.index("floor")] == ms


def test_compute_and_traffic_overlap():
    compute = Operator("matrix", 10**9, 0, 0)
    traffic = Operator("matrix", 0, 0, 10**7)
    both = Operator("matrix", 10**9, 0, 10**7)
    a, b, ab = (
        milliseconds(loads({o: 1}, 1e9), START, floor=False)[0] for o in (compute, traffic, both)
    )
    assert max(a, b) < ab < a + b
    assert ab == pytest.approx((a**OVERLAP + b**OVERLAP) ** (1 / OVERLAP))


def test_more_on_chip_memory_is_never_slower():
    op = Operator("conv", 10**9, 10**6, 10**7)
    times = [milliseconds(loads({op: 1}, mb), START)[0] for mb in (1.0, 8.0, 16.0, 64.0)]
    assert times == sorted(times, reverse=True)
    assert times[0] > times[-1]


def test_palettised_weights_move_fewer_bytes():
    op = Operator("matrix", 0, 10**8, 10**4)
    full, _ = milliseconds(loads({op: 1}, 1e9, Setting()), START)
    four_bits, _ = milliseconds(loads({op: 1}, 1e9, Setting(weight_bits=4.0)), START)
    floor = START[0]
    assert (four_bits - floor) / (full - floor) == pytest.approx(0.25, rel=0.01)


def test_silu_costs_only_before_ios_17():
    op = Operator("silu", 0, 0, 10**7)
    new, _ = milliseconds(loads({op: 1}, 16.0, Setting(old_silu=False)), START)
    old, _ = milliseconds(loads({op: 1}, 16.0, Setting(old_silu=True)), START)
    assert new == START[0] < old


def test_an_unknown_operator_is_never_free():
    ms, _ = milliseconds(loads({Operator("unknown", 0, 0, 10**7): 1}, 16.0), START, floor=False)
    assert ms > 0
