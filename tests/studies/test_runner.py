import dataclasses
import math
import os
import signal
import subprocess
import sys
import textwrap
import time
import warnings

import optuna
import pytest
from optuna.trial import TrialState

from proxies.compute import Compute
from proxies.recipe import Budget
from proxies.training_run import TrainingSettings
from search_space.errors import WalkbenchError
from search_space.presets import named_spec
from search_space.provenance import code_revision
from search_space.spec import UNetSpec
from studies import pareto, workers
from studies.reading import study_data
from studies.record_codec import decode_study
from studies.rungs import Rung
from studies.runner import (
    MAX_FAILURES_IN_A_ROW,
    run_study,
)
from studies.store import open_storage, open_study, storage_url
from studies.training import Training
from tests.studies.fakes import FakeLatency, FakeProxy, make_config

MQA = named_spec("F/mqa")
# Four designs, F/mqa the largest of them.
ONE_AXIS = '{"depth.1.down" = 2, "depth.2.down" = 4, "depth.2.up" = 4, "kv_heads.2" = 1}'


@pytest.fixture
def start(tmp_path):
    """Run the small study in one storage, with changes to its config."""

    def run(scorer=None, trials=None, watch=None, **changes):
        return run_study(
            make_config(tmp_path, **changes),
            trials=trials,
            storage=str(tmp_path / "studies.db"),
            latency=FakeLatency(),
            proxy=scorer or FakeProxy(),
            watch=watch,
        )

    return run


