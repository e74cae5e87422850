import os
import subprocess
import sys

from studies.workers import is_gone, me


def test_a_process_that_ended_on_this_host_is_gone():
    done = subprocess.Popen([sys.executable, "-c", ""])
    done.wait()
    assert is_gone({**me(), "pid": done.pid})


def test_a_living_process_and_one_of_another_host_are_not_gone():
    assert not is_gone(me())
    assert not is_gone({**me(), "pid": os.getppid()})
    assert not is_gone({"host": "another", "pid": 2**22})
    assert not is_gone({})
