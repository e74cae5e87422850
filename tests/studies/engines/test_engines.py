import multiprocessing

import pytest

from proxies.callbacks import Callback
from proxies.testing import tiny_run
from search_space.errors import WalkbenchError
from studies.engines import ENGINES, engine
from studies.engines.processes import ProcessEngine
from studies.engines.serial import SerialEngine
from studies.engines.testing import EngineSuite


class TestSerial(EngineSuite):
    ends_runs = False

    def make(self, **options):
        return SerialEngine(**options)


@pytest.mark.slow
class TestProcesses(EngineSuite):
    def make(self, **options):
        return ProcessEngine(**{"workers": 2, **options})


def test_an_interruption_of_a_serial_run_reaches_the_caller_at_once():
    class Interrupted(Callback):
        def stepped(self, trainer, before, spent):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        SerialEngine(callbacks=[Interrupted()]).submit(tiny_run(steps=5))


def test_a_killed_worker_is_an_error_of_every_waiting_run_and_says_what_to_do():
    with ProcessEngine(workers=1) as processes:
        futures = [processes.submit(tiny_run(steps=1_000_000, seed=s)) for s in range(2)]
        while not multiprocessing.active_children():
            pass
        for worker in multiprocessing.active_children():
            worker.kill()
        for future in futures:
            with pytest.raises(WalkbenchError, match=r"was killed.* run it again .* fewer workers"):
                future.result(timeout=60)
        with pytest.raises(WalkbenchError, match="was killed"):
            processes.submit(tiny_run()).result(timeout=60)


@pytest.mark.slow
def test_an_interruption_leaves_no_worker_behind():
    def interrupted():
        with ProcessEngine(workers=2) as processes:
            processes.submit(tiny_run(steps=1_000_000))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert multiprocessing.active_children() == []


def test_an_engine_is_found_by_name_and_a_misspelt_one_names_the_nearest():
    assert isinstance(engine("serial"), SerialEngine)
    with pytest.raises(WalkbenchError, match=r"engine 'proceses'; did you mean 'processes'"):
        engine("proceses")
    with pytest.raises(WalkbenchError, match="the engine 'serial' has 1: use 'processes'"):
        engine("serial", workers=2)


def test_an_engine_of_ones_own_is_registered_by_name():
    class Mine(SerialEngine):
        pass

    ENGINES.register("mine", Mine)
    try:
        assert isinstance(engine("mine"), Mine)
    finally:
        ENGINES.unregister("mine")
