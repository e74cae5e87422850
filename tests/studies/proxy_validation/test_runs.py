import dataclasses
import multiprocessing

import pytest

from proxies.checkpoint import restore
from proxies.compute import Compute
from proxies.trainer import Trainer
from search_space.errors import WalkbenchError
from search_space.lock import exclusive
from studies.proxy_validation.report import report
from studies.proxy_validation.runs import (
    RUNS,
    Result,
    append_result,
    results_of,
    runs_of,
    train,
    training_run,
)
from tests.studies.proxy_validation.made_up import made_results, small_plan


@pytest.mark.slow
def test_a_run_that_is_done_is_not_trained_again_and_a_cut_line_is(tmp_path):
    plan = small_plan(designs=4, seeds=2)
    train(plan, tmp_path, workers=2)
    path = tmp_path / RUNS
    first = {result.run: result.score for result in results_of(plan, tmp_path)}
    assert list(first) == runs_of(plan)
    assert all(score.ok for score in first.values())
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]) + lines[-1][:40])  # a kill in the middle of the last line
    assert len(results_of(plan, tmp_path)) == len(lines) - 1
    heard = []
    train(plan, tmp_path, progress=lambda *news: heard.append(news))
    assert len(heard) == 2  # the state found, and the one run that was missing
    again = {result.run: result.score for result in results_of(plan, tmp_path)}
    assert {run: score.value for run, score in again.items()} == {
        run: score.value for run, score in first.items()
    }


@pytest.mark.slow
def test_a_twin_that_is_kept_can_be_restored_with_the_loss_that_it_had(tmp_path):
    plan = small_plan(designs=4, seeds=2)
    train(plan, tmp_path, by="serial", keep=lambda run: run.name == "d01-long-s1")
    assert [path.name for path in (tmp_path / "trained").iterdir()] == ["d01-long-s1.safetensors"]
    assert not list((tmp_path / "checkpoints").iterdir())
    (found,) = [r for r in results_of(plan, tmp_path) if r.run.name == "d01-long-s1"]
    trainer = Trainer(training_run(plan, found.run))
    restore(trainer, tmp_path / "trained" / "d01-long-s1.safetensors")
    assert trainer.score().value == found.score.value


def test_short_and_long_runs_share_no_seed():
    runs = runs_of(small_plan(designs=4))
    seeds = {kind: {run.seed for run in runs if run.kind == kind} for kind in ("short", "long")}
    assert not seeds["short"] & seeds["long"]


def test_every_design_comes_before_the_next_seed():
    runs = [run for run in runs_of(small_plan(designs=4, walk="M")) if run.kind != "short"]
    assert [run.seed for run in runs] == sorted(run.seed for run in runs)


def test_a_line_that_is_no_run_is_named(tmp_path):
    (tmp_path / RUNS).write_text('{"label": "d00"}\n')
    with pytest.raises(WalkbenchError, match=r"line 1 is not a run"):
        results_of(small_plan(designs=4), tmp_path)


def test_no_workers_are_refused(tmp_path):
    with pytest.raises(WalkbenchError, match="workers is 0"):
        train(small_plan(designs=4), tmp_path, workers=0)


def test_a_run_trains_what_the_plan_says():
    compute = Compute("cpu", "bfloat16", compiled=True, accumulate=True)
    plan = dataclasses.replace(
        small_plan(designs=4, short_latent=12), compute=compute, short_batch=1
    )
    runs = {run.kind: training_run(plan, run) for run in runs_of(plan)}
    short, long = runs["short"], runs["long"]
    assert short.settings.compute == long.settings.compute == compute
    assert (short.settings.latent, long.settings.latent) == (12, 24)
    assert (short.settings.recipe.batch, long.settings.recipe.batch) == (1, 2)
    assert (short.validate_at, long.validate_at) == ((), plan.marks)


def test_a_run_says_what_it_was_made_with(tmp_path):
    plan = small_plan(designs=4)
    first = Result(runs_of(plan)[0], made_results(plan)[0].score, "walkbench 1, torch 2")
    append_result(tmp_path / RUNS, first)
    append_result(tmp_path / RUNS, made_results(plan)[1])
    assert [r.made_with for r in results_of(plan, tmp_path)] == ["walkbench 1, torch 2", None]
    assert report(plan, [first, *made_results(plan)[1:]], {})["summary"]["made_with"] == [
        "not recorded",
        "walkbench 1, torch 2",
    ]


@pytest.mark.slow
def test_a_killed_worker_is_an_error_and_what_was_finished_stays(tmp_path):
    plan = small_plan(designs=4, seeds=2)

    def killing(done, total, name):
        if name:
            for worker in multiprocessing.active_children():
                worker.kill()

    with pytest.raises(WalkbenchError, match=r"was killed.* run it again to go on"):
        train(plan, tmp_path, workers=2, progress=killing)
    kept = results_of(plan, tmp_path)
    assert 1 <= len(kept) < len(runs_of(plan))
    train(plan, tmp_path, workers=2)
    assert [result.run for result in results_of(plan, tmp_path)] == runs_of(plan)


@pytest.mark.slow
def test_an_interruption_ends_the_workers(tmp_path):
    def interrupted(done, total, name):
        if name:
            raise KeyboardInterrupt

    plan = small_plan(designs=4)
    with pytest.raises(KeyboardInterrupt):
        train(plan, tmp_path, workers=2, progress=interrupted)
    assert multiprocessing.active_children() == []
    assert len(results_of(plan, tmp_path)) == 1


def test_a_folder_that_another_process_trains_in_is_left_to_it(tmp_path):
    with (
        exclusive(tmp_path, "held by the test"),
        pytest.raises(WalkbenchError, match=r"another process trains .* --report"),
    ):
        train(small_plan(designs=4), tmp_path)
    assert not (tmp_path / RUNS).exists()
