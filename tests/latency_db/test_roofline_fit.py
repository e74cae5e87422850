"""The fit recovers what made the data, shrugs off outliers, and lets chips borrow."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from latency_db.baseline import fit_baseline
from latency_db.devices import CHIPS
from latency_db.evidence import Evidence, Item, published_evidence
from latency_db.fitted import Fit, shipped_fit
from latency_db.operators import Operator
from latency_db.roofline import NAMES, START, Setting, loads, milliseconds
from latency_db.roofline_fit import Workload, fit_roofline


def made_up(chip: str, parameters: np.ndarray, seed: int, count: int = 60) -> Evidence:
    """Networks of random matrix products, timed by a roofline with ``parameters``."""
    draw, networks, items = np.random.default_rng(seed), {}, []
    for i in range(count):
        ops = Counter(
            {
                Operator("matrix", *(int(10 ** draw.uniform(lo, hi)) for lo, hi in spans)): 3
                for spans in ([(6, 9.5), (4, 7), (4, 6.5)],) * 4
            }
        )
        networks[f"n{i}"] = ops
        ms, _ = milliseconds(loads(ops, CHIPS[chip].on_chip_mb), parameters)
        items.append(
            Item(i, f"n{i}", f"n{i}", f"f{i}", "lab", chip, "calib", Setting(), ms, 1e-6, 1.0, 1.0)
        )
    return Evidence(tuple(items), (), networks)


def truth() -> np.ndarray:
    parameters = START.copy()
    parameters[NAMES.index("matrix")] *= 0.7
    parameters[NAMES.index("weight")] *= 1.3
    return parameters


def test_the_fit_recovers_the_parameters_behind_the_data():
    fit = fit_roofline(made_up("A15", truth(), seed=1))
    for name in ("floor", "matrix", "weight"):
        k = NAMES.index(name)
        assert fit.parameters["A15"][k] == pytest.approx(truth()[k], rel=0.1), name


def test_one_row_in_ten_ten_times_too_slow_changes_little():
    clean = made_up("A15", truth(), seed=2)
    items = tuple(
        dataclasses.replace(item, latency_ms=item.latency_ms * (10 if item.row % 10 == 0 else 1))
        for item in clean.items
    )
    dirty = Evidence(items, (), clean.networks)
    k = NAMES.index("matrix")
    honest, fooled = fit_roofline(clean), fit_roofline(dirty)
    assert fooled.parameters["A15"][k] == pytest.approx(honest.parameters["A15"][k], rel=0.15)


def test_a_lab_that_times_everything_slower_is_found_out_and_a_new_lab_is_not_charged_for_it():
    clean = made_up("A15", truth(), seed=4, count=90)
    labs = ("a", "b", "slow")
    items = tuple(
        dataclasses.replace(
            item,
            lab=labs[item.row % 3],
            latency_ms=item.latency_ms * (1.3 if item.row % 3 == 2 else 1.0),
        )
        for item in clean.items
    )
    fit = fit_roofline(Evidence(items, (), clean.networks))
    slow = np.exp(fit.labs["slow"].factor - fit.labs["a"].factor)
    assert slow == pytest.approx(1.3, rel=0.1)
    work = loads(clean.networks["n0"], CHIPS["A15"].on_chip_mb)
    (new, wide), (known, narrow) = fit.predict(work, "A15"), fit.predict(work, "A15", "slow")
    assert new < known and narrow < wide


def test_a_row_on_the_processor_is_recognised_and_others_are_not():
    clean = made_up("A15", truth(), seed=5)
    items = tuple(
        dataclasses.replace(item, latency_ms=item.latency_ms * (3 if item.row == 7 else 1))
        for item in clean.items
    )
    fallback = fit_roofline(Evidence(items, (), clean.networks)).fallback
    assert fallback[7] > 0.9
    assert max(share for row, share in fallback.items() if row != 7) < 0.3


def test_rates_stay_within_what_physics_allows():
    for chip, parameters in shipped_fit().fit.parameters.items():
        weight, matrix = (parameters[NAMES.index(name)] for name in ("weight", "matrix"))
        assert 1 / weight < 1.1 * CHIPS[chip].dram_gb_s, chip
        assert 2 / matrix < 1.1 * CHIPS[chip].fp16_tops, chip


def test_a_chip_without_rows_borrows_the_shape_and_says_it_knows_less():
    fit = fit_roofline(made_up("A15", truth(), seed=3))
    a15, a18 = fit.parameters["A15"], fit.parameters["A18"]
    expected = CHIPS["A15"].fp16_tops / CHIPS["A18"].fp16_tops
    k = NAMES.index("matrix")
    assert a18[k] / a15[k] == pytest.approx(expected, rel=0.1)
    assert fit.covariance["A18"][k, k] > fit.covariance["A15"][k, k]


def test_all_parameters_are_positive_and_covariances_symmetric():
    fit = shipped_fit().fit
    for chip, parameters in fit.parameters.items():
        assert (parameters > 0).all()
        assert np.allclose(fit.covariance[chip], fit.covariance[chip].T, rtol=1e-3)
        assert np.linalg.eigvalsh(fit.covariance[chip]).min() > -1e-6


def test_the_shipped_fit_is_the_fit_of_the_shipped_rows():
    evidence = published_evidence()
    fresh: Fit = fit_roofline(evidence, workload=Workload(evidence))
    for chip, parameters in shipped_fit().fit.parameters.items():
        assert fresh.parameters[chip] == pytest.approx(parameters, rel=0.02)


def test_the_baseline_recovers_a_line_under_outliers():
    draw = np.random.default_rng(0)
    sizes = draw.uniform(1, 30, (80, 2))
    ms = 0.5 + sizes @ [0.4, 0.05]
    ms[::10] *= 8
    assert fit_baseline(sizes, ms) == pytest.approx([0.5, 0.4, 0.05], rel=0.15)
