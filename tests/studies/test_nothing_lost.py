"""Workers killed at random, the database restarted, Ctrl-C: nothing is lost and nothing is left."""

import os
import random
import signal
import time

import pytest

from proxies.trainer import train_run
from studies.reading import study_data
from studies.store import open_storage, open_study, storage_url
from tests.studies.fakes import make_config
from tests.studies.forked_workers import forked_workers
from tests.studies.postgres_server import postgres_server

pytestmark = pytest.mark.slow

KILLS, TRIALS = 20, 9
PROXY = "[proxy]\nwidth = 8\nbatch = 2\n[[rung]]\nsteps = 3\n[[rung]]\nsteps = 6\n"
STUDY = {
    "trials": TRIALS,
    "proxy": PROXY,
    "budgets": "",
    "sampler": "random",
    "designs": [],
    "fix": '{"depth.1.down" = 0, "depth.2.down" = 1, "depth.2.up" = 1}',
}
FRESH = {1, 4}  # first steps of a run that goes on from no checkpoint, or from the rung below


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def url(request, tmp_path):
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 's.db'}"
        return
    with postgres_server() as server:
        yield server.url


def read(url):
    """Return the trials, and leave no connection to a server that stops next."""
    storage = open_storage(storage_url(url))
    try:
        return study_data(open_study(storage, "small")).trials
    finally:
        storage.scoped_session.remove()
        storage.engine.dispose()


def check_whole(trials, number):
    """Exactly ``number`` designs are done, nothing runs or waits, and each trained once a rung."""
    assert {t.state for t in trials} <= {"COMPLETE", "FAIL"}
    ended = [t for t in trials if not t.interrupted]
    assert {t.state for t in ended} == {"COMPLETE"}
    assert sum(t.done for t in trials) == number
    climbed = [t.digest for t in ended if t.rung == 1]
    designs = {t.digest for t in ended if t.rung == 0}
    assert len(climbed) == len(set(climbed)) == -(-len(designs) // 3)
    assert set(climbed) <= designs


def check_scores(folder, trials):
    """Scores are those of one whole run, however often it was interrupted."""
    config = make_config(folder, **STUDY)
    for trial in [t for t in trials if t.rung == 1][:1] + [t for t in trials if t.trained][-1:]:
        if not trial.interrupted:
            run = config.rungs[trial.rung].runs(trial.network)[0]
            assert trial.score.losses == train_run(run).losses


def test_twenty_killed_workers_lose_nothing(tmp_path, url):
    source, kills = random.Random(7), 0
    with forked_workers(tmp_path, url, **STUDY) as workers:
        workers.start()
        while not workers.starts():
            time.sleep(0.01)
        while kills < KILLS:
            while len(workers.living()) < 2:
                workers.start()
            moment = len(workers.log()) + source.randint(0, 2)  # whatever the machine's speed
            while len(workers.log()) < moment and len(workers.living()) == 2:
                time.sleep(0.01)
            time.sleep(source.uniform(0.0, 0.05))
            workers.kill(source.choice(workers.living()))
            kills += 1
        for pid in workers.living():  # the last ones too: nobody is left to find their trials
            workers.kill(pid)
            kills += 1
        workers.start()
        workers.join()
        assert workers.ends()[-1] == "well"
        assert set(workers.ends()) == {"well"}, workers.ends()
        assert set(workers.starts()) - FRESH, "no run went on from its checkpoint"
    trials = read(url)
    assert kills > KILLS
    check_whole(trials, TRIALS)
    assert sum(t.interrupted for t in trials) >= 3
    check_scores(tmp_path, trials)


def test_interrupted_workers_leave_no_trial_running(tmp_path, url):
    source = random.Random(3)
    with forked_workers(tmp_path, url, **STUDY) as workers:
        for _ in range(6):
            for _ in range(2):
                workers.start()
            before = len(workers.starts())
            while len(workers.starts()) == before and workers.living():
                time.sleep(0.01)
            time.sleep(source.uniform(0.0, 0.5))
            for pid in workers.living():
                workers.kill(pid, signal.SIGINT)
            workers.join()
            assert not [t for t in read(url) if t.state == "RUNNING"]
        workers.start()
        workers.join()
        assert set(workers.ends()) == {"well", "KeyboardInterrupt:"}
        assert set(workers.starts()) - FRESH
    trials = read(url)
    check_whole(trials, TRIALS)
    check_scores(tmp_path, trials)


@pytest.mark.postgres
def test_workers_wait_for_a_database_that_restarts(tmp_path):
    with postgres_server() as server, forked_workers(tmp_path, server.url, **STUDY) as workers:
        for _ in range(2):
            workers.start()
        for number in (3, 12):
            while len(workers.log()) < number:
                time.sleep(0.01)
            server.restart()
        workers.join()
        assert workers.ends() == ["well", "well"]
        trials = read(server.url)
        check_whole(trials, TRIALS)
        assert os.getpid() not in {t.worker["pid"] for t in trials}
