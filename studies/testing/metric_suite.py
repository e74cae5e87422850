"""`MetricSuite`: what every registered metric must do."""

import math
from dataclasses import replace

import pytest

from latency_db.sources import source_of
from proxies.score import Fidelity, Score
from proxies.score_parts import PictureErrors, PictureQuality
from search_space.network import Network
from search_space.presets import named_spec
from studies.candidate import KnownCandidate, priced
from studies.metric import Measured, Metric
from studies.metrics import METRICS, budget_names


class MetricSuite:
    """Tests of the metric called :attr:`name`; override :meth:`network` for another kind."""

    name: str
    networks = ("F/mqa", "sd15")

    @pytest.fixture
    def metric(self) -> Metric:
        """Return the metric under test."""
        return METRICS.get(self.name)

    @pytest.fixture(params=[0, 1])
    def candidate(self, request: pytest.FixtureRequest) -> KnownCandidate:
        """Return a network of which everything is known."""
        network = self.network(request.param)
        run = Fidelity(steps=400, seconds=1.0, width=8, latent=24, batch=8, seed=0)
        bits = ((8, 0.002, 0.001), (6, 0.01, 0.001))
        errors = PictureErrors(steps=((4, 0.02, 0.001),), bits=bits, decoder=0.03)
        quality = PictureQuality(n=8, psnr=30.0, ssim=0.9)
        score = Score.of_losses((0.2, 0.3, 0.4), run, picture=errors, quality=quality)
        return replace(priced(network, source_of("A17 Pro")), score=score)

    def network(self, index: int) -> Network:
        """Return one of two networks."""
        return named_spec(self.networks[index])

    def test_its_value_is_finite_and_inside_its_bounds(
        self, metric: Metric, candidate: KnownCandidate
    ) -> None:
        """An exact value is its own bounds."""
        found = self.measure(metric, candidate)
        assert all(map(math.isfinite, (found.low, found.value, found.high)))
        assert found.low <= found.value <= found.high and found.source
        assert metric.is_exact == (found.low == found.value == found.high)

    def test_it_is_measured_alike_again(self, metric: Metric, candidate: KnownCandidate) -> None:
        """Trials of a study that is resumed compare."""
        assert self.measure(metric, candidate) == self.measure(metric, candidate)

    def test_it_is_none_while_its_stage_has_not_been_reached(
        self, metric: Metric, candidate: KnownCandidate
    ) -> None:
        """What is free needs no latency and no score, what is looked up no score."""
        unpriced = replace(candidate, latency=None, programs={}, score=None)
        untrained = replace(candidate, score=None)
        assert (metric.measure(unpriced) is not None) == (metric.stage == "free")
        assert (metric.measure(untrained) is not None) == (metric.stage != "trained")

    def test_an_uncertain_value_is_never_written_bare(
        self, metric: Metric, candidate: KnownCandidate
    ) -> None:
        """Text carries the unit and the uncertainty."""
        found = self.measure(metric, candidate)
        text = metric.write(found)
        assert text.endswith(metric.unit)
        assert metric.is_exact == ("±" not in text and "(" not in text)
        assert metric.cell(found) and metric.cell(None) == metric.write(None) == "–"

    def test_a_budget_is_kept_by_better_values_and_missed_by_worse_ones(
        self, metric: Metric, candidate: KnownCandidate
    ) -> None:
        """Metrics known before training can be budgets."""
        assert (self.name in budget_names()) == (metric.stage != "trained")
        limit = abs(self.measure(metric, candidate).value) or 1.0
        better, worse = (0.9, 1.1) if metric.goal == "minimise" else (1.1, 0.9)
        assert metric.violation(better * limit, limit) < 0 < metric.violation(worse * limit, limit)
        assert metric.violation(limit, limit) <= 0

    def measure(self, metric: Metric, candidate: KnownCandidate) -> Measured:
        """Measure, and fail where the metric says that it cannot."""
        found = metric.measure(candidate)
        assert found is not None
        return found
