"""The plot of a study: what is filled, hollow, starred, on the line, at the edge."""

import dataclasses
from typing import Any

import pytest

from latency_db.latency import Latency
from proxies.score import Fidelity, Score
from search_space.cost import Cost
from search_space.presets import named_spec
from studies.figures.axes import number_sort, usable_metrics
from studies.figures.hover import hover_text
from studies.figures.labels import LINE, place_labels
from studies.figures.pareto import pareto_figure, plotted
from studies.figures.progress import progress_figure
from studies.figures.style import MARK
from studies.metrics import METRICS
from studies.records import TrialRecord
from studies.study_table import StudyTable
from studies.walk_trials import steps_of_walk

OBJECTIVES = ("proxy_loss", "latency_ms")


def row(trial: int, loss: float | None, ms: float, **more: Any) -> TrialRecord:
    """A trial with an estimated latency; without a loss it was over budget and not trained."""
    complete = loss is not None
    source = more.pop("source", "estimated")
    run = Fidelity(steps=1, seconds=1.0, width=8, latent=24, batch=2, seed=0)
    return TrialRecord(
        trial,
        "COMPLETE" if complete else "PRUNED",
        **{
            "digest": f"digest{trial}",
            "values": {"proxy_loss": loss, "latency_ms": ms} if complete else {},
            "cost": Cost(1_000_000 * trial + 400_000_000, 600_000_000_000, 1, 1, 1),
            "latency": Latency(ms, ms / 2, ms * 2, 0.0, source),
            "score": Score(loss, 0.01, 2, run) if complete else None,
            "feasible": complete,
            **more,
        },
    )


ROWS = [
    row(0, 0.30, 100.0),
    row(1, 0.20, 200.0),
    row(2, 0.25, 250.0),
    row(3, None, 400.0),
    row(4, 0.22, 180.0, name="F/mqa"),
]


def trace(figure: Any, name: str) -> Any:
    return next(t for t in figure.data if t.name == name)


def drawn(**options: Any) -> Any:
    return pareto_figure(ROWS, OBJECTIVES, "latency_ms", "proxy_loss", **options)


def test_the_stairs_go_through_the_front_and_nothing_else():
    assert list(trace(drawn(), "front").x) == [100.0, 180.0, 200.0]


def test_an_estimate_is_hollow_and_a_measurement_is_filled():
    estimated = trace(drawn(), "on the front").marker.symbol
    assert set(estimated) == {MARK["estimated"]["symbol"]}
    measured = [row(0, 0.3, 100.0, source="measured")]
    figure = pareto_figure(measured, OBJECTIVES, "latency_ms", "proxy_loss")
    assert set(trace(figure, "on the front").marker.symbol) == {MARK["measured"]["symbol"]}


def test_without_latency_on_an_axis_points_are_filled():
    figure = pareto_figure(ROWS, OBJECTIVES, "params", "proxy_loss")
    assert set(trace(figure, "on the study's front").marker.symbol) == {MARK["exact"]["symbol"]}


def test_intervals_are_drawn_at_their_length():
    front = trace(drawn(), "on the front")
    at = list(front.x).index(100.0)
    assert front.error_x.array[at] == 100.0 and front.error_x.arrayminus[at] == 50.0
    assert front.error_y.array[at] == pytest.approx(0.01)


def test_few_bars_leave_the_rest_of_the_designs_without():
    assert trace(drawn(), "not on the front").error_x.array is None
    assert trace(drawn(bars="all"), "not on the front").error_x.array is not None
    assert trace(drawn(bars="none"), "on the front").error_x.array is None


def test_a_named_design_is_a_star_with_its_name():
    figure = drawn()
    assert trace(figure, "named").marker.symbol[0] == "star-open"
    assert [a.text for a in figure.layout.annotations] == ["F/mqa"]


def test_a_candidate_that_was_not_trained_is_a_tick_at_its_latency():
    edge = trace(drawn(), "without a loss (over budget or failed)")
    assert list(edge.x) == [400.0]
    assert "over budget, not trained" in edge.customdata[0][1]
    assert "Proxy loss".lower() not in edge.customdata[0][1]


