import json
from dataclasses import replace

import pytest

from search_space.errors import WalkbenchError
from studies.figures.proxy_validation import write_validation
from studies.proxy_validation.plan import SHORT_SEEDS
from studies.proxy_validation.report import report
from studies.proxy_validation.runs import Result
from tests.studies.proxy_validation.made_up import made_baselines, made_results, small_plan

PROMISED = {
    "n_designs",
    "seeds",
    "spearman",
    "spearman_low",
    "spearman_high",
    "spearman_better_half",
    "kendall",
    "compute_ratio",
    "best_baseline",
    "gain_over_best_baseline_low",
    "noise_ceiling",
}


def test_without_noise_everything_agrees():
    plan = small_plan()
    summary = report(plan, made_results(plan), made_baselines(plan))["summary"]
    assert set(summary) >= PROMISED
    assert [summary["spearman"], summary["kendall"]] == pytest.approx([1.0, 1.0])
    assert summary["noise_ceiling"] == pytest.approx(1.0)
    assert summary["regret"] == 0
    assert summary["compute_ratio"] == 0.1
    assert (summary["n_designs"], summary["seeds"]) == (12, 4)


def test_baselines_are_read_as_more_is_better():
    plan = small_plan()
    summary = report(plan, made_results(plan), made_baselines(plan))["summary"]
    assert summary["best_baseline"] == "macs"
    assert 0.95 < summary["baselines"]["macs"] < 1.0
    assert summary["baselines"]["latency"] == pytest.approx(-1.0)
    assert summary["gain_over_best_baseline"] == pytest.approx(1 - summary["baselines"]["macs"])


def test_noise_in_the_long_runs_lowers_the_ceiling_and_the_correction_undoes_it():
    plan = small_plan(designs=60)
    summary = report(plan, made_results(plan, long_noise=0.3), made_baselines(plan))["summary"]
    assert summary["noise_ceiling"] < 0.8
    assert summary["spearman"] < 0.9
    assert summary["spearman_corrected"] > summary["spearman"] + 0.03


def test_noise_in_the_short_runs_is_the_proxys_own():
    plan = small_plan(designs=60)
    summary = report(plan, made_results(plan, short_noise=0.3), made_baselines(plan))["summary"]
    assert summary["noise_ceiling"] == pytest.approx(1.0)
    assert summary["spearman_corrected"] == pytest.approx(summary["spearman"])
    assert summary["spearman"] < 0.9
    assert summary["spearman_one_short_seed"] < summary["spearman"]


def test_only_seeds_that_all_designs_have_finished_count():
    plan = small_plan()
    results = made_results(plan, long_noise=0.02)
    missing = [r for r in results if (r.run.label, r.run.kind, r.run.seed) != ("d03", "long", 2)]
    assert report(plan, missing, made_baselines(plan))["summary"]["seeds"] == 3


def test_one_seed_alone_has_no_ceiling():
    plan = small_plan()
    first = [r for r in made_results(plan) if r.run.seed in (0, 1000)]
    summary = report(plan, first, made_baselines(plan))["summary"]
    assert summary["seeds"] == 1
    assert summary["noise_ceiling"] is None


def test_a_failed_run_ranks_last_and_is_counted():
    plan = small_plan()
    results = [
        Result(r.run, r.score.failure("loss is nan at step 3", r.score.fidelity))
        if (r.run.label, r.run.kind) == ("d00", "long")
        else r
        for r in made_results(plan)
    ]
    found = report(plan, results, made_baselines(plan))
    assert found["summary"]["failed_runs"] == 4
    assert found["rows"][-1]["design"] == "d00"
    assert found["rows"][-1]["long"] is None
    assert found["summary"]["spearman"] < 0.8  # the best of the short runs is the worst of the long
    json.dumps(found, allow_nan=False)


