"""Workers of one machine: exactly the asked number of trials, whatever happens to them."""

import os
import signal
import threading
import time

import pytest

from search_space.errors import WalkbenchError
from studies.reading import study_data
from studies.runner import Silent
from studies.worker_pool import run_workers
from studies.workers import running
from tests.studies.fakes import make_config

SIZES = {"objectives": ("params", "macs"), "budgets": "", "designs": (), "sampler": "random"}


def states(study):
    return [trial.state for trial in study_data(study).trials if not trial.interrupted]


@pytest.mark.slow
def test_three_workers_run_exactly_what_was_asked(tmp_path):
    config = make_config(tmp_path, trials=11, **SIZES)
    seen = []

    class Watch(Silent):
        def trial_ended(self, trial, done, total):
            seen.append((trial.number, done <= total))

    run = run_workers(config, 3, f"sqlite:///{tmp_path / 's.db'}", watch=Watch())
    assert states(run.study) == ["COMPLETE"] * 11
    assert (run.done, run.total, run.ran) == (11, 11, 11)
    assert len(seen) == 11 and all(ok for _, ok in seen)
    workers = {trial.worker["pid"] for trial in study_data(run.study).trials}
    assert os.getpid() not in workers


@pytest.mark.slow
def test_killed_workers_are_replaced_and_nothing_stays_running(tmp_path):
    config = make_config(tmp_path, trials=4, proxy="[proxy]\nsteps = 20\nwidth = 8\n", designs=())
    url = f"sqlite:///{tmp_path / 's.db'}"
    kills = []

    def killer():
        import optuna

        while len(kills) < 2:
            time.sleep(0.2)
            try:
                study = optuna.load_study(study_name="small", storage=url)
                found = running(study)
            except Exception:
                continue
            for trial in found[:1]:
                pid = trial.user_attrs["worker"]["pid"]
                if pid not in kills:
                    os.kill(pid, signal.SIGKILL)
                    kills.append(pid)
                    time.sleep(1.0)

    thread = threading.Thread(target=killer, daemon=True)
    thread.start()
    run = run_workers(config, 2, url)
    assert len(kills) == 2
    found = study_data(run.study).trials
    assert sum(trial.done for trial in found) == 4
    assert not any(trial.state in ("RUNNING", "WAITING") for trial in found)
    assert sum(trial.interrupted for trial in found) >= 2


@pytest.mark.slow
def test_a_mistake_that_only_workers_meet_is_passed_on(tmp_path, monkeypatch):
    config = make_config(tmp_path, trials=3, **SIZES)
    monkeypatch.setenv("OPTUNA_STORAGE", "")
    monkeypatch.setattr("studies.engines.process_crew._work", _failing)
    with pytest.raises(WalkbenchError, match="no such thing"):
        run_workers(config, 2, f"sqlite:///{tmp_path / 's.db'}")


def _failing(job, task, messages):
    messages.put("no such thing")
    raise SystemExit(2)
