"""Evaluate a bundle or a folder of pictures: every figure is a row with its name and its error.

A bundle draws for prompts into a folder first; from there on both are the same.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from proxies.evaluation import geneval
from proxies.evaluation.clip import Clip, load_clip
from proxies.evaluation.image_space import SHIPPED, ImageSpace, features_in, shipped_space
from proxies.evaluation.inception import inception_space
from proxies.evaluation.layout import DrawnFile
from proxies.evaluation.picture_set import FolderSet, PictureSet, folder_set, procedural
from proxies.evaluation.prompt_files import OWN, PromptSet
from proxies.evaluation.set_distance import floor, set_distance
from search_space.atomic import write_file
from search_space.errors import WalkbenchError

Remark = Callable[[str], None]


@dataclass(frozen=True)
class Figure:
    """A measured value with its standard error; ``real`` is what other real pictures get.

    ``n`` counts the pictures that it is of; ``digest`` names the network that it was taken with.
    A value that too few pictures allow is None.
    """

    metric: str
    value: float | None
    stderr: float | None
    n: int
    real: float | None = None
    digest: str | None = None


@dataclass(frozen=True)
class Measures:
    """What to measure: distances from ``real`` in named spaces, CLIP score.

    ``real`` is a folder, a tar, or the name of the checker's own pictures.
    """

    real: str | None = None
    spaces: tuple[str, ...] = tuple(SHIPPED)
    inception: Path | None = None
    clip: Path | None = None
    device: str = "cpu"


def own_pictures(prompts: PromptSet | None) -> str | None:
    """Return the name of the procedural pictures that ``prompts`` ask for; None for others."""
    name = prompts.source.partition(":")[0] if prompts is not None else None
    return name if name in OWN else None


def check(measures: Measures) -> tuple[list[ImageSpace], Clip | None]:
    """Load every network that ``measures`` name; raises :class:`WalkbenchError`.

    It is done before anything is drawn.
    """
    clip = load_clip(measures.clip, measures.device) if measures.clip is not None else None
    if measures.real is None:
        if measures.inception is not None:
            raise WalkbenchError("--inception measures a distance; name real pictures with --real")
        return [], clip
    spaces = [shipped_space(name) for name in dict.fromkeys(measures.spaces)]
    if measures.inception is not None:
        spaces.append(inception_space(measures.inception, measures.device))
    if clip is not None:
        spaces.append(clip.space())
    if measures.real not in OWN:
        folder_set(measures.real)
    return spaces, clip


def evaluate(
    drawn: FolderSet,
    measures: Measures,
    networks: tuple[list[ImageSpace], Clip | None],
    results: Path | None = None,
    remark: Remark = lambda text: None,
) -> list[Figure]:
    """Return the figures of ``drawn``; ``remark`` is told what could not be measured, and why.

    ``results`` is a file for the checker's verdicts, in GenEval's format.
    """
    spaces, clip = networks
    side = drawn.side()
    found = _composition(drawn, results, remark)
    if clip is not None:
        found += _clip_score(drawn, clip, remark)
    if measures.real is not None:
        found += _distances(drawn, measures.real, spaces, side, remark)
    count = len(drawn.files) - len(drawn.skipped)
    return [Figure("pictures", float(count), None, count), *found]


def _distances(
    drawn: FolderSet, real: str, spaces: list[ImageSpace], side: int, remark: Remark
) -> list[Figure]:
    own = features_in(spaces, drawn.batches(side))
    count = len(own[spaces[0].name])
    pairs: tuple[PictureSet, PictureSet | None]
    if real in OWN:
        pairs = procedural(real, count, count), procedural(real, count, 0)
    else:
        pairs = folder_set(real), None
    first = features_in(spaces, pairs[0].batches(side))
    second = features_in(spaces, pairs[1].batches(side)) if pairs[1] is not None else None
    if isinstance(pairs[0], FolderSet):
        drawn.skipped.update(pairs[0].skipped)
    found: list[Figure] = []
    for space in spaces:
        reals = first[space.name]
        distance = set_distance(reals, own[space.name])
        others = second[space.name] if second is not None else reals[1::2]
        base = floor(reals if second is not None else reals[::2], others)
        if distance.frechet is None:
            remark(
                f"FID[{space.name}] needs more than {space.dim} pictures of each; there are "
                f"{distance.n} drawn and {len(reals)} real ones"
            )
        for metric, value, error, real_value in (
            ("FID", distance.frechet, distance.frechet_stderr, base[0]),
            ("KID", distance.kid, distance.kid_stderr, base[1]),
        ):
            name = f"{metric}[{space.name}]"
            found.append(Figure(name, value, error, distance.n, real_value, space.digest))
    return found


def _clip_score(drawn: FolderSet, clip: Clip, remark: Remark) -> list[Figure]:
    scores: list[torch.Tensor] = []
    cut = without = 0
    for file, picture in drawn.pictures():
        if file.prompt is None:
            without += 1
            continue
        cut += clip.cut(file.prompt)
        scores.append(clip.scores(picture[None], [file.prompt]))
    if without:
        remark(f"CLIP score leaves out {without} pictures without a caption")
    if cut:
        remark(f"CLIP read only the first {clip.tokens} tokens of {cut} prompts")
    if not scores:
        return []
    values = torch.cat(scores)
    error = float(values.std() / len(values) ** 0.5) if len(values) > 1 else None
    return [
        Figure(
            f"CLIP score[{clip.name}]",
            float(values.mean()),
            error,
            len(values),
            digest=clip.digest,
        )
    ]


def _composition(drawn: FolderSet, results: Path | None, remark: Remark) -> list[Figure]:
    lines = [file.metadata for _, file in drawn.files if file.metadata is not None]
    why = next(filter(None, map(geneval.unreadable, lines)), None)
    if not lines or why is not None:
        reason = why or "the pictures have no GenEval metadata"
        if results is not None:
            raise WalkbenchError(f"no verdicts for {str(results)!r}: {reason}")
        if why is not None:
            remark(
                f"the checker cannot judge {why}; score this folder with GenEval's "
                "evaluate_images.py"
            )
        return []
    fills = geneval.fills_of(lines)
    marks = [
        geneval.mark(str(file.path), file.metadata, picture, fills)
        for file, picture in drawn.pictures()
        if file.metadata is not None
    ]
    found: list[Figure] = []
    for rule in ("strict", "loose"):
        found += _rule(rule, geneval.summary(marks, rule == "strict"))
    if results is not None:
        text = "".join(json.dumps(one.to_dict(strict=False)) + "\n" for one in marks)
        write_file(results, text)
    return found


def _rule(rule: str, found: geneval.Summary) -> list[Figure]:
    def share(name: str, value: float, n: int) -> Figure:
        return Figure(f"{rule} {name}", value, geneval.share_stderr(value, n), n)

    return [
        Figure(f"composition {rule}", found.overall, found.overall_stderr, found.images),
        share("images", found.correct_images, found.images),
        share("prompts", found.correct_prompts, found.prompts),
        *(share(task, value, n) for task, (value, n) in found.by_task.items()),
    ]


def rows(figures: Sequence[Figure]) -> list[dict[str, Any]]:
    """Return the figures as JSON objects."""
    return [asdict(figure) for figure in figures]


__all__ = ["DrawnFile", "Figure", "Measures", "check", "evaluate", "own_pictures", "rows"]
