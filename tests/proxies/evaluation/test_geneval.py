"""Strict and loose scores in GenEval's format, on pictures whose content is known."""

import json
import math

import pandas as pd
import pytest
from scipy.stats import beta

from proxies.data.dataset import examples
from proxies.data.shapes import Scene, Thing, render
from proxies.evaluation.geneval import mark, summary, unreadable

LINE = {
    "tag": "color_attr",
    "prompt": "a red circle",
    "include": [{"class": "circle", "count": 1, "color": "red"}],
}
CIRCLE, SQUARE = Thing("circle", "red", 9, 9, 5.0), Thing("square", "blue", 23, 23, 5.0)


def drawn(*things):
    return render(Scene((10, 12, 20), things), 32)


def test_another_object_is_a_strict_mistake_and_no_loose_one():
    both = mark("x.png", LINE, drawn(CIRCLE, SQUARE))
    assert (both.strict, both.loose) == (False, True)
    assert mark("x.png", LINE, drawn(CIRCLE)).strict
    assert not mark("x.png", LINE, drawn(SQUARE)).loose


def test_the_overall_score_is_the_mean_over_tasks_and_prompts_need_one_picture():
    other = {**LINE, "tag": "single_object", "prompt": "a square",
             "include": [{"class": "square", "count": 1}]}  # fmt: skip
    marks = [mark("1", LINE, drawn(CIRCLE)), mark("2", LINE, drawn(SQUARE)),
             mark("3", LINE, drawn(SQUARE)), mark("4", other, drawn(SQUARE))]  # fmt: skip
    found = summary(marks, strict=True)
    assert found.by_task == {"color_attr": (pytest.approx(1 / 3), 3), "single_object": (1.0, 1)}
    assert found.overall == pytest.approx((1 / 3 + 1) / 2)
    assert (found.correct_images, found.correct_prompts) == (0.5, 1.0)
    of_tasks = beta(2, 3).std(), beta(2, 1).std()
    assert found.overall_stderr == pytest.approx(math.hypot(*of_tasks) / 2)


def test_genevals_own_arithmetic_gives_the_same_figures(tmp_path):
    asked = [e for e in examples("validation", 12, 24)]
    blank = render(Scene((10, 12, 20), ()), 24)
    marks = [
        mark(f"{i}", e.prompt.to_dict(), blank if i % 3 == 0 else render(e.scene, 24))
        for i, e in enumerate(asked)
    ]
    path = tmp_path / "results.jsonl"
    path.write_text("".join(json.dumps(m.to_dict(strict=False)) + "\n" for m in marks))
    table = pd.read_json(path, orient="records", lines=True)  # as summary_scores.py does
    found = summary(marks, strict=False)
    assert found.correct_images == pytest.approx(table["correct"].mean())
    assert found.correct_prompts == pytest.approx(table.groupby("metadata")["correct"].any().mean())
    by_tag = [group["correct"].mean() for _, group in table.groupby("tag", sort=False)]
    assert found.overall == pytest.approx(sum(by_tag) / len(by_tag))


def test_what_the_checker_has_no_word_for_is_named():
    assert unreadable(LINE) is None
    bench = {**LINE, "include": [{"class": "bench", "count": 1}]}
    assert unreadable(bench).startswith("class 'bench' (it reads circle,")
    brown = {**LINE, "exclude": [{"class": "circle", "count": 1, "color": "brown"}]}
    assert unreadable(brown).startswith("color 'brown'")
