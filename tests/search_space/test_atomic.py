"""A file gets its name only when it is complete."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from search_space.atomic import atomic_folder, atomic_write, write_file
from search_space.errors import WalkbenchError


def test_the_file_before_stays_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / "index.json"
    path.write_text("before")
    with atomic_write(path) as partial:
        partial.write_text("after")
        assert path.read_text() == "before"
    assert path.read_text() == "after" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("end", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_whatever_interrupts_leaves_the_file_before_and_nothing_beside_it(tmp_path, end):
    path = tmp_path / "index.json"
    path.write_text("before")
    with pytest.raises(type(end)), atomic_write(path) as partial:
        partial.write_text("half")
        raise end
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


KILLED = """
import os, signal, sys
from pathlib import Path
from search_space.atomic import atomic_write
with atomic_write(Path(sys.argv[1])) as partial:
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
    with atomic_write(path) as partial:
        partial.write_text("whole")
    (kept,) = tmp_path.glob(f".{other.name}*")  # another file's is not its business
    assert sorted(tmp_path.iterdir()) == sorted([path, living, kept])


def test_a_folder_gets_its_name_only_when_it_is_complete(tmp_path):
    folder = tmp_path / "exported"
    with atomic_folder(folder) as work:
        (work / "deep").mkdir()
        (work / "deep" / "one.txt").write_text("1")
        assert not folder.exists()
    assert (folder / "deep" / "one.txt").read_text() == "1"
    assert list(tmp_path.iterdir()) == [folder]


def test_a_replaced_folder_keeps_the_entries_that_are_not_named(tmp_path):
    folder = tmp_path / "exported"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine" / "notes.txt").write_text("mine")
    (folder / "old.json").write_text("old")
    with atomic_folder(folder, replaces=("old.json", "new.json")) as work:
        (work / "new.json").write_text("new")
    assert sorted(path.name for path in folder.iterdir()) == ["mine", "new.json"]
    assert (folder / "mine" / "notes.txt").read_text() == "mine"
    with atomic_folder(folder) as work:
        (work / "new.json").write_text("newer")
    assert [path.name for path in folder.iterdir()] == ["new.json"]


@pytest.mark.parametrize("end", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_whatever_interrupts_a_folder_leaves_the_one_before(tmp_path, end):
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "a").write_text("before")
    with pytest.raises(type(end)), atomic_folder(folder) as work:
        (work / "a").write_text("half")
        raise end
    assert (folder / "a").read_text() == "before" and list(tmp_path.iterdir()) == [folder]


KILLED_IN_A_FOLDER = """
import os, signal, sys
from pathlib import Path
from search_space import atomic

def kill(*_):
    os.kill(os.getpid(), signal.SIGKILL)

where = sys.argv[2]
if where == "renaming":
    Path.replace = kill
with atomic.atomic_folder(Path(sys.argv[1])) as work:
    (work / "a").write_text("half")
    if where == "writing":
        kill()
"""


@pytest.mark.parametrize("where", ["writing", "renaming"])
def test_a_kill_while_a_folder_is_replaced_blocks_nothing(tmp_path, where):
    folder = tmp_path / "exported"
    folder.mkdir()
    (folder / "a").write_text("before")
    command = [sys.executable, "-c", KILLED_IN_A_FOLDER, str(folder), where]
    assert subprocess.run(command).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2  # killed while it had something beside
    with pytest.raises(ZeroDivisionError), atomic_folder(folder):
        raise ZeroDivisionError  # the next run restores or keeps the folder, and tidies up
    assert (folder / "a").read_text() == "before" and list(tmp_path.iterdir()) == [folder]
    with atomic_folder(folder) as work:
        (work / "a").write_text("after")
    assert (folder / "a").read_text() == "after" and list(tmp_path.iterdir()) == [folder]


def test_a_link_is_followed(tmp_path):
    path, link = tmp_path / "real.txt", tmp_path / "link.txt"
    path.write_text("before")
    link.symlink_to(path)
    write_file(link, "after")
    assert link.is_symlink() and path.read_text() == "after"


def test_a_pipe_or_device_is_written_directly(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen(["cat", str(pipe)], stdout=subprocess.PIPE, text=True) as reader:
        write_file(pipe, "through")
        assert reader.communicate()[0] == "through"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_device_is_an_error_in_one_line():
    with pytest.raises(WalkbenchError, match="cannot write '/dev/full': No space left"):
        write_file(Path("/dev/full"), "some text")


def test_a_full_disk_leaves_the_file_before(tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root can mount a small file system")
    try:
        write_file(small / "report.html", "good")
        with pytest.raises(WalkbenchError, match="No space left"):
            write_file(small / "report.html", b"x" * 100_000)
        assert (small / "report.html").read_text() == "good"
        assert [path.name for path in small.iterdir()] == ["report.html"]
    finally:
        subprocess.run(["umount", str(small)], check=True)
