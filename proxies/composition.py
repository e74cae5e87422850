"""Composition scores: how often the pictures that a twin draws are what their prompts ask for.

The checker reads each picture and GenEval's rules judge it (:mod:`proxies.data.checker`). In the
first minutes of training almost no picture passes; until then read the validation loss and the
residual.

>>> from proxies.data.dataset import examples, shapes
>>> real = shapes("validation", 20, 24).images
>>> scores = composition(Samples(real, examples("validation", 20, 24)))
>>> scores.strict, scores.loose, scores.n
(1.0, 1.0, 20)
"""

from collections import Counter
from collections.abc import Iterable

from proxies.data.checker import judge, read
from proxies.data.prompts import TASKS
from proxies.data.shapes import Scene
from proxies.samples import Samples
from proxies.score_parts import Composition

__all__ = ["Composition", "composition", "total_variation"]


def composition(samples: Samples) -> Composition:
    """Return the scores of pictures drawn for prompts."""
    prompts = [example.prompt for example in samples.examples]
    readings = [read(image, samples.fills) for image in samples.images]
    verdicts = [judge(r, prompt) for r, prompt in zip(readings, prompts, strict=True)]
    by_task = {
        task: [v.loose for v, prompt in zip(verdicts, prompts, strict=True) if prompt.tag == task]
        for task in dict.fromkeys((*TASKS, *sorted(prompt.tag for prompt in prompts)))
    }
    return Composition(
        n=len(verdicts),
        strict=_share(v.strict for v in verdicts),
        loose=_share(v.loose for v in verdicts),
        shapes=_share(v.shapes for v in verdicts),
        count=_share_or_none(v.count for v in verdicts),
        color=_share_or_none(v.color for v in verdicts),
        position=_share_or_none(v.position for v in verdicts),
        fill=_share_or_none(v.fill for v in verdicts),
        by_task={task: _share(passed) for task, passed in by_task.items() if passed},
        residual=sum(reading.residual for reading in readings) / len(readings),
        variation=total_variation([r.scene for r in readings], [e.scene for e in samples.examples]),
        split=samples.split,
    )


def total_variation(drawn: Iterable[Scene], real: Iterable[Scene]) -> float:
    """Return half the sum of differences between two histograms of (shape, colour), 0 to 1."""
    a, b = (
        Counter((t.shape, t.color) for s in scenes for t in s.things) for scenes in (drawn, real)
    )
    if not a or not b:
        return 1.0
    return sum(abs(a[kind] / a.total() - b[kind] / b.total()) for kind in a | b) / 2


def _share(passed: Iterable[bool]) -> float:
    values = list(passed)
    return sum(values) / len(values)


def _share_or_none(passed: Iterable[bool | None]) -> float | None:
    values = [value for value in passed if value is not None]
    return sum(values) / len(values) if values else None