def test_a_candidate_far_away_does_not_squeeze_the_rest():
    figure = pareto_figure([*ROWS, row(5, None, 9e4)], OBJECTIVES, "latency_ms", "proxy_loss")
    end = figure.layout.xaxis.range[1]
    edge = trace(figure, "without a loss (over budget or failed)")
    assert end < 1000 and max(edge.x) == end
    assert edge.marker.symbol[-1] == "triangle-right"


def test_a_budget_inside_the_plot_is_a_line():
    shapes = drawn(budgets={"latency_ms": 300.0, "params": 1.0}).layout.shapes
    assert [(s.x0, s.x1) for s in shapes] == [(300.0, 300.0)]


def test_every_point_carries_its_trial_for_clicks():
    figure = drawn(selected=1)
    trials = {point[0] for t in figure.data if t.customdata is not None for point in t.customdata}
    assert trials == {0, 1, 2, 3, 4}


def test_hovering_says_every_number_with_its_uncertainty():
    text = hover_text(ROWS[0])
    assert "0.3000 ± 0.0100" in text and "○ 100 (50–200) ms, estimated, 80 % interval" in text
    assert "MACs 600.0 G" in text and "parameters 400.00 M" in text


def test_colour_can_be_a_third_number():
    figure = drawn(colour="params")
    assert list(trace(figure, "not on the front").marker.color) == [402.0]


def test_nothing_to_plot_is_an_empty_plot_not_an_error():
    figure = pareto_figure([ROWS[3]], OBJECTIVES, "latency_ms", "proxy_loss")
    assert not plotted([ROWS[3]], "latency_ms", "proxy_loss")
    assert len(figure.data) == 1


def test_only_metrics_with_values_are_offered():
    offered = [metric.name for metric in usable_metrics([ROWS[3]])]
    assert offered[:3] == ["latency_ms", "params", "macs"] and "proxy_loss" not in offered
    assert usable_metrics([]) == []


def test_a_failed_score_is_no_value():
    run = Fidelity(steps=1, seconds=1.0, width=8, latent=24, batch=2, seed=0)
    failed = row(0, None, 100.0, score=Score.failure("loss is nan", run))
    assert METRICS.get("proxy_loss").write(failed.measured("proxy_loss")) == "–"


def test_a_latency_that_is_partly_measured_has_a_mark_of_its_own():
    mixed = row(0, 0.3, 100.0, source="mixed")
    assert number_sort(mixed, [METRICS.get("latency_ms")]) == "mixed"
    figure = pareto_figure([mixed], OBJECTIVES, "latency_ms", "proxy_loss")
    assert set(trace(figure, "on the front").marker.symbol) == {MARK["mixed"]["symbol"]}


def test_walk_steps_come_in_the_order_of_the_walk():
    names = ["F/mqa", "F/thin", "F/ffn-3"]
    rows = [
        dataclasses.replace(row(i, 0.3, 100.0), name=n, digest=named_spec(n).digest())
        for i, n in enumerate(names)
    ]
    assert [r.name for r in steps_of_walk(rows, "F")] == ["F/thin", "F/ffn-3", "F/mqa"]
    assert steps_of_walk(rows, "M") == []  # thin is in both families, but M has no step of its own


def test_labels_of_crowded_points_do_not_overlap():
    texts = [f"F/name-{i}" for i in range(8)]
    places = [(0.5 + 0.01 * i, 0.5) for i in range(8)]
    spots = place_labels(places, texts, (620, 380))
    middles = [(x * 620 + dx, y * 380 + dy) for (x, y), (dx, dy) in zip(places, spots, strict=True)]
    width = len(texts[0]) * 7
    for i, (x, y) in enumerate(middles):
        for a, b in middles[:i]:
            assert abs(x - a) >= width or abs(y - b) >= LINE - 1


def test_progress_never_falls_and_ends_at_today():
    figure = progress_figure(StudyTable.of_records(ROWS, OBJECTIVES), OBJECTIVES)
    shares = list(figure.data[0].y)
    assert shares == sorted(shares) and shares[-1] == pytest.approx(100)
    assert (figure.data[0].x[0], figure.data[0].x[-1]) == (0, 4)
