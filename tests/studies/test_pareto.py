import itertools

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latency_db.latency import Latency
from proxies.score import Fidelity, Score
from search_space.cost import Cost
from studies import pareto
from studies.metric import Metric, exact
from studies.metrics import METRICS, register
from studies.records import TrialRecord

OBJECTIVES = ("proxy_loss", "latency_ms")
GRID = st.integers(1, 6).map(float)  # a coarse grid, so that ties and duplicates occur


NAMES = ("proxy_loss", "latency_ms", "params", "macs")


def make_trial(number, values, feasible=True, state="COMPLETE", **more):
    done = dict(zip(NAMES, values, strict=False)) if state == "COMPLETE" else {}
    return TrialRecord(number, state, feasible=feasible, values=done, **more)


def points(dimension):
    return st.lists(st.tuples(*[GRID] * dimension), min_size=1, max_size=25)


@given(st.lists(st.tuples(GRID, GRID, st.booleans()), max_size=25))
@settings(max_examples=60, deadline=None)
def test_front_is_the_one_that_optuna_finds_where_all_constraints_are_set(trials):
    study = optuna.create_study(directions=["minimize", "minimize"])
    rows = []
    for number, (loss, ms, ok) in enumerate(trials):
        trial = study.ask()
        trial.set_constraint("latency_ms", -0.1 if ok else 0.1)
        study.tell(trial, [loss, ms])
        rows.append(make_trial(number, (loss, ms), ok))
    ours = {row.number for row in pareto.front(rows, OBJECTIVES)}
    assert ours == {t.number for t in study.best_trials}


@pytest.mark.parametrize("dimension", [1, 2, 3, 4])
def test_nothing_on_a_front_is_dominated_and_everything_off_it_is(dimension):
    @given(points(dimension))
    @settings(max_examples=40, deadline=None)
    def check(placed):
        names = NAMES[:dimension]
        rows = [make_trial(i, p) for i, p in enumerate(placed)]
        kept = {row.number for row in pareto.front(rows, names)}
        for i, p in enumerate(placed):
            assert (i in kept) != any(pareto.dominates(q, p) for q in placed)

    check()


@given(st.integers(1, 4).flatmap(points))
@settings(max_examples=60, deadline=None)
def test_hypervolume_is_the_number_of_grid_cells_dominated(placed):
    dimension = len(placed[0])
    cells = itertools.product(range(1, 7), repeat=dimension)
    covered = sum(
        any(all(x <= c for x, c in zip(p, cell, strict=True)) for p in placed) for cell in cells
    )
    assert pareto.hypervolume(placed, (7.0,) * dimension) == pytest.approx(covered)


@given(points(3), st.tuples(GRID, GRID, GRID))
@settings(max_examples=40, deadline=None)
def test_hypervolume_never_shrinks_and_grows_only_by_points_no_other_dominates(placed, extra):
    reference = (6.5, 6.5, 6.5)
    before = pareto.hypervolume(placed, reference)
    after = pareto.hypervolume([*placed, extra], reference)
    covered = extra in placed or any(pareto.dominates(p, extra) for p in placed)
    assert after == pytest.approx(before) if covered else after > before


def test_points_outside_the_reference_add_nothing():
    assert pareto.hypervolume([(3.0, 1.0), (1.0, 3.0)], (2.0, 2.0)) == 0
    assert pareto.hypervolume([], (2.0, 2.0)) == 0


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        ({"latency_ms": -0.2, "params": 0.0}, True),
        ({"latency_ms": -0.2, "params": 0.01}, False),
        ({"params": 0.01}, False),
        ({"params": -0.01}, None),
        ({}, None),
    ],
)
def test_a_budget_that_was_never_checked_is_not_a_budget_that_was_kept(constraints, expected):
    assert pareto.feasible(constraints, ("latency_ms", "params")) is expected


def test_a_study_without_budgets_finds_everything_feasible():
    assert pareto.feasible({}, ()) is True


@pytest.mark.parametrize(
    "bad",
    [
        make_trial(1, (0.0, 0.0), feasible=False),
        make_trial(1, (0.0, 0.0), feasible=None),
        make_trial(1, (0.0, 0.0), state="PRUNED"),
        make_trial(1, (0.0, 0.0), state="FAIL"),
        make_trial(1, (0.0,)),
    ],
)
def test_only_complete_feasible_rows_with_every_objective_stand_on_a_front(bad):
    rows = [make_trial(0, (1.0, 1.0)), bad]
    assert [row.number for row in pareto.front(rows, OBJECTIVES)] == [0]


