"""The cloud of a study's designs: what each is, told apart by shape, at any size."""

import numpy as np

from proxies.score import Fidelity, Score
from search_space.cost import Cost
from studies.figures.cloud import Cloud, cloud_figure, roles
from studies.figures.cloud_roles import ROLES
from studies.records import TrialRecord
from studies.study_table import StudyTable

OBJECTIVES = ("proxy_loss", "params")
CLOUD = Cloud("params", "proxy_loss", OBJECTIVES)


def trial(number, loss, params, stderr=0.001, **other):
    """A trained design; without a loss one that is priced and nothing more."""
    score = None
    if loss is not None:
        run = Fidelity(steps=1, seconds=1.0, width=8, latent=8, batch=2, seed=0)
        score = Score.of_losses((loss - stderr, loss + stderr), run)
    known = {
        "state": "COMPLETE",
        "feasible": True,
        "digest": f"{number:012x}",
        "values": {} if loss is None else {"proxy_loss": loss, "params": params},
        "cost": Cost(params, 2 * params, 2 * params, params, params),
        "score": score,
        **other,
    }
    return TrialRecord(number, **known)


def table_of(*trials):
    return StudyTable.of_records(trials, OBJECTIVES)


def found(table, cloud=CLOUD):
    return {role: rows.tolist() for role, rows in roles(table, cloud).items() if len(rows)}


def test_every_trial_with_a_place_has_one_role():
    table = table_of(
        trial(0, 0.20, 300),
        trial(1, 0.30, 100),
        trial(2, 0.40, 400),
        trial(3, 0.10, 50, feasible=False),
        trial(4, 0.35, 350, name="F/mqa"),
    )
    assert found(table) == {
        "over budget": [3],
        "dominated": [2],
        "on the front": [0, 1],
        "named": [4],
    }


def test_a_design_within_its_standard_error_of_the_front_ties_with_it():
    table = table_of(trial(0, 0.200, 300, 0.01), trial(1, 0.205, 301, 0.01), trial(2, 0.4, 302))
    assert found(table) == {"dominated": [2], "ties within noise": [1], "on the front": [0]}


def test_trials_that_run_or_failed_are_not_shown_as_over_budget():
    both = Cloud("params", "macs", OBJECTIVES)
    table = table_of(
        trial(0, 0.2, 300),
        trial(1, None, 100, state="RUNNING", feasible=None),
        trial(2, None, 90, state="FAIL", failed="diverged"),
        trial(3, None, 900, state="PRUNED", feasible=False),
    )
    assert found(table, both) == {
        "over budget": [3], "failed": [2], "running": [1], "on the front": [0],
    }  # fmt: skip
    edge = {trace.name for trace in cloud_figure(table, CLOUD).data}
    assert {"over budget, not trained", "failed", "running"} <= edge


def test_a_lower_rung_is_marked_and_never_on_the_front():
    table = table_of(
        trial(0, 0.10, 100),
        trial(1, 0.20, 200, rung=1),
        trial(2, 0.05, 50, name="F/mqa"),
    )
    assert found(table) == {
        "on a lower rung": [0], "on the front": [1], "named, on a lower rung": [2],
    }  # fmt: skip
    traces = {trace.name: trace for trace in cloud_figure(table, CLOUD).data}
    assert traces["on the front"].customdata[0][2] == ", rung 2"
    assert traces["on a lower rung"].customdata[0][2] == ", rung 1"


def test_roles_differ_by_symbol_and_not_by_colour_alone():
    symbols = [symbol for symbol, *_ in ROLES.values()]
    assert len(set(symbols)) == len(symbols)


def test_a_large_cloud_is_thinned_and_its_front_is_not():
    source = np.random.default_rng(0)
    losses, params = source.uniform(0.1, 0.5, 20_000), source.integers(1, 10**9, 20_000)
    records = [
        TrialRecord(
            n,
            "COMPLETE",
            feasible=True,
            digest=str(n),
            values=dict(zip(OBJECTIVES, v, strict=True)),
        )
        for n, v in enumerate(zip(losses.tolist(), params.tolist(), strict=True))
    ]
    table = StudyTable.of_records(records, OBJECTIVES)
    figure = cloud_figure(table, CLOUD)
    traces = {trace.name: trace for trace in figure.data}
    assert len(traces["on the front"].x) == table.front(OBJECTIVES).sum()
    assert 1_000 < len(traces["dominated"].x) < 6_100


def test_no_point_lies_beyond_the_axes_whatever_its_interval():
    table = table_of(
        trial(0, 0.2, 300), trial(1, 0.3, 100, values={"proxy_loss": 0.1, "params": 90})
    )
    low, high = cloud_figure(table, CLOUD).layout.yaxis.range
    assert low < 0.1 and high > 0.2
