"""GenEval's scores of pictures of shapes, judged by the checker instead of a detector.

The task format is GenEval's (``include``, ``exclude``, ``position``), and so are the figures: the
share of correct pictures, the share of prompts with a correct picture, and the mean over tasks of
the share of correct pictures, which is GenEval's overall score. ``loose`` is GenEval's rule: all
that is included and nothing that is excluded; ``strict`` allows nothing else in the picture either.

The checker reads the four shapes in eight colours. Pictures of other things are for GenEval's own
``evaluate_images.py``.

>>> from proxies.data.dataset import examples, shapes
>>> lines = [e.prompt.to_dict() for e in examples("validation", 8, 24)]
>>> marks = [mark("x.png", x, i) for x, i in zip(lines, shapes("validation", 8, 24).images)]
>>> summary(marks, strict=True).overall
1.0
"""

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from proxies.data.checker import judge, read
from proxies.data.prompts import RELATIONS, Prompt
from proxies.data.shapes import FILLS, PALETTE, SHAPES

_ALLOWED = {"class": SHAPES, "color": tuple(PALETTE), "fill": FILLS}


@dataclass(frozen=True)
class Mark:
    """What the checker says of one picture."""

    filename: str
    metadata: dict[str, Any]
    strict: bool
    loose: bool
    found: tuple[dict[str, Any], ...]
    unclear: int

    def to_dict(self, strict: bool) -> dict[str, Any]:
        """Return a line of GenEval's results.jsonl, which its summary_scores.py reads."""
        correct = self.strict if strict else self.loose
        seen = ", ".join(f"{x['color']} {x['shape']}" for x in self.found) or "nothing"
        unclear = f" and {self.unclear} unclear parts" if self.unclear else ""
        return {
            "filename": self.filename,
            "tag": self.metadata["tag"],
            "prompt": self.metadata["prompt"],
            "correct": correct,
            "reason": "" if correct else f"found {seen}{unclear}",
            "metadata": json.dumps(self.metadata),
            "details": json.dumps(self.found),
        }


@dataclass(frozen=True)
class Summary:
    """GenEval's figures, shares from 0 to 1 with standard errors of pictures drawn anew."""

    images: int
    prompts: int
    correct_images: float
    correct_prompts: float
    overall: float  # mean over tasks
    overall_stderr: float
    by_task: dict[str, tuple[float, int]]  # share and number of pictures


def unreadable(metadata: dict[str, Any]) -> str | None:
    """Return what in ``metadata`` the checker has no word for, None where it can judge."""
    for item in (*metadata["include"], *metadata.get("exclude", [])):
        for key, allowed in _ALLOWED.items():
            if key in item and item[key] not in allowed:
                return f"{key} {item[key]!r} (it reads {', '.join(allowed)})"
        if "position" in item and item["position"][0] not in RELATIONS:
            return f"position {item['position'][0]!r} (it reads {', '.join(RELATIONS)})"
    return None


def fills_of(lines: Iterable[dict[str, Any]]) -> tuple[str, ...]:
    """Return the fills that things may have: all where any line names one."""
    return FILLS if any("fill" in i for line in lines for i in line["include"]) else ("solid",)


def mark(
    filename: str,
    metadata: dict[str, Any],
    picture: NDArray[np.uint8],
    fills: Sequence[str] = ("solid",),
) -> Mark:
    """Return the checker's verdict on ``picture``, (S, S, 3)."""
    exclude = tuple(metadata.get("exclude", []))
    prompt = Prompt(metadata["tag"], metadata["prompt"], tuple(metadata["include"]), exclude)
    reading = read(picture, fills)
    verdict = judge(reading, prompt)
    found = tuple(asdict(thing) for thing in reading.scene.things)
    return Mark(filename, metadata, verdict.strict, verdict.loose, found, reading.unclear)


def share_stderr(share: float, n: int) -> float:
    """Return the standard error of a share of ``n``: above 0 even where all or none are correct.

    It is the deviation of the beta distribution that a uniform prior becomes.
    """
    right = share * n + 1
    return math.sqrt(right * (n + 2 - right) / (n + 3)) / (n + 2)


def summary(marks: Sequence[Mark], strict: bool) -> Summary:
    """Return the figures of ``marks``, which must not be empty."""
    tasks: dict[str, list[bool]] = {}
    prompts: dict[str, bool] = {}
    for one in marks:
        correct = one.strict if strict else one.loose
        tasks.setdefault(one.metadata["tag"], []).append(correct)
        key = json.dumps(one.metadata)
        prompts[key] = prompts.get(key, False) or correct
    shares = {task: sum(values) / len(values) for task, values in tasks.items()}
    variance = sum(share_stderr(p, len(tasks[task])) ** 2 for task, p in shares.items())
    return Summary(
        images=len(marks),
        prompts=len(prompts),
        correct_images=sum(sum(values) for values in tasks.values()) / len(marks),
        correct_prompts=sum(prompts.values()) / len(prompts),
        overall=sum(shares.values()) / len(shares),
        overall_stderr=math.sqrt(variance) / len(shares),
        by_task={task: (share, len(tasks[task])) for task, share in shares.items()},
    )