def test_where_and_how_twins_are_trained_reaches_the_loop(monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr("studies.engines.serial.train_run", lambda run, _: seen.append(run))
    compute = Compute("cpu", "bfloat16", compiled=True, accumulate=True)
    settings = TrainingSettings(Budget(steps=1), compute=compute)
    Training((Rung(settings),), tmp_path, lambda progress: None)(settings.run(MQA))
    assert seen == [settings.run(MQA)]
    elsewhere = TrainingSettings(Budget(steps=1), compute=Compute("cuda:99"))
    with pytest.raises(WalkbenchError, match="cuda"):
        Training((Rung(elsewhere),), tmp_path, lambda progress: None)


def test_every_trial_says_what_it_was_and_what_became_of_it(start):
    run = start()
    found = study_data(run.study).trials
    assert run.done == run.ran == len(found) == 6
    for row in found:
        spec = UNetSpec.from_dict(row.spec)
        assert spec.digest() == row.digest
        assert row.cost.params > 0 and row.provenance["code_revision"] == code_revision()
        assert row.latency.low < row.latency.ms < row.latency.high
        assert row.latency.source == "estimated" and row.latency_origin.by == "fake"
        assert set(row.constraints) == {"latency_ms"}
        assert (row.state == "COMPLETE") == row.feasible == bool(row.values)
        assert (row.score is not None) == row.feasible


def test_named_designs_come_first_and_in_order(start):
    designs = ("F/qk-norm-rope", "F/mqa")
    with pytest.raises(WalkbenchError, match="no axis moves it"):
        start(designs=designs)
    found = study_data(start(designs=("F/mqa",)).study).trials
    assert found[0].name == "F/mqa" and found[0].digest == MQA.digest()
    assert found[0].state == "COMPLETE"


def test_candidates_over_budget_are_never_trained_and_have_no_invented_loss(start):
    proxy = FakeProxy()
    found = study_data(start(proxy, trials=10, budgets="latency_ms = 250").study).trials
    over = [row for row in found if not row.feasible]
    assert over and any(row.feasible for row in found)
    for row in over:
        assert row.state == "PRUNED" and row.values == {} and row.score is None
        assert row.latency.ms > 250 and row.digest not in proxy.scored


def test_without_training_candidates_over_budget_complete_and_are_infeasible(start):
    found = study_data(
        start(objectives=("latency_ms", "params"), budgets="macs = 600e9").study
    ).trials
    assert {row.state for row in found} == {"COMPLETE"}
    assert {row.feasible for row in found} == {True, False}


def test_constraints_are_set_on_every_path(start):
    """On trained, reused, diverged and infeasible trials: Optuna takes none for feasible."""
    mid_2 = dataclasses.replace(MQA, mid=dataclasses.replace(MQA.mid, depth=2))
    proxy = FakeProxy(diverging=frozenset([mid_2.digest()]))
    budgets = "latency_ms = 1e3\nparams = 365e6"  # all but the deepest mid
    run = start(proxy, trials=10, budgets=budgets, fix=ONE_AXIS)
    trials = run.study.get_trials(deepcopy=False)
    states = {trial.state for trial in trials}
    assert states == {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    assert any((t.user_attrs.get("score") or {}).get("reused_from") is not None for t in trials)
    for trial, row in zip(trials, study_data(run.study).trials, strict=True):
        assert {"latency_ms", "params"} <= set(trial.constraints)
        assert all(value <= 0 for value in trial.constraints.values()) == row.feasible
        # optuna-dashboard looks at this one alone
        old = trial.system_attrs["constraints"]
        assert [trial.constraints["latency_ms"], trial.constraints["params"]] == old


def test_constraints_are_set_even_where_the_latency_cannot_be_told(start, tmp_path):
    class Broken(FakeLatency):
        def predict(self, spec):
            raise WalkbenchError("no entry for that block")

    with pytest.raises(WalkbenchError, match=r"in a row failed.*no entry for that block"):
        run_study(
            make_config(tmp_path, trials=9, budgets="latency_ms = 1e3\nparams = 1e12"),
            storage=str(tmp_path / "broken.db"),
            latency=Broken(),
            proxy=FakeProxy(),
        )
    study = open_study(open_storage(storage_url(str(tmp_path / "broken.db"))), "small")
    trials = study.get_trials(deepcopy=False)
    assert len(trials) == MAX_FAILURES_IN_A_ROW
    for trial, row in zip(trials, study_data(study).trials, strict=True):
        assert trial.constraints["latency_ms"] > 0 and trial.constraints["params"] < 0
        assert row.feasible is None and row.cost and "no entry" in row.failed


def test_a_design_is_trained_once_and_its_score_is_taken_over(start):
    proxy = FakeProxy()
    found = study_data(start(proxy, trials=6, budgets="", fix=ONE_AXIS).study).trials
    assert len(proxy.scored) == len(set(proxy.scored))
    reused = [row for row in found if row.trained_by is not None]
    assert reused
    for row in reused:
        source = found[row.trained_by]
        assert source.digest == row.digest and source.trained_by is None
        assert source.values == row.values


def test_a_diverged_run_fails_with_its_reason_and_the_study_goes_on(start):
    run = start(FakeProxy(diverging=frozenset([MQA.digest()])))
    first = study_data(run.study).trials[0]
    assert first.state == "FAIL" and first.values == {}
    assert first.failed == "training loss is nan at step 1"
    assert first.score.value == math.inf and first.measured("proxy_loss") is None
    assert run.done == 6 and first.number not in {t.number for t in run.study.best_trials}


def test_running_again_adds_until_the_total_and_then_nothing(start):
    assert start(trials=3).ran == 3
    again = start(trials=5)
    assert (again.ran, again.done) == (2, 5)
    finished = start(trials=5)
    assert (finished.ran, finished.done, finished.total) == (0, 5, 5)
    assert [row.number for row in study_data(finished.study).trials] == [0, 1, 2, 3, 4]


@pytest.mark.thinned
@pytest.mark.parametrize(("sampler", "trials"), [("tpe", 13), ("random", 4), ("nsga2", 4)])
def test_one_seed_gives_the_same_suggestions_however_often_it_is_resumed(tmp_path, sampler, trials):
    def designs(name, *stops, seed=0):
        for stop in stops:
            run = run_study(
                make_config(tmp_path, sampler=sampler, seed=seed, budgets="params = 350e6"),
                trials=stop,
                storage=str(tmp_path / f"{name}.db"),
                latency=FakeLatency(),
                proxy=FakeProxy(),
            )
        return [row.params for row in study_data(run.study).trials]

    whole = designs("whole", trials)
    assert designs("resumed", 1, trials - 1, trials) == whole
    assert designs("other", 3, seed=1) != whole[:3]


def test_suggestions_do_not_depend_on_the_name_of_the_study(start):
    found = [study_data(start(trials=4, name=name).study).trials for name in ("one", "another")]
    assert [t.params for t in found[0]] == [t.params for t in found[1]]


def test_an_interruption_keeps_everything_and_the_design_is_tried_again(start):
    proxy = FakeProxy(raising={MQA.digest(): KeyboardInterrupt()})
    with pytest.raises(KeyboardInterrupt):
        start(proxy)
    run = start()
    found = study_data(run.study).trials
    assert found[0].state == "FAIL" and found[0].failed == "interrupted"
    assert found[0].spec and found[0].latency
    assert found[1].name == "F/mqa" and found[1].state == "COMPLETE"
    assert run.done == 6 and len(found) == 7


def test_a_bug_in_the_proxy_is_not_swallowed_and_loses_nothing(start):
    with pytest.raises(ZeroDivisionError):
        start(FakeProxy(raising={MQA.digest(): ZeroDivisionError()}))
    assert start().done == 6


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"objectives": ("latency_ms", "proxy_loss")}, "another objectives"),
        ({"budgets": "latency_ms = 300"}, r"budgets.latency_ms is 260.0 there, 300.0"),
        ({"proxy": "[proxy]\nsteps = 3\nwidth = 8"}, "proxy.steps is 2 there, 3 in this config"),
    ],
)
def test_a_study_of_other_settings_is_refused_and_left_alone(start, changes, said):
    before = study_data(start(trials=2).study).trials
    with pytest.raises(WalkbenchError, match=said):
        start(**changes)
    assert study_data(start(trials=2).study).trials == before


def test_a_storage_of_another_space_is_refused(start, tmp_path, monkeypatch):
    start(trials=1)
    wider = "{ low = 1, high = 5 }"
    monkeypatch.setattr(
        "tests.studies.fakes.SPACE",
        (tmp_path / "small.toml").read_text().replace("{ low = 1, high = 4 }", wider, 1),
    )
    with pytest.raises(WalkbenchError, match="of another space"):
        start()