@pytest.mark.parametrize("kind", ["short", "long"])
def test_a_study_whose_runs_all_failed_is_reported_as_one(kind, tmp_path):
    plan = small_plan(designs=6)
    results = [
        Result(r.run, r.score.failure("loss is nan at step 3", r.score.fidelity))
        if r.run.kind == kind
        else r
        for r in made_results(plan, 0.01, 0.01)
    ]
    found = report(plan, results, made_baselines(plan))
    json.dumps(found, allow_nan=False)
    assert found["summary"]["spearman"] is None
    assert found["summary"]["spearman_corrected"] is None
    assert found["summary"]["failed_runs"] == 24
    write_validation(found, tmp_path / "plots.html")
    write_validation(report(plan, results, {}), tmp_path / "plots.html")


def test_seconds_and_failures_are_of_finished_seeds():
    plan = small_plan()
    results = [
        Result(r.run, r.score.failure("loss is nan", r.score.fidelity))
        if r.run.seed == SHORT_SEEDS + 3
        else r
        for r in made_results(plan)
    ]
    half_done = [r for r in results if r.run.seed != 3]  # short runs come first
    summary = report(plan, half_done, made_baselines(plan))["summary"]
    assert summary["seconds_ratio"] == pytest.approx(0.1)
    assert (summary["seeds"], summary["failed_runs"]) == (3, 0)


def test_a_failed_run_of_the_walk_leaves_the_others_their_seeds_for_one_percent():
    plan = small_plan(designs=4, walk="M")
    results = [
        Result(r.run, r.score.failure("loss is nan", replace(r.score.fidelity, steps=2)))
        if (r.run.label, r.run.kind, r.run.seed) == ("M/mqa", "walk", 1)
        else r
        for r in made_results(plan, long_noise=0.02)
    ]
    whole = report(plan, made_results(plan, long_noise=0.02), {})["walk"]["one_percent"]
    walk = report(plan, results, {})["walk"]
    assert [at["steps"] for at in walk["one_percent"]] == [1, 3, 6, 10]
    assert all(
        at["seeds"] == pytest.approx(all_["seeds"], rel=0.5)
        for at, all_ in zip(walk["one_percent"], whole, strict=True)
    )


def test_a_study_without_a_finished_seed_says_so():
    plan = small_plan()
    with pytest.raises(WalkbenchError, match="let the study go on"):
        report(plan, [], {})


def test_walk_steps_are_real_or_inside_noise():
    plan = small_plan(designs=4, walk="M")
    walk = report(plan, made_results(plan), made_baselines(plan))["walk"]
    assert {gap["verdict"] for gap in walk["changes"]} == {"REAL"}
    untried = {gap["after"]: gap["untried_latents"] for gap in walk["changes"]}
    assert untried["M/no-high-res-sa"] == [48]  # a small twin has too few places to show it
    assert untried["M/ffn-3"] == []
    loud = report(plan, made_results(plan, long_noise=0.2), made_baselines(plan))["walk"]
    assert "INSIDE NOISE" in {gap["verdict"] for gap in loud["changes"]}
    assert [at["steps"] for at in loud["one_percent"]] == [1, 3, 6, 10]
    assert all(at["seeds"] > 100 for at in loud["one_percent"])  # 20 % noise hides 1 % well


def test_one_seed_is_reported_with_what_it_can_say(tmp_path):
    plan = small_plan(designs=8)
    first = [r for r in made_results(plan, 0.02, 0.02) if r.run.seed in (0, SHORT_SEEDS)]
    found = report(plan, first, made_baselines(plan))
    summary, ways = found["summary"], found["summary"]["by_steps"]
    assert summary["seeds"] == 1 and summary["noise_ceiling"] is None
    assert {way["spearman"] for way in ways} == {None}
    assert ways[-1]["spearman_same_run"] == 1.0
    write_validation(found, tmp_path / "plots.html")
    assert "as the same runs do" in (tmp_path / "plots.html").read_text()
    assert "as other seeds do" not in (tmp_path / "plots.html").read_text()
