"""What every latency source must do, whatever it knows: measured, estimated, or some of each."""

import dataclasses
import math

import pytest

from latency_db.estimate import ChipEstimate, estimate_block
from latency_db.latency import Latency
from latency_db.mixed import MixedSource
from latency_db.source import LatencySource
from latency_db.table import Table
from latency_db.table_row import Conditions, Row
from search_space.cost import cost
from search_space.plan import plan
from search_space.presets import all_named, named_spec
from search_space.spec import UNetSpec

SPECS = ("sd15", "dreamlite", "snapgen-t2i", "F/thin")


def table(*names: str) -> Table:
    """A table of made-up times: a tenth over the estimate of each block, and 0.2 ms a call."""
    rows = {}
    for name in names:
        for block, _ in plan(named_spec(name)).blocks():
            ms = 1.1 * estimate_block(block, "A15").ms
            samples = {1: [ms + 0.2], 4: [4 * ms + 0.2]}
            rows[block] = Row.of(block.key, Conditions("iPhone 13"), samples, run="a")
    return Table.of(rows.values(), "made-up")


def sources() -> dict[str, LatencySource]:
    return {
        "estimate": ChipEstimate.of("A17 Pro"),
        "table": table(*SPECS),
        "mixed, half known": MixedSource.of(table("sd15", "snapgen-t2i")),
        "mixed, little known": MixedSource.of(table("sd15")),
    }


@pytest.fixture(scope="module", params=sources())
def source(request) -> LatencySource:
    return sources()[request.param]


def test_it_is_a_source_that_names_itself_and_its_device(source):
    assert isinstance(source, LatencySource)
    assert source.name and source.device


@pytest.mark.parametrize("name", SPECS)
def test_it_predicts_an_interval_that_holds_its_middle(source, name):
    latency = source.predict(named_spec(name))
    assert isinstance(latency, Latency)
    assert 0 < latency.low <= latency.ms <= latency.high < math.inf


@pytest.mark.parametrize("name", SPECS)
def test_coverage_and_source_agree(source, name):
    latency = source.predict(named_spec(name))
    if latency.source == "measured":
        assert latency.coverage == 1
    elif latency.source == "estimated":
        assert latency.coverage == 0
    else:
        assert 0 <= latency.coverage < 1


def test_it_says_the_same_twice(source):
    spec = named_spec("sd15")
    assert source.predict(spec) == source.predict(spec)


def test_an_equal_spec_is_the_same_spec(source):
    spec = named_spec("snapgen-t2i")
    assert source.predict(UNetSpec.from_json(spec.to_json())) == source.predict(spec)


def test_it_tells_designs_apart_in_the_order_of_their_size(source):
    by_macs = sorted(SPECS, key=lambda name: cost(named_spec(name)).macs)
    times = [source.predict(named_spec(name)).ms for name in (by_macs[0], by_macs[-1])]
    assert times[0] < times[1]


def test_a_deeper_network_is_never_faster():
    """Only for sources that know every block: the estimate."""
    source = ChipEstimate.of("A15")
    for name in ("sd21", "dreamlite", "F/qk-norm-rope"):
        spec = all_named()[name]
        mid = dataclasses.replace(spec.mid, depth=spec.mid.depth + 1)
        assert source.predict(spec.replace(mid=mid)).ms > source.predict(spec).ms
