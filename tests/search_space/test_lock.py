import subprocess
import sys

import pytest

from search_space.errors import WalkbenchError
from search_space.lock import exclusive

HOLD = """
import sys, time
from pathlib import Path
from search_space.lock import exclusive

with exclusive(Path(sys.argv[1]), "held"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_killed_process_holds_nothing(tmp_path):
    folder = tmp_path / "new" / "folder"
    command = [sys.executable, "-c", HOLD, str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(WalkbenchError, match="somebody else"),
            exclusive(folder, "somebody else"),
        ):
            pass
        other.kill()
    with exclusive(folder, "somebody else"):
        pass


def test_an_exception_lets_go(tmp_path):
    with pytest.raises(ZeroDivisionError), exclusive(tmp_path, "held"):
        raise ZeroDivisionError
    with exclusive(tmp_path, "held"):
        pass
