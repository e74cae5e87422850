"""Checkpoints of `walkbench train`: numbered files, the newest few, each with a checksum.

A damaged file is named with the one before it; what is being written never replaces what is whole.
"""

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from search_space.atomic import atomic_write
from search_space.errors import WalkbenchError

FORMAT = 1  # bumped when the files change meaning
_NAME = re.compile(r"step-(\d+)\.safetensors")


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoints of one run in ``folder``, of which ``keep`` stay."""

    folder: Path
    keep: int = 2

    def found(self) -> list[Path]:
        """Return the files, the oldest first."""
        there = self.folder.glob("step-*.safetensors") if self.folder.is_dir() else ()
        return sorted((path for path in there if _NAME.fullmatch(path.name)), key=_step)

    def save(self, step: int, tensors: dict[str, Tensor], facts: dict[str, Any]) -> Path:
        """Write the checkpoint of ``step`` and remove those that are too old.

        Raises :class:`WalkbenchError` when it cannot be written; the one before stays.
        """
        path = self.folder / f"step-{step:08}.safetensors"
        plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        text = json.dumps({"format": FORMAT, "step": step, "sha256": _digest(plain), **facts})
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as partial:
                save_file(plain, partial, metadata={"run": text})
        except (OSError, SafetensorError) as error:
            before = self.found()
            kept = f"{str(before[-1])!r} is kept" if before else "there is none before it"
            raise WalkbenchError(
                f"checkpoint {str(path)!r} cannot be written: {error}; {kept}; make room and run "
                "the same command again"
            ) from None
        for old in self.found()[: -self.keep]:
            old.unlink(missing_ok=True)
        return path

    def newest(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
        """Return tensors and facts of the newest checkpoint, None where there is none.

        Raises :class:`WalkbenchError` for a damaged file, naming the one before it.
        """
        found = self.found()
        if not found:
            return None
        path = found[-1]
        try:
            with safe_open(path, framework="pt") as file:
                facts = json.loads((file.metadata() or {})["run"])
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            if facts["format"] > FORMAT:
                raise WalkbenchError(
                    f"checkpoint {str(path)!r} is of format {facts['format']}, this version reads "
                    f"{FORMAT}; upgrade Walkbench"
                )
            if _digest(tensors) != facts["sha256"]:
                raise ValueError("its checksum is not that of its tensors")
        except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
            if isinstance(error, WalkbenchError):
                raise
            before = (
                f"remove it to go on from {str(found[-2])!r}, step {_step(found[-2]):,}"
                if len(found) > 1
                else "there is none before it; remove it to start anew"
            )
            said = " ".join(str(error).split())[:160]
            raise WalkbenchError(f"checkpoint {str(path)!r} is damaged: {said}; {before}") from None
        return tensors, facts


def _step(path: Path) -> int:
    found = _NAME.fullmatch(path.name)
    assert found is not None
    return int(found[1])


def _digest(tensors: dict[str, Tensor]) -> str:
    total = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        content: Any = tensor.contiguous().reshape(-1).view(torch.uint8).numpy()
        total.update(content)
    return total.hexdigest()
