"""Draw a bundle's pictures for a set of prompts into a folder that evaluators read.

Pictures that are there already are kept, so an interrupted run goes on. Beside the folder stands
``FOLDER.json`` with what the pictures were drawn by; another bundle or setting is refused.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from proxies.evaluation.layout import is_drawn, write_drawn
from proxies.evaluation.pipeline import Drawer
from proxies.evaluation.prompt_files import PromptSet
from search_space.atomic import write_file
from search_space.errors import WalkbenchError

Progress = Callable[[int, int, str], None]  # drawn, in all, prompt
_BUNDLE_FILES = ("*.json", "*.safetensors", "*.bin", "*.txt")


def bundle_digest(folder: Path) -> str:
    """Return a digest of the files that a pipeline loads from ``folder``, subfolders included."""
    total = hashlib.sha256()
    files = {path for pattern in _BUNDLE_FILES for path in folder.glob(f"*/{pattern}")}
    for path in sorted(files | {folder / "model_index.json"}):
        total.update(path.relative_to(folder).as_posix().encode())
        with path.open("rb") as file:
            total.update(hashlib.file_digest(file, "sha256").digest())
    return total.hexdigest()[:12]


def draw_into(
    folder: Path,
    prompts: PromptSet,
    images: int,
    drawer: Drawer,
    facts: dict[str, Any],
    batch: int,
    progress: Progress,
) -> None:
    """Draw ``images`` pictures of every prompt that ``folder`` lacks.

    Raises :class:`WalkbenchError` when the folder's pictures were drawn by something else than
    ``facts``, or cannot be written.
    """
    _check_facts(folder, facts)
    todo = [
        (index, prompt)
        for index, prompt in enumerate(prompts.prompts)
        if not is_drawn(folder, prompts.kind, index, prompt, images)
    ]
    done, total = len(prompts.prompts) - len(todo), len(prompts.prompts)
    at_once = max(1, batch // images)
    for first in range(0, len(todo), at_once):
        group = todo[first : first + at_once]
        jobs = [(index, i, prompt.text) for index, prompt in group for i in range(images)]
        parts = [drawer.draw(jobs[i : i + batch]) for i in range(0, len(jobs), batch)]
        found = np.concatenate(parts)
        for place, (index, prompt) in enumerate(group):
            own = found[place * images : (place + 1) * images]
            write_drawn(folder, prompts.kind, index, prompt, own)
        done += len(group)
        progress(done, total, group[-1][1].text)


def _check_facts(folder: Path, facts: dict[str, Any]) -> None:
    beside = folder.with_name(f"{folder.name}.json")
    if folder.is_dir() and any(folder.iterdir()):
        try:
            before = json.loads(beside.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            raise WalkbenchError(
                f"{str(folder)!r} is not empty and was not drawn here; name another with --to"
            ) from None
        for key, value in facts.items():
            if before.get(key) != value:
                raise WalkbenchError(
                    f"{str(folder)!r} was drawn with {key} {before.get(key)!r}, not {value!r}; "
                    "name another with --to"
                )
        return
    write_file(beside, json.dumps(facts, indent=2) + "\n")
