"""Held-out errors: no leaks, honest arithmetic, and the committed figures."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest

from latency_db.evidence import published_evidence
from latency_db.fitted import calibrate
from latency_db.held_out import Group, Held, fit_without, leave_out, shared_workload
from latency_db.held_out_anchors import anchors_of
from latency_db.roofline_fit import fit_roofline
from latency_db.validate_estimate import coverage, gain, report, score, select, unet_errors
from search_space.errors import WalkbenchError

RESULT = Path(__file__).parents[2] / "benchmarks" / "results" / "iphone_estimate.json"


def test_a_network_that_several_labs_measured_is_in_one_family():
    families: dict[str, set[str]] = {}
    for item in published_evidence().items:
        families.setdefault(item.network, set()).add(item.family)
    assert all(len(names) == 1 for names in families.values())


def test_a_left_out_family_does_not_touch_its_own_fit():
    evidence, work = published_evidence(), shared_workload()
    slower = tuple(
        dataclasses.replace(i, latency_ms=i.latency_ms * 5) if i.family == "SDXL" else i
        for i in evidence.items
    )
    changed = dataclasses.replace(evidence, items=slower)
    fit = fit_roofline(changed, lambda one: one.family != "SDXL", work)
    for chip, parameters in fit_without(Group(None, "SDXL")).parameters.items():
        assert fit.parameters[chip] == pytest.approx(parameters)


def test_leaving_snapgen_out_leaves_the_walk_out():
    walk = [pair for pair in published_evidence().pairs if "no-high-res-sa" in pair.name]
    assert walk and all(pair.family == "SnapGen" for pair in walk)


def test_rows_marked_exclude_are_not_evidence_and_context_never_fits():
    items = published_evidence().items
    assert not any(item.use == "exclude" for item in items)
    assert not any(item.fitted for item in items if item.use in ("context", "operator-delta"))


def fake(error: float, family: str, z_scale: float = 1.0) -> Held:
    item = next(i for i in published_evidence().items if i.use == "calib")
    item = dataclasses.replace(item, family=family, latency_ms=10.0 * float(np.exp(error)))
    return Held(item, 10.0, z_scale**2 * 0.04, 20.0)


def test_intervals_calibrated_on_other_families_cover_eighty_percent():
    draw = np.random.default_rng(0)
    held = [fake(float(e), f"f{i % 40}") for i, e in enumerate(draw.normal(0, 0.2, 800))]
    assert coverage(held, held) == pytest.approx(80, abs=2)


def test_an_interval_calibrated_on_errors_of_one_sign_still_holds_the_estimate():
    interval = calibrate([0.1, 0.2, 0.3])
    assert interval.low_z == 0.0
    assert interval.around(10.0, 0.0).low == 10.0


def test_the_gain_over_an_equal_baseline_includes_zero_and_over_a_worse_one_does_not():
    draw = np.random.default_rng(1)
    held = [fake(float(e), f"f{i % 20}") for i, e in enumerate(draw.normal(0, 0.1, 200))]
    worse = gain(held)
    assert worse["low"] > 0
    equal = gain([dataclasses.replace(row, baseline_ms=row.ms) for row in held])
    assert equal == {"points": 0.0, "low": 0.0, "high": 0.0}


def test_scores_of_a_perfect_estimate():
    assert score([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]) == {
        "median_pct": 0.0,
        "p90_pct": 0.0,
        "within_10_pct": 100.0,
        "within_20_pct": 100.0,
        "spearman": 1.0,
        "kendall": 1.0,
    }


def test_an_unknown_split_is_refused():
    with pytest.raises(WalkbenchError, match="strict"):
        select([], None, "strickt")  # type: ignore[arg-type]


def test_the_committed_unet_figures_come_out_again():
    figures = json.loads(RESULT.read_text())
    held = leave_out("family", only={"SDXL"})
    others = {(u["model"], u["chip"]): u["estimated_ms"] for u in figures["unets"]}
    for row in held:
        assert row.ms == pytest.approx(others[row.item.model, row.item.chip], rel=0.02)
    filler = [fake(0.01 * i, "other") for i in range(9)]
    assert report([*held, *filler], "A15", "unets")["n"] == 1
    assert {u["chip"] for u in unet_errors([*held, *filler])} == {
        *("A14", "A15", "A16", "A17 Pro", "M1", "M2"),
    }


def committed():
    return json.loads(RESULT.read_text())


def test_the_committed_summary_is_that_of_its_rows():
    found = committed()
    rows, summary = found["rows"], found["summary"]
    for chip in ("A14", "A15"):
        strict = [
            abs(row["estimated_ms"] / row["published_ms"] - 1) * 100
            for row in rows
            if row["chip"] == chip and row["use"] == "calib"
        ]
        key = f"{chip}_strict"
        assert summary[key] == pytest.approx(float(np.median(strict)), abs=0.1)
        assert summary[key] < summary[f"{key}_baseline"]
    errors = [abs(r["new_lab_error_pct"]) for r in rows if r["use"] != "validate-unet"]
    assert summary["new_lab_median_pct"] == pytest.approx(float(np.median(errors)), abs=0.1)


def test_a_new_lab_with_a_new_family_is_estimated_as_the_page_claims():
    summary = committed()["summary"]
    assert summary["new_lab_median_pct"] <= 15
    assert summary["new_lab_gain_low"] > 0
    assert 75 <= summary["new_lab_coverage_80_pct"] <= 85
    assert summary["anchors_1_median_pct"] <= 12
    assert summary["anchors_3_median_pct"] < summary["anchors_1_median_pct"]
    assert summary["anchors_3_median_pct"] < summary["new_lab_median_pct"]


def test_anchors_are_of_the_same_lab_and_chip_and_of_another_network():
    for item in published_evidence().items[::20]:
        others = anchors_of(item)
        assert all((o.lab, o.chip) == (item.lab, item.chip) for o in others)
        assert all(o.network != item.network and o.fitted for o in others)


def test_lab_and_family_are_left_out_together():
    group = Group("swiftformer", "ViT")
    left = [item for item in published_evidence().items if item in group]
    assert {item.family for item in left if item.lab != "swiftformer"} == {"ViT"}
    assert {item.lab for item in left if item.family != "ViT"} == {"swiftformer"}
