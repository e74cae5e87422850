"""Cells of an experiment, each trained once: finished ones are lines of a file, the rest go on.

A cell is a JSON object that says what is trained; its line adds what came out. Stopped at any time,
the same call goes on. Cells run in the order given, in separate processes.
"""

import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from pathlib import Path
from typing import Any

Cell = dict[str, Any]


def results(path: Path) -> list[Cell]:
    """Return the finished cells with what came out; a line that a kill cut short is left out."""
    if not path.is_file():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found


def finish(path: Path, cells: Sequence[Cell], work: Callable[[Cell], Cell], workers: int) -> None:
    """Train the cells that the file at ``path`` lacks and append each result when it is there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    there = results(path)
    waiting = [cell for cell in cells if not any(cell.items() <= done.items() for done in there)]
    print(f"{len(cells) - len(waiting)} of {len(cells)} cells are there", flush=True)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        futures = {pool.submit(work, cell): cell for cell in waiting}
        for future in as_completed(futures):
            line = {**futures[future], **future.result()}
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(line) + "\n")
                file.flush()
                os.fsync(file.fileno())
            print(json.dumps(line), flush=True)
