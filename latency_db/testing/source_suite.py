"""`LatencySourceSuite`: what every latency source must do, measured, estimated or mixed."""

import math

import pytest

from latency_db.latency import Latency
from latency_db.source import LatencySource
from search_space.cost import cost
from search_space.presets import named_spec
from search_space.program import Program
from search_space.spec import UNetSpec


class LatencySourceSuite:
    """Tests of one source; override :meth:`source`, and :attr:`specs` where it knows fewer."""

    specs: tuple[str, ...] = ("sd15", "dreamlite", "snapgen-t2i", "F/thin")

    @pytest.fixture(scope="class")
    @classmethod
    def source(cls) -> LatencySource:
        """Return the source under test."""
        raise NotImplementedError(f"{cls.__name__} must override the fixture `source`")

    @pytest.fixture
    def networks(self) -> list[UNetSpec]:
        """Return the networks of :attr:`specs`."""
        return [named_spec(name) for name in self.specs]

    def test_it_is_a_source_that_names_itself_and_its_device(self, source: LatencySource) -> None:
        """Name and device are what captions and records show."""
        assert isinstance(source, LatencySource)
        assert source.name and source.device

    def test_its_revision_is_a_digest_that_stays(self, source: LatencySource) -> None:
        """A study that resumes compares revisions."""
        assert len(source.revision) >= 8 and int(source.revision, 16) >= 0
        assert source.revision == source.revision

    def test_it_predicts_an_interval_that_holds_its_middle(
        self, source: LatencySource, networks: list[UNetSpec]
    ) -> None:
        """0 < low ≤ ms ≤ high < ∞."""
        for network in networks:
            latency = source.predict(network)
            assert isinstance(latency, Latency)
            assert 0 < latency.low <= latency.ms <= latency.high < math.inf

    def test_coverage_and_source_agree(
        self, source: LatencySource, networks: list[UNetSpec]
    ) -> None:
        """Measured means all of it, estimated none of it."""
        for network in networks:
            latency = source.predict(network)
            if latency.source == "measured":
                assert latency.coverage == 1
            elif latency.source == "estimated":
                assert latency.coverage == 0
            else:
                assert 0 <= latency.coverage < 1

    def test_it_predicts_the_same_twice(
        self, source: LatencySource, networks: list[UNetSpec]
    ) -> None:
        """Caches change nothing."""
        for network in networks:
            assert source.predict(network) == source.predict(network)

    def test_equal_networks_have_equal_latencies(
        self, source: LatencySource, networks: list[UNetSpec]
    ) -> None:
        """A network is its content, not its object."""
        for network in networks:
            again = UNetSpec.from_json(network.to_json())
            assert source.predict(again) == source.predict(network)

    def test_the_largest_network_takes_longer_than_the_smallest(
        self, source: LatencySource, networks: list[UNetSpec]
    ) -> None:
        """By multiply-accumulates, which the named designs are far apart in."""
        by_macs = sorted(networks, key=lambda network: cost(network).macs)
        assert source.predict(by_macs[0]).ms < source.predict(by_macs[-1]).ms

    def test_a_program_takes_as_long_as_its_calls(
        self, source: LatencySource, networks: list[UNetSpec]
    ) -> None:
        """A UNet of four steps takes four times one step."""
        for network in networks:
            steps = source.predict(Program("unet", network, calls=4))
            once = source.predict(network)
            assert math.isclose(steps.ms, 4 * once.ms, rel_tol=1e-9)
            assert steps.low < steps.ms < steps.high or once.low == once.high
