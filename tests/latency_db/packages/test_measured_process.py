"""A worker ends with the process that started it, however that one ends."""

import os
import signal
import subprocess
import sys
import time

import pytest

from latency_db.packages.measured_process import run_measured
from search_space.errors import WalkbenchError

STARTS_A_LONG_JOB = """
import os, pathlib, sys, time
from latency_db.packages.measured_process import run_measured

def work(path):
    pathlib.Path(path).write_text(str(os.getpid()))
    time.sleep(600)

if __name__ == "__main__":
    run_measured(work, sys.argv[1])
"""


def is_running(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        return file.read().rpartition(")")[2].split()[0] != "Z"


def within(seconds, found):
    end = time.monotonic() + seconds
    while not found() and time.monotonic() < end:
        time.sleep(0.05)
    return found()


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/proc"), reason="looks processes up in /proc")
@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_an_export_that_is_stopped_leaves_no_worker_behind(tmp_path, stop):
    script, note = tmp_path / "script.py", tmp_path / "pid"
    script.write_text(STARTS_A_LONG_JOB, encoding="utf-8")
    path = os.pathsep.join([os.getcwd(), *filter(None, [os.environ.get("PYTHONPATH")])])
    parent = subprocess.Popen([sys.executable, script, note], env=os.environ | {"PYTHONPATH": path})
    try:
        assert within(60, lambda: note.exists() and note.read_text(encoding="utf-8"))
        worker = int(note.read_text(encoding="utf-8"))
        parent.send_signal(stop)
        parent.wait(10)
        assert within(10, lambda: not is_running(worker))
    finally:
        parent.kill()


def test_a_worker_that_is_killed_is_said_to_lack_memory():
    with pytest.raises(WalkbenchError, match="want of memory"):
        run_measured(os._exit, 9)
