"""A file gets its name only when it is complete."""

import os
import subprocess
import sys

import pytest

from search_space.atomic import replacing


def test_the_file_before_stays_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "index.json"
    path.write_text("before")
    with replacing(path) as partial:
        partial.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_whatever_interrupts_leaves_the_file_before_and_nothing_beside_it(tmp_path, end):
    path = tmp_path / "index.json"
    path.write_text("before")
    with pytest.raises(type(end)), replacing(path) as partial:
        partial.write_text("half")
        raise end
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


KILLED = """
import os, signal, sys
from pathlib import Path
from search_space.atomic import replacing
with replacing(Path(sys.argv[1])) as partial:
    partial.write_text("half")
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_a_killed_process_left_is_taken_away_and_a_living_one_s_is_kept(tmp_path):
    path, other = tmp_path / "index.json", tmp_path / "other.json"
    assert subprocess.run([sys.executable, "-c", KILLED, str(path)]).returncode < 0
    assert subprocess.run([sys.executable, "-c", KILLED, str(other)]).returncode < 0
    (left,) = tmp_path.glob(f".{path.name}*")
    living = left.with_name(left.name.replace(left.name.split(".")[-2], str(os.getppid())))
    living.write_text("half")
    with replacing(path) as partial:
        partial.write_text("whole")
    (kept,) = tmp_path.glob(f".{other.name}*")  # another file's is not its business
    assert sorted(tmp_path.iterdir()) == sorted([path, living, kept])
