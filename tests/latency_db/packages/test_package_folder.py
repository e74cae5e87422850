"""Packages are whole or absent, and a run that was stopped continues."""

import errno
import json
import os
from collections import namedtuple
from dataclasses import dataclass

import pytest

from latency_db.packages import package_folder
from latency_db.packages.package_folder import Format, read_packages, write_packages
from latency_db.packages.parts import cut_into, sizes_at
from latency_db.packages.weights import InitialWeights
from search_space.errors import WalkbenchError
from tests.latency_db.packages.tiny import tiny

PARTS = cut_into(tiny(), 2, sizes_at(16))


@dataclass(frozen=True)
class Toy:
    log: str
    fails: str = ""  # at the second part


def write_toy(part, weights, settings, path):
    """A format that writes names; runs in a process of its own, so it counts in a file."""
    with open(settings.log, "a", encoding="utf-8") as log:
        log.write(f"{part.index}\n")
    path.mkdir()
    (path / "nodes").write_text("\n".join(node.name for node in part.nodes), encoding="utf-8")
    if settings.fails and part.index == 1:
        if settings.fails == "killed":
            os._exit(9)
        raise OSError(errno.ENOSPC, "No space left on device")
    return {"nodes": len(part.nodes)}


TOY = Format("toy", ".toy", write_toy)


def written(tmp_path, fails="", seed=0):
    return write_packages(
        PARTS, InitialWeights(seed), Toy(str(tmp_path / "log"), fails), TOY, tmp_path / "out"
    )


def calls(tmp_path):
    return (tmp_path / "log").read_text(encoding="utf-8").split()


def names(tmp_path):
    return sorted(path.name for path in (tmp_path / "out").iterdir() if path.name != "lock")


@pytest.mark.slow
def test_notes_say_what_was_made_and_what_it_cost(tmp_path):
    notes = written(tmp_path)
    assert [note["file"] for note in notes] == ["UnetChunk1.toy", "UnetChunk2.toy"]
    assert all(note["bytes"] and note["peak_gb"] > 0.01 and note["seconds"] >= 0 for note in notes)
    assert read_packages(tmp_path / "out") == notes


@pytest.mark.slow
def test_complete_packages_are_left_alone(tmp_path):
    assert written(tmp_path) == written(tmp_path)
    assert calls(tmp_path) == ["0", "1"]


@pytest.mark.slow
def test_other_weights_make_the_packages_anew(tmp_path):
    written(tmp_path)
    written(tmp_path, seed=1)
    assert calls(tmp_path) == ["0", "1", "0", "1"]


@pytest.mark.parametrize(
    ("fails", "words"), [("full", "No space left on device.*complete parts"), ("killed", "memory")]
)
@pytest.mark.slow
def test_a_failed_part_leaves_nothing_half_written_and_the_next_run_continues(
    tmp_path, fails, words
):
    with pytest.raises(WalkbenchError, match=words):
        written(tmp_path, fails)
    assert names(tmp_path) == ["UnetChunk1.json", "UnetChunk1.toy"]
    with pytest.raises(WalkbenchError, match="continues where it stopped"):
        read_packages(tmp_path / "out")
    before = (tmp_path / "out" / "UnetChunk1.toy" / "nodes").stat().st_mtime_ns
    note = tmp_path / "out" / "UnetChunk1.json"
    told = json.loads(note.read_text(encoding="utf-8"))
    told["identity"] = package_folder._identity(
        PARTS[0], InitialWeights(0), Toy(str(tmp_path / "log")), TOY
    )
    note.write_text(json.dumps(told), encoding="utf-8")  # the toy's failure is part of its settings
    assert len(written(tmp_path)) == 2
    assert calls(tmp_path) == ["0", "1", "1"]
    assert (tmp_path / "out" / "UnetChunk1.toy" / "nodes").stat().st_mtime_ns == before


def test_too_little_room_is_refused_before_anything_is_converted(tmp_path, monkeypatch):
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(package_folder.shutil, "disk_usage", lambda _: usage(10, 9, 1))
    with pytest.raises(WalkbenchError, match=r"GB on disk.*choose another folder"):
        written(tmp_path)
    assert not (tmp_path / "log").exists()
