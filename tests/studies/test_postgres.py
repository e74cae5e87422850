"""One study, two workers, one PostgreSQL server that this test starts and stops itself."""

import glob
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from studies.reading import study_data
from studies.runner import run_study
from studies.store import open_storage, open_study, storage_url
from tests.studies.fakes import FakeLatency, FakeProxy, make_config

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


def server_programs() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`: Debian keeps it off PATH, one per version."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = glob.glob("/usr/lib/postgresql/*/bin/initdb") + glob.glob("/usr/pgsql-*/bin/initdb")
    return Path(sorted(versions)[-1]).parent if versions else None


@pytest.fixture(scope="module")
def server():
    """Start a throwaway server that only a socket in its own folder leads to; yield its URL."""
    programs = server_programs()
    if programs is None:
        reason = "no PostgreSQL server programs (Debian: apt-get install postgresql)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="walkbench-pg-"))
    # initdb refuses root, so root lends the folder to another user and becomes it.
    user = "postgres" if os.geteuid() == 0 else None
    lent = {"user": user, "group": user, "extra_groups": []} if user else {}
    if user:
        shutil.chown(folder, user, user)

    def run(*words):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=90, **lent)
        assert done.returncode == 0, done.stdout + done.stderr

    data, log = folder / "data", folder / "log"
    run(programs / "initdb", "-D", data, "-U", "walkbench", "--auth=trust", "--no-sync")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    run(programs / "pg_ctl", "-D", data, "-l", log, "-w", "-o", options, "start")
    try:
        yield f"postgresql://walkbench@/postgres?host={folder}"
    finally:
        run(programs / "pg_ctl", "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(folder)


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
