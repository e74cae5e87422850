"""The Ray engine: on one node for runs, on two nodes and PostgreSQL for workers of a study."""

import os
import sys
import threading
import time

import pytest

from search_space.errors import WalkbenchError
from studies.engines import crew_of, engine
from studies.engines.crew import Job, Resources
from studies.engines.ray import RayEngine
from studies.engines.ray_cluster import check_room, connected
from studies.engines.testing import EngineSuite
from studies.reading import study_data
from studies.store import open_storage, open_study, storage_url
from studies.worker_pool import run_workers
from tests.studies.fakes import make_config
from tests.studies.postgres_server import postgres_server

SIZES = {"objectives": ("params", "macs"), "budgets": "", "designs": (), "sampler": "random"}


def test_without_ray_the_engine_says_how_to_install_it(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(WalkbenchError, match=r"pip install 'walkbench\[ray\]'"):
        engine("ray")
    job = Job(make_config(tmp_path, trials=2, **SIZES), f"sqlite:///{tmp_path / 's.db'}", 2)
    with (
        pytest.raises(WalkbenchError, match=r"pip install 'walkbench\[ray\]'"),
        crew_of("ray", job, Resources()),
    ):
        pass


def test_a_worker_that_no_node_has_room_for_is_refused():
    class Cluster:
        def nodes(self):
            have = {"CPU": 4.0}
            return [{"Alive": True, "Resources": have}, {"Alive": False, "Resources": {"GPU": 8.0}}]

    check_room(Cluster(), 4, 0)
    with pytest.raises(WalkbenchError, match=r"the 1 CPUs and 1 GPUs .* 4 CPUs and 0 GPUs.*--gpus"):
        check_room(Cluster(), 1, 1)


def test_engines_that_start_no_workers_name_those_that_do(tmp_path):
    job = Job(make_config(tmp_path, trials=2, **SIZES), "sqlite:///s.db", 2)
    with pytest.raises(WalkbenchError, match=r"'serial' starts no workers .*: processes, ray"):
        crew_of("serial", job, Resources())
    with pytest.raises(WalkbenchError, match=r"--address, --cpus and --gpus are for --engine ray"):
        crew_of("processes", job, Resources(gpus=1))


@pytest.fixture(scope="module")
def ray():
    """A cluster of this machine, which all engines of the suite find running."""
    pytest.importorskip("ray")
    with connected(None) as ray:
        yield ray


@pytest.mark.slow
@pytest.mark.usefixtures("ray")
class TestRay(EngineSuite):
    def make(self, **options):
        return RayEngine(**options)


@pytest.fixture
def cluster(monkeypatch):
    """Two nodes of one CPU each on loopback."""
    pytest.importorskip("ray")
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    started.add_node(num_cpus=1)
    yield started
    started.shutdown()


@pytest.mark.slow
@pytest.mark.postgres
def test_a_cluster_of_two_nodes_runs_exactly_what_was_asked(cluster, tmp_path):
    """Two workers at once; one loses its process, and another task takes its place."""
    config = make_config(tmp_path, trials=12, **SIZES)
    with postgres_server() as server:
        url = storage_url(server.url)

        def killer():
            while True:
                time.sleep(0.2)
                try:
                    trials = study_data(open_study(open_storage(url), "small")).trials
                except WalkbenchError:
                    continue
                pids = {t.worker["pid"] for t in trials if t.worker}
                if len(pids) > 1:
                    os.kill(min(pids), 9)
                    return

        threading.Thread(target=killer, daemon=True).start()
        run = run_workers(
            config, 2, url, engine="ray", resources=Resources(address=cluster.address)
        )
        trials = study_data(run.study).trials
        assert (run.done, run.total) == (12, 12)
        assert [t.state for t in trials if not t.interrupted] == ["COMPLETE"] * 12
        assert {t.state for t in trials} <= {"COMPLETE", "FAIL"}
        assert os.getpid() not in {t.worker["pid"] for t in trials}
        assert len({t.worker["task"] for t in trials}) > 1


def test_a_cluster_that_is_not_there_is_named(tmp_path):
    pytest.importorskip("ray")
    config = make_config(tmp_path, trials=2, **SIZES)
    url = f"sqlite:///{tmp_path / 's.db'}"
    with pytest.raises(WalkbenchError, match=r"cannot reach the Ray cluster at '127.0.0.1:9'"):
        run_workers(config, 2, url, engine="ray", resources=Resources(address="127.0.0.1:9"))
    assert not (tmp_path / "s.db").exists()
