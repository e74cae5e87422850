"""Workers of a study that start in milliseconds, so that a test can kill many of them.

A process that has imported everything forks one worker for each line that it reads. Workers train
for real, save at every step, and write each step and their end into a log.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

LOG = "steps.log"


class Workers:
    """Starts workers and knows which of them live."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self._process, self.folder = process, folder
        self.started: list[int] = []

    def start(self) -> int:
        """Start a worker and return its process id."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print("start", file=self._process.stdin, flush=True)
        self.started.append(int(self._process.stdout.readline()))
        return self.started[-1]

    def living(self) -> list[int]:
        """Return the process ids of workers that have not ended."""
        return [pid for pid in self.started if _lives(pid)]

    def kill(self, pid: int, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal and, after SIGKILL, wait until the worker is gone."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        while number is signal.SIGKILL and _lives(pid):
            time.sleep(0.002)

    def join(self, seconds: float = 120.0) -> None:
        """Wait until no worker is left."""
        deadline = time.monotonic() + seconds
        while self.living():
            assert time.monotonic() < deadline, self.log()[-20:]
            time.sleep(0.05)

    def log(self) -> list[list[str]]:
        """Return the words of every line that workers wrote."""
        path = self.folder / LOG
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def starts(self) -> list[int]:
        """Return the first step of every stretch of training."""
        found, before = [], {}
        for word, pid, *rest in self.log():
            if word == "step":
                step = int(rest[0])
                if step != before.get(pid, -1) + 1:
                    found.append(step)
                before[pid] = step
        return found

    def ends(self) -> list[str]:
        """Return how the workers ended that were not killed."""
        return [" ".join(rest) for word, _, *rest in self.log() if word == "end"]


@contextmanager
def forked_workers(folder: Path, url: str, **changes: object) -> Iterator[Workers]:
    """Yield workers of the study that ``changes`` to the small config give."""
    words = [sys.executable, "-m", "tests.studies.forked_workers", str(folder), url]
    env = {**os.environ, "PYTHONPATH": os.getcwd(), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [*words, json.dumps(changes)],
        cwd=folder,
        env=env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    workers = Workers(process, folder)
    try:
        yield workers
    finally:
        for pid in workers.living():
            workers.kill(pid)
        process.stdin.close()
        process.wait()


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def main() -> None:
    """Fork a worker for each line of stdin."""
    import torch._dynamo  # noqa: F401 -- slow, and loaded by the first training otherwise

    import proxies.callbacks
    from studies.runner import Silent, run_study
    from tests.studies.fakes import FakeLatency, make_config

    proxies.callbacks.CHECKPOINT_SECONDS = 0.0
    folder, url, changes = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    config = make_config(folder, **changes)
    log = os.open(folder / LOG, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(*words: object) -> None:
        os.write(log, (" ".join(map(str, words)) + "\n").encode())

    class Watch(Silent):
        def training(self, progress):
            if progress.score is None:
                write("step", os.getpid(), progress.step)

    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended workers leave nothing behind
    for _ in sys.stdin:
        pid = os.fork()
        if pid:
            print(pid, flush=True)
            continue
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.close(0)
        end = "well"
        try:
            run_study(config, storage=url, latency=FakeLatency(), watch=Watch(), wait=True)
        except BaseException as error:
            end = f"{type(error).__name__}: {error}"
        write("end", os.getpid(), end)
        os._exit(0)


if __name__ == "__main__":
    main()