def test_a_study_that_optuna_made_is_refused(start, tmp_path):
    storage = open_storage(storage_url(str(tmp_path / "studies.db")), create=True)
    study = optuna.create_study(study_name="small", storage=storage, directions=["minimize"] * 2)
    study.add_trial(optuna.trial.create_trial(values=[1.0, 2.0]))
    with pytest.raises(WalkbenchError, match="was not made by walkbench"):
        start()


def test_several_failures_in_a_row_stop_the_study(start):
    class Hopeless(FakeProxy):
        def __call__(self, run):
            raise WalkbenchError("twin rule channels: too narrow")

    with pytest.raises(WalkbenchError, match=r"5 candidates in a row failed.*too narrow"):
        start(Hopeless(), trials=50, budgets="")
    study = start(trials=1, budgets="").study
    assert study_data(study).done == MAX_FAILURES_IN_A_ROW


@pytest.mark.parametrize("objective", ["params", "proxy_loss"])
def test_a_study_may_have_a_single_objective(start, objective):
    run = start(trials=4, objectives=(objective,), budgets="macs = 615e9")
    found = study_data(run.study).trials
    states = {row.state for row in found}
    assert states == ({"COMPLETE"} if objective == "params" else {"COMPLETE", "PRUNED"})
    (best,) = pareto.distinct(pareto.front(found, (objective,)))
    feasible = [row.values[objective] for row in found if row.feasible]
    assert best.values[objective] == min(feasible)


def test_optuna_agrees_with_us_on_the_front(start):
    run = start(trials=10, budgets="latency_ms = 255")
    ours = {
        row.number
        for row in pareto.front(study_data(run.study).trials, ("proxy_loss", "latency_ms"))
    }
    assert ours == {trial.number for trial in run.study.best_trials}


def test_watchers_hear_of_every_trial(start):
    class Watcher:
        def __init__(self):
            self.heard = []

        def training(self, progress):
            raise AssertionError("the fake proxy does not train")

        def trial_ended(self, row, done, total):
            self.heard.append((row.number, done, total))

    watcher = Watcher()
    start(trials=3, watch=watcher)
    assert watcher.heard == [(0, 1, 3), (1, 2, 3), (2, 3, 3)]


WORKER = """
import sys, time
from pathlib import Path
from studies.runner import run_study
from tests.studies.fakes import FakeLatency, FakeProxy, make_config

class Slow(FakeProxy):
    def __call__(self, run):
        print("training", flush=True)
        time.sleep(float(sys.argv[2]))
        return super().__call__(run)

folder = Path(sys.argv[1])
run_study(make_config(folder), storage=str(folder / "studies.db"), latency=FakeLatency(),
          proxy=Slow())
"""


def start_worker(folder, seconds):
    (folder / "worker.py").write_text(textwrap.dedent(WORKER))
    return subprocess.Popen(
        [sys.executable, folder / "worker.py", folder, str(seconds)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )


@pytest.mark.slow
@pytest.mark.command
def test_the_trial_of_a_killed_worker_is_let_go_and_made_up_for(start, tmp_path):
    worker = start_worker(tmp_path, 600)
    assert worker.stdout.readline() == "training\n"
    os.kill(worker.pid, signal.SIGKILL)
    worker.communicate()
    run = start()
    found = study_data(run.study).trials
    assert found[0].state == "FAIL" and found[0].failed == "interrupted"
    assert run.done == 6 and sum(row.name == "F/mqa" for row in found) >= 2


@pytest.mark.slow
@pytest.mark.command
def test_a_second_worker_leaves_the_first_ones_trial_alone_and_shares_the_total(start, tmp_path):
    worker = start_worker(tmp_path, 2)
    assert worker.stdout.readline() == "training\n"
    start()
    worker.communicate()
    assert worker.returncode == 0
    study = open_study(open_storage(storage_url(str(tmp_path / "studies.db"))), "small")
    found = study_data(study).trials
    assert found[0].state == "COMPLETE"
    # Each may have begun its last trial at the same moment as the other.
    assert 6 <= study_data(study).done == len(found) <= 7


def test_a_running_trial_of_a_living_worker_counts_and_is_not_taken(start, tmp_path):
    run = start(trials=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # Optuna: no heartbeat outside optimize
        trial = run.study.ask()
    trial.set_user_attr("worker", {"host": "another", "pid": 1})
    assert start(trials=3).ran == 0
    assert start(trials=4).ran == 1
    assert workers.release(run.study, of={"host": "another", "pid": 1}) == [trial.number]
    assert start(trials=4).ran == 1


def test_a_study_whose_maker_died_before_describing_it_is_taken_over(start, tmp_path, monkeypatch):
    storage = open_storage(storage_url(str(tmp_path / "studies.db")), create=True)
    optuna.create_study(study_name="small", storage=storage, directions=["minimize"] * 2)
    monkeypatch.setattr("studies.resume._MAKING_S", 0.1)
    began = time.monotonic()
    run = start(trials=2)
    assert run.done == 2 and decode_study(run.study) and time.monotonic() - began < 60
