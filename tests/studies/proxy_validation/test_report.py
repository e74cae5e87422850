import json
from dataclasses import replace

import numpy as np
import pytest

from search_space.errors import WalkbenchError
from studies.figures.proxy_validation import write_validation
from studies.proxy_validation.lines import lines
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


def test_every_figure_is_what_its_name_says():
    """Four designs whose ranks are known: the two in the middle change places after short runs."""
    plan = small_plan(designs=4, seeds=2)
    label = [design.label for design in plan.designs]
    short = dict(zip(label, (0.1, 0.3, 0.2, 0.4), strict=True))
    long = dict(zip(label, (0.1, 0.2, 0.3, 0.5), strict=True))

    def made(result):
        kind, name = result.run.kind, result.run.label
        value = (short if kind == "short" else long)[name]
        buckets = (value, -value, *(value,) * 6)
        return replace(result, score=replace(result.score, value=value, buckets=buckets))

    results = [made(result) for result in made_results(plan)]
    baselines = {
        name: {"macs": -short[name], "latency": long[name], "snip": place}
        for place, name in enumerate(label)
    }
    summary = report(plan, results, baselines)["summary"]
    assert summary["spearman"] == pytest.approx(0.8)
    assert summary["kendall"] == pytest.approx(4 / 6)
    for name in ("spearman", "kendall"):
        assert summary[f"{name}_low"] < summary[name] < summary[f"{name}_high"] == 1.0
    assert summary["spearman_better_half"] == pytest.approx(1.0)
    assert summary["precision_at_5"] == pytest.approx(4 / 5)  # there are four
    assert summary["regret"] == 0.0
    assert summary["spearman_one_short_seed"] == pytest.approx(0.8)
    assert summary["bands"] == pytest.approx([1.0, 1.0])
    assert summary["spearman_within_bands"] == pytest.approx(1.0)
    assert summary["by_bucket"] == pytest.approx([0.8, -0.8, *[0.8] * 6])
    assert summary["best_baseline"] == "macs"
    assert summary["baselines"] == pytest.approx({"macs": 0.8, "latency": -1.0, "snip": -1.0})
    assert summary["gain_over_best_baseline"] == pytest.approx(0.0)
    low, high = (summary[f"gain_over_best_baseline_{end}"] for end in ("low", "high"))
    assert low == high == 0.0  # short runs and MACs rank alike in every resample
    assert summary["partial_spearman_given_macs"] is None  # nothing of the ranks is left
    assert [at["spearman_same_run"] for at in summary["by_steps"]] == pytest.approx([1.0] * 4)


def test_the_gain_is_over_the_best_of_each_resample():
    plan = small_plan(designs=20)
    results = made_results(plan, short_noise=0.05)
    one = {"macs": lambda i, draw: -i + 4 * draw}
    many = {**one, **{f"rival{n}": one["macs"] for n in range(6)}}
    found = {}
    for name, rivals in (("one", one), ("many", many)):
        draw = np.random.default_rng(0)
        noise = draw.standard_normal((len(plan.designs), len(rivals)))
        baselines = {
            d.label: {r: make(i, noise[i, j]) for j, (r, make) in enumerate(rivals.items())}
            for i, d in enumerate(plan.designs)
        }
        summary = report(plan, results, baselines)["summary"]
        found[name] = summary["gain_over_best_baseline"] - summary["gain_over_best_baseline_low"]
    assert found["many"] > found["one"]  # one of many is lucky in some resample


def test_table_and_page_have_every_figure_of_the_report(tmp_path):
    plan = small_plan(designs=8, walk="M")
    found = report(plan, made_results(plan, 0.02, 0.02), made_baselines(plan))
    headings = [heading for heading, _ in lines(found["summary"])]
    page = tmp_path / "plots.html"
    write_validation(found, page)
    text = page.read_text()
    for words in (
        "Spearman, short against long",
        "corrected for noise",
        "better half",
        "within latency bands",
        "MACs do not explain",
        "Kendall",
        "best 5",
        "regret",
        "noise ceiling",
        "multiply-adds",
        "gain over the best",
        "what costs no training",
        "by steps",
        "by timestep",
        "second resolution",
        "failed runs",
    ):
        assert any(words in heading for heading in headings), words
        assert words in text
    unknown = {heading for heading, value in lines(found["summary"]) if "–" in value}
    assert unknown == {"left out"}
    assert "Seeds that would show a difference of 1 %" in text


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
