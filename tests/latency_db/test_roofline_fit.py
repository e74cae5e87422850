"""The fit recovers what made the data, shrugs off outliers, and lets chips borrow."""

import dataclasses
from collections import Counter

import numpy as np
import pytest

from latency_db.baseline import fit_baseline
from latency_db.evidence import Evidence, Item, published_evidence
from latency_db.fitted import Fit, shipped_fit
from latency_db.operators import Operator
from latency_db.roofline import NAMES, START, Setting, loads, milliseconds
from latency_db.roofline_fit import ALL_CHIPS, Workload, fit_roofline


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
        ms, _ = milliseconds(loads(ops, ALL_CHIPS[chip].on_chip_mb), parameters)
        items.append(
            Item(i, f"n{i}", f"n{i}", f"f{i}", "lab", chip, "calib", Setting(), ms, 1e-6, 1.0, 1.0)
        )
    return Evidence(tuple(items), (), networks)


@pytest.fixture(autouse=True)
def _one_lab(monkeypatch):
    """A made-up lab has no other lab to differ from."""
    import latency_db.roofline_fit as module

    real = module.lab_spread
    monkeypatch.setattr(
        module, "lab_spread", lambda items: {"lab": 0.05} if items[0].lab == "lab" else real(items)
    )


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


def test_a_chip_without_rows_borrows_the_shape_and_says_it_knows_less():
    fit = fit_roofline(made_up("A15", truth(), seed=3))
    a15, a18 = fit.parameters["A15"], fit.parameters["A18"]
    expected = ALL_CHIPS["A15"].fp16_tops / ALL_CHIPS["A18"].fp16_tops
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
