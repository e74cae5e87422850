"""Drift: what neighbours share is taken out, what is a block's own stays, nothing is invented."""

import numpy as np
import pytest
from scipy.stats import kendalltau

from latency_db.table import Table
from latency_db.table_drift import WINDOW, left_over, pace_of, without_drift
from latency_db.table_file import read_rows, table_path
from latency_db.table_row import MeasuringConditions, Row, network_key
from latency_db.validate import cases_of
from search_space.blocks import ConvIn
from search_space.presets import named_spec

CPU = MeasuringConditions("cpu")
BLOCKS = [ConvIn(4, width, 32) for width in range(8, 8 + 4 * 40, 4)]
OWN = [0.1 * (3 + i % 7) for i in range(len(BLOCKS))]
SPEC = named_spec("F/mqa")
PASSES = 5


def run_of(pace, noise=0.01, passes=PASSES, seed=0, run="a", network_ms=None):
    """Visits in passes of different order; ``pace(t)`` slows the machine, t from 0 to 1."""
    random = np.random.default_rng(seed)
    rows, total = [], passes * len(BLOCKS)
    for number in range(passes):
        for i, which in enumerate(random.permutation(len(BLOCKS))):
            block, own = BLOCKS[which], OWN[which]
            slow = pace((number * len(BLOCKS) + i) / total) * np.exp(noise * random.normal())
            times = {1: [slow * (own + 0.05)] * 3, 4: [slow * (4 * own + 0.05)] * 3}
            rows.append(Row.of(block.key, CPU, times, run=run, pass_number=number))
        if network_ms is not None:
            slow = pace((number + 1) * len(BLOCKS) / total)
            rows.append(
                Row.of(
                    network_key(SPEC),
                    CPU,
                    {1: [slow * network_ms[number]]},
                    run=run,
                    pass_number=number,
                    spec=SPEC.to_json(),
                )
            )
    return rows


def errors(table):
    """Relative errors at the run's typical pace, which nobody can tell from the blocks' own."""
    ratio = np.array([table.entries[b].ms / own for b, own in zip(BLOCKS, OWN, strict=True)])
    return np.abs(ratio / np.median(ratio) - 1)


def waves(t):
    return float(np.exp(0.2 * np.sin(2 * np.pi * 3.3 * t)))


def test_a_known_drift_is_recovered_and_taken_out():
    rows = run_of(waves)
    true = np.log([waves(i / len(rows)) for i in range(len(rows))])
    assert np.corrcoef(pace_of(rows), true)[0, 1] > 0.95
    kept, removed = (errors(Table.of(rows, "t", drift=way)) for way in ("keep", "remove"))
    assert np.median(removed) < 0.02 < 3 * np.median(removed) < np.median(kept)
    assert Table.of(rows, "t").drift == pytest.approx(np.std(true), rel=0.2)


def test_a_machine_that_changes_its_pace_for_good_is_evened_out():
    table = Table.of(run_of(lambda t: 1.0 if t < 0.7 else 1.4), "t")
    assert np.median(errors(table)) < 0.01


def test_without_drift_nothing_changes_beyond_the_noise():
    rows = run_of(lambda t: 1.0, noise=0.03)
    kept, removed = (errors(Table.of(rows, "t", drift=way)) for way in ("keep", "remove"))
    assert Table.of(rows, "t").drift < 0.01
    assert np.mean(removed) < 1.1 * np.mean(kept)


def test_slope_and_call_price_are_slowed_and_evened_out_together():
    entries = Table.of(run_of(waves, noise=0.0), "t").entries
    for block, own in zip(BLOCKS, OWN, strict=True):
        assert entries[block].floor_ms / entries[block].ms == pytest.approx(0.05 / own, rel=0.02)


def test_a_run_keeps_its_typical_pace():
    rows = run_of(lambda t: 1.5 if 0.4 < t < 0.6 else 1.0, noise=0.0)
    assert Table.of(rows, "t").entries[BLOCKS[5]].ms == pytest.approx(OWN[5], rel=0.01)


def test_one_pass_is_left_as_it_was():
    rows = run_of(waves, passes=1)
    assert without_drift(rows).rows == tuple(rows) and without_drift(rows).drift == 0.0


def test_rows_of_two_runs_are_not_evened_out_against_each_other():
    rows = run_of(lambda t: 1.0, noise=0, run="a") + run_of(lambda t: 1.1, noise=0, run="b")
    assert without_drift(rows).drift == 0.0
    assert without_drift(rows).rows == tuple(rows)


def test_samples_and_order_stay_as_they_were_taken():
    rows = run_of(waves)
    assert [(r.key, r.samples, r.date) for r in without_drift(rows).rows] == [
        (r.key, r.samples, r.date) for r in rows
    ]


def test_whole_networks_are_evened_out_and_never_asked():
    """Networks ten times slower in one pass move nothing but themselves."""
    calm = run_of(waves, network_ms=[9.0] * PASSES)
    odd = run_of(waves, network_ms=[9.0, 90.0, 9.0, 9.0, 9.0])
    assert (pace_of(calm) == pace_of(odd)).all()
    ends = np.log([waves((n + 1) / PASSES) for n in range(PASSES)])
    evened = [np.log(r.median_ms) for r in without_drift(calm).rows if r.is_network]
    assert np.std(evened) < 0.3 * np.std(ends)


def test_the_window_predicts_blocks_of_the_shipped_table_better_than_no_window_and_a_wide_one():
    rows = read_rows(table_path("cpu-onnxruntime-narrow"))
    none, chosen, wide = (left_over(rows, window) for window in (None, WINDOW, 40))
    assert chosen < 0.6 * none and chosen < 0.9 * wide


def test_few_passes_of_the_shipped_table_order_its_networks_better_without_their_drift():
    rows = [r for r in read_rows(table_path("cpu-onnxruntime-narrow")) if r.pass_number < 5]
    orders = []
    for way in ("keep", "remove"):
        cases = cases_of(Table.of(rows, "t", drift=way))
        orders.append(kendalltau([c.sum_ms for c in cases], [c.whole_ms for c in cases])[0])
    assert orders[1] > orders[0]
