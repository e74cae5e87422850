"""Files of runs that pages may show, by the label that stands in the address.

A page's address names a run or a validation by its label; only what lies in the folder of
`walkbench dashboard --runs` has one, so that a path in an address reads nothing.
"""

import json
import os
from pathlib import Path
from typing import Any

import streamlit as st

RUNS = "WALKBENCH_RUNS"  # set by `walkbench dashboard --runs`
LOG, DEEPEST, LARGEST = "log.csv", 4, 20_000_000  # folders below the root; bytes


def runs_root() -> Path:
    """Return the folder in which runs are looked for."""
    return Path(os.environ.get(RUNS, "runs")).resolve()


@st.cache_data(ttl=5, show_spinner=False)
def training_runs(root: Path) -> dict[str, Path]:
    """Return folders of `walkbench train` below ``root`` by label, the newest first."""
    found = [path.parent for path in _files(root) if path.name == LOG]
    found.sort(key=lambda folder: (folder / LOG).stat().st_mtime, reverse=True)
    return {folder.relative_to(root).as_posix(): folder for folder in found}


@st.cache_data(ttl=30, show_spinner=False)
def validations(root: Path) -> dict[str, Path]:
    """Return results of `walkbench proxy validate` below ``root`` by label."""
    found = [path for path in _files(root) if path.suffix == ".json" and _is_validation(path)]
    return {path.relative_to(root).as_posix(): path for path in sorted(found)}


def read_validation(path: Path) -> dict[str, Any]:
    """Return a validation's result."""
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _files(root: Path) -> list[Path]:
    """Return files below ``root``, not too deep and none that links lead away to."""
    base = root.resolve()
    found = []
    for folder, folders, names in os.walk(base):
        depth = len(Path(folder).relative_to(base).parts)
        folders[:] = [n for n in folders if not n.startswith(".")] if depth < DEEPEST else []
        found += [Path(folder) / name for name in names if name == LOG or name.endswith(".json")]
    return [root / path.relative_to(base) for path in found if not path.is_symlink()]


def _is_validation(path: Path) -> bool:
    try:
        if path.stat().st_size > LARGEST:
            return False
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"summary", "rows", "walk"} <= set(found)