def test_metrics_outside_the_objectives_come_from_what_the_trial_stored():
    run = Fidelity(steps=1, seconds=1.0, width=8, latent=24, batch=2, seed=0)
    trial = make_trial(
        0,
        (0.3,),
        cost=Cost(10, 20, 20, 5, 4),
        latency=Latency(5.0, 4.0, 6.0, 0.0, "estimated"),
        score=Score.of_losses((0.8, 1.0), run),
    )
    assert [trial.value(name) for name in NAMES] == [0.3, 5.0, 10.0, 20.0]
    assert make_trial(1, (), state="FAIL").value("proxy_loss") is None


@pytest.fixture
def speed():
    """A metric of which more is better."""
    yield register(Metric("speed", "Speed", lambda candidate: exact(1.0), goal="maximise"))
    METRICS.unregister("speed")


@given(points(2))
@settings(max_examples=40, deadline=None)
def test_a_maximised_metric_gives_the_front_of_its_negation(placed):
    mirrored = Metric("mirrored", "Mirrored", lambda candidate: exact(1.0), goal="maximise")
    METRICS.register("mirrored", mirrored)
    try:
        plain = [make_trial(i, p) for i, p in enumerate(placed)]
        other = [
            TrialRecord(i, "COMPLETE", feasible=True, values={"proxy_loss": x, "mirrored": -y})
            for i, (x, y) in enumerate(placed)
        ]
        names = ("proxy_loss", "mirrored")
        kept = [trial.number for trial in pareto.front(plain, OBJECTIVES)]
        assert [trial.number for trial in pareto.front(other, names)] == kept
        assert pareto.knee(other, names).number == pareto.knee(plain, OBJECTIVES).number
        reference = pareto.reference_point(other, names)
        volume = pareto.hypervolume([pareto.point(t, names) for t in other], reference)
        assert volume > 0 and reference[1] > max(-y for y in [t.values["mirrored"] for t in other])
    finally:
        METRICS.unregister("mirrored")


def test_a_budget_of_a_maximised_metric_is_a_lower_limit(speed):
    assert speed.violation(9.0, 10.0) == pytest.approx(0.1) and speed.violation(11.0, 10.0) < 0
    assert speed.limit(10.0) == "Speed ≥ 10"


def test_a_value_at_its_budget_keeps_it():
    latency = METRICS.get("latency_ms")
    assert latency.violation(300.0, 300.0) <= 0 < latency.violation(300.1, 300.0)


def test_history_of_the_hypervolume_never_falls_and_ends_at_the_whole():
    rows = [make_trial(i, p) for i, p in enumerate([(3.0, 3.0), (1.0, 4.0), (2.0, 2.0)])]
    history = pareto.hypervolume_history(rows, OBJECTIVES)
    assert history == sorted(history)
    whole = [pareto.point(row, OBJECTIVES) for row in rows]
    assert history[-1] == pareto.hypervolume(whole, pareto.reference_point(rows, OBJECTIVES))
    assert pareto.hypervolume_history([], OBJECTIVES) == []


def test_of_equal_designs_the_first_is_kept():
    rows = [TrialRecord(i, "COMPLETE", digest=digest) for i, digest in enumerate("aba")]
    assert [row.number for row in pareto.distinct(rows)] == [0, 1]


@given(points(2))
@settings(max_examples=40, deadline=None)
def test_the_knee_lies_on_the_front_and_is_the_nearest_to_its_best_corner(placed):
    rows = [make_trial(i, p) for i, p in enumerate(placed)]
    kept = pareto.front(rows, OBJECTIVES)
    knee = pareto.knee(rows, OBJECTIVES)
    assert knee in kept
    columns = list(zip(*(pareto.point(row, OBJECTIVES) for row in kept), strict=True))

    def squared(row):
        scaled = [
            (x - min(c)) / ((max(c) - min(c)) or 1)
            for x, c in zip(pareto.point(row, OBJECTIVES), columns, strict=True)
        ]
        return sum(value**2 for value in scaled)

    assert squared(knee) <= min(map(squared, kept)) + 1e-9


def test_without_a_front_there_is_no_knee():
    assert pareto.knee([make_trial(0, (1.0, 1.0), feasible=False)], OBJECTIVES) is None
