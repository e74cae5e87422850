"""Prompts to draw for: GenEval's and DPG-Bench's files as published, plain lists, and the shapes.

- ``evaluation_metadata.jsonl`` of GenEval (djghosh13/geneval, ``prompts/create_prompts.py``): one
  JSON object a line with ``tag``, ``prompt``, ``include`` and, for counting, ``exclude``.
- DPG-Bench (TencentQQGYLab/ELLA, ``dpg_bench``): a folder of ``ID.txt`` files with one prompt each,
  or ``dpg_bench.csv``, which has a line per question and the prompt in its ``text``.
- any other ``.txt``: a prompt a line, like GenEval's ``generation_prompts.txt``.
- ``shapes``, ``crowd``, ``scenes``: captions that the checker can judge, ``shapes:pairs`` and
  ``shapes:counts`` with combinations that no training picture shows.

>>> found = read_prompts("shapes", count=2)
>>> found.kind, found.prompts[0].text
('geneval', 'a purple cross')
>>> found.prompts[0].metadata["include"]
[{'class': 'cross', 'count': 1, 'color': 'purple'}]
"""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from proxies.data.dataset import examples
from proxies.data.prompts import SPLITS
from proxies.data.scene_data import scene_examples
from proxies.data.scenes import TASKS
from search_space.errors import WalkbenchError, raise_unknown

Kind = Literal["geneval", "dpg", "plain"]
OWN = ("shapes", *TASKS)
OWN_COUNT = 256  # prompts, unless told otherwise
_CSV_COLUMNS = ("item_id", "text")


@dataclass(frozen=True)
class EvaluationPrompt:
    """A prompt with its name in the benchmark; ``metadata`` is GenEval's line, else None."""

    id: str
    text: str
    metadata: dict[str, Any] | None = None


@dataclass(frozen=True)
class PromptSet:
    """Prompts in the order of their file; ``kind`` decides how drawn pictures are laid out."""

    source: str
    kind: Kind
    prompts: tuple[EvaluationPrompt, ...]


def read_prompts(source: str, count: int | None = None) -> PromptSet:
    """Return the first ``count`` prompts of ``source``: a file, a folder or the checker's own.

    Raises :class:`WalkbenchError` for a source that is not there or not in a known format, naming
    the line.
    """
    path = Path(source).expanduser()
    name, _, split = source.partition(":")
    if name in OWN and not path.exists():
        found = _own(name, split or "validation", count or OWN_COUNT)
        return PromptSet(source, "geneval", found)
    kind: Kind
    if path.is_dir():
        kind, found = "dpg", _folder(path)
    elif not path.is_file():
        raise WalkbenchError(
            f"prompts {source!r} is neither a file nor a folder; name GenEval's "
            f"evaluation_metadata.jsonl, DPG-Bench's folder or .csv, a .txt, or {', '.join(OWN)}"
        )
    elif path.suffix == ".jsonl":
        kind, found = "geneval", _jsonl(path)
    elif path.suffix == ".csv":
        kind, found = "dpg", _csv(path)
    elif path.suffix == ".txt":
        lines = [line.strip() for line in _text(path).splitlines()]
        texts = [line for line in lines if line]
        kind, found = "plain", tuple(EvaluationPrompt(f"{i:05}", t) for i, t in enumerate(texts))
    else:
        raise WalkbenchError(f"prompts {source!r} is no .jsonl, .csv or .txt; name one that is")
    if not found:
        raise WalkbenchError(f"{source!r} holds no prompts; name a file that does")
    return PromptSet(source, kind, found[:count])


def parse_metadata(value: Any, where: str) -> dict[str, Any]:
    """Return ``value`` if it is a line of GenEval's metadata; raises with what it lacks."""
    if not isinstance(value, dict):
        raise WalkbenchError(
            f"{where}: {str(value)[:40]!r} is no JSON object; see GenEval's format"
        )
    for key, kind in (("tag", str), ("prompt", str), ("include", list)):
        if not isinstance(value.get(key), kind):
            raise WalkbenchError(f"{where}: {key!r} is missing or no {kind.__name__}")
    exclude = value.get("exclude", [])
    for item in (*value["include"], *(exclude if isinstance(exclude, list) else [None])):
        if not (
            isinstance(item, dict)
            and isinstance(item.get("class"), str)
            and isinstance(item.get("count"), int)
        ):
            raise WalkbenchError(f"{where}: {item!r} lacks a 'class' or a whole 'count'")
    for place, item in enumerate(value["include"]):
        _check_position(item.get("position"), place, where)
    return value


def _check_position(position: Any, place: int, where: str) -> None:
    if position is None:
        return
    if not (isinstance(position, list) and len(position) == 2 and isinstance(position[1], int)):
        raise WalkbenchError(f"{where}: position {position!r} is not [relation, item]")
    if not 0 <= position[1] < place:
        raise WalkbenchError(
            f"{where}: position {position!r} names item {position[1]}; only items before it are "
            "allowed"
        )


def _own(name: str, split: str, count: int) -> tuple[EvaluationPrompt, ...]:
    if split not in SPLITS:
        raise_unknown("split", split, SPLITS)
    if name == "shapes":
        made = examples(split, count, 24)
    else:
        made = scene_examples(name, split, count, TASKS[name].least)
    lines = [example.prompt.to_dict() for example in made]
    return tuple(EvaluationPrompt(f"{i:05}", x["prompt"], x) for i, x in enumerate(lines))


def _jsonl(path: Path) -> tuple[EvaluationPrompt, ...]:
    found: list[EvaluationPrompt] = []
    for number, line in enumerate(_text(path).splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{str(path)!r} line {number}"
        try:
            value = json.loads(line)
        except ValueError as error:
            raise WalkbenchError(f"{where} is no JSON: {error}") from None
        metadata = parse_metadata(value, where)
        found.append(EvaluationPrompt(f"{len(found):05}", metadata["prompt"], metadata))
    return tuple(found)


def _folder(path: Path) -> tuple[EvaluationPrompt, ...]:
    found = [
        EvaluationPrompt(file.stem, _text(file).strip()) for file in sorted(path.glob("*.txt"))
    ]
    return tuple(_checked(found, path))


def _csv(path: Path) -> tuple[EvaluationPrompt, ...]:
    rows = csv.DictReader(_text(path).splitlines(keepends=True))
    if missing := [c for c in _CSV_COLUMNS if c not in (rows.fieldnames or ())]:
        raise WalkbenchError(
            f"{str(path)!r} has no column {missing[0]!r}; DPG-Bench's dpg_bench.csv has "
            f"{' and '.join(_CSV_COLUMNS)}"
        )
    texts: dict[str, str] = {}
    for row in rows:
        texts.setdefault(row["item_id"], (row["text"] or "").strip())
    return tuple(_checked([EvaluationPrompt(*one) for one in texts.items()], path))


def _checked(found: list[EvaluationPrompt], path: Path) -> list[EvaluationPrompt]:
    for prompt in found:
        if not prompt.text:
            raise WalkbenchError(f"{str(path)!r}: prompt {prompt.id!r} is empty")
        if not prompt.id or "." in prompt.id or "/" in prompt.id:
            raise WalkbenchError(
                f"{str(path)!r}: {prompt.id!r} is no name for a picture; DPG-Bench's evaluator "
                "reads it up to the first dot"
            )
    return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise WalkbenchError(f"cannot read {str(path)!r}: {error}; give UTF-8 text") from None
