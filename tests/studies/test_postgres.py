"""One study, two workers, one PostgreSQL server that this test starts and stops itself."""

import os
import subprocess
import sys

import pytest

from studies.reading import study_data
from studies.runner import run_study
from studies.store import open_storage, open_study, storage_url
from tests.studies.fakes import FakeLatency, FakeProxy, make_config
from tests.studies.postgres_server import postgres_server

pytestmark = pytest.mark.postgres

WORKER = """
import sys, time
from pathlib import Path
from studies.runner import run_study
from tests.studies.fakes import FakeLatency, FakeProxy, make_config

class Slow(FakeProxy):
    def __call__(self, run):
        print("training", flush=True)
        time.sleep(0.2)
        return super().__call__(run)

folder, url = Path(sys.argv[1]), sys.argv[2]
config = make_config(folder, trials=8, budgets="")
run_study(config, storage=url, latency=FakeLatency(), proxy=Slow())
"""


@pytest.fixture(scope="module")
def server():
    with postgres_server() as running:
        yield running.url


def test_two_workers_share_a_study(server, tmp_path):
    (tmp_path / "worker.py").write_text(WORKER)
    make_config(tmp_path)
    worker = subprocess.Popen(
        [sys.executable, tmp_path / "worker.py", tmp_path, server],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.getcwd()},
    )
    assert worker.stdout.readline() == "training\n"
    run = run_study(
        make_config(tmp_path, trials=8, budgets=""),
        storage=server,
        latency=FakeLatency(),
        proxy=FakeProxy(),
    )
    worker.communicate()
    assert worker.returncode == 0
    storage = open_storage(storage_url(server))
    study = open_study(storage, "small")
    found, trials = study_data(study).trials, study.get_trials(deepcopy=False)
    assert [row.number for row in found] == list(range(len(found)))
    assert [row.state for row in found if not row.interrupted] == ["COMPLETE"] * 8
    assert len({trial.user_attrs["worker"]["pid"] for trial in trials}) == 2
    suggested = [row.digest for row in found]
    assert len(set(suggested)) > len(found) / 2  # not the same stream of suggestions twice
    for opened in (storage, run.study._storage._backend):
        opened.scoped_session.remove()
        opened.engine.dispose()  # the server stops next
