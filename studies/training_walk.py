"""The walk's second leg: from SnapGen's design through its training, published figures beside ours.

Ours are of twins on pictures of shapes (`benchmarks/distillation.py`, `benchmarks/few_step.py`);
what has not been measured is None.

>>> [row["step"] for row in training_rows()][:3]
['snapgen', '+ output KD', '+ feature KD']
>>> training_rows()[-1]["published"]["geneval"]["value"]
0.61
"""

import json
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any

STEPS = {
    "snapgen": "the design, trained on data alone",
    "+ output KD": "the teacher's velocity is learned beside the data's",
    "+ feature KD": "and the features of its last transformer layer",
    "+ timestep-aware scaling": "real data weigh most at middle times, the teacher at both ends",
    "8 steps": "adversarial distillation to 8 steps",
    "4 steps": "to 4 steps",
}


@lru_cache(maxsize=1)
def published_training() -> dict[str, dict[str, Any]]:
    """Return what is published of each step: figure → value, confidence, source."""
    data = tomllib.loads((files("studies") / "published_training.toml").read_text("utf-8"))
    paper = data.pop("paper")
    for step in data.values():
        for figure in step.values():
            figure.setdefault("source", paper)
    return data


@lru_cache(maxsize=1)
def measured_training() -> dict[str, dict[str, Any]]:
    """Return what was measured of each step on our own task; empty for steps that were not."""
    text = (files("studies") / "measured_training.json").read_text("utf-8")
    found: dict[str, dict[str, Any]] = json.loads(text)["steps"]
    return found


def training_rows() -> list[dict[str, Any]]:
    """Return one row per step.

    A row holds step, change, against, ``published`` (an object of figures, or None), the measured
    relative change of the loss with its 95 % interval over seeds (``loss_delta``, ``loss_low``,
    ``loss_high``, ``verdict``), and ``strict`` with ``strict_stderr`` and ``seeds``.
    """
    rows: list[dict[str, Any]] = []
    fields = ("loss_delta", "loss_low", "loss_high", "verdict", "strict", "strict_stderr", "seeds")
    for step, change in STEPS.items():
        ours = measured_training().get(step, {})
        rows.append(
            {
                "step": step,
                "change": change,
                "against": rows[-1]["step"] if rows else None,
                "published": published_training().get(step.removeprefix("+ ")),
                **{field: ours.get(field) for field in fields},
            }
        )
    return rows
