"""Batch sizes and compute units of an estimate."""

from dataclasses import replace

import pytest

from latency_db.estimate import ChipEstimate
from latency_db.units import unit_ratio
from search_space.errors import WalkbenchError
from search_space.presets import named_spec

SPEC = named_spec("sd15")


def test_a_pair_takes_up_to_twice_as_long_and_never_less():
    one = ChipEstimate.of("A15")
    single, pair = one.predict(SPEC).ms, replace(one, batch=2).predict(SPEC).ms
    assert 1.5 * single < pair < 2.1 * single
    assert replace(one, batch=2).revision != one.revision


@pytest.mark.parametrize("units", ["gpu", "cpu"])
def test_other_units_are_slower_and_less_certain(units):
    ane = ChipEstimate.of("A15")
    known, other = ane.predict(SPEC), replace(ane, units=units).predict(SPEC)
    assert other.ms > known.ms
    assert other.high / other.low > 1.5 * known.high / known.low


def test_unknown_units_are_named():
    with pytest.raises(WalkbenchError, match="unknown compute units 'npu'"):
        unit_ratio("npu")
