import itertools
import json
import subprocess
import sys

import pytest

from proxies.data.prompts import (
    COUNTS,
    HELD_OUT_COUNTS,
    HELD_OUT_PAIRS,
    SPLITS,
    TASKS,
    VOCABULARY,
    decode,
    encode,
    sample,
)
from proxies.data.shapes import GAP, PALETTE, SHAPES, UNIT_AREA, UNIT_CENTRE, coverage, render
from proxies.twin import CAPTION_TOKENS, CLASSES
from search_space.errors import WalkbenchError

SEVERAL = 400


def examples(split, count=SEVERAL, size=24):
    return [sample(0, split, i, size) for i in range(count)]


def test_colors_are_at_least_70_apart():
    for a, b in itertools.combinations(PALETTE.values(), 2):
        assert sum((x - y) ** 2 for x, y in zip(a, b, strict=True)) >= 70**2


@pytest.mark.parametrize("shape", SHAPES)
def test_area_and_centre_in_closed_form_are_those_of_the_drawing(shape):
    alpha = coverage(shape, 100.0, 100.0, 80.0, 200)
    assert alpha.sum() == pytest.approx(UNIT_AREA[shape] * 80**2, rel=2e-3)
    rows = (alpha.sum(axis=1) * ([i + 0.5 for i in range(200)])).sum() / alpha.sum()
    assert (rows - 100) / 80 == pytest.approx(UNIT_CENTRE[shape], abs=2e-3)


@pytest.mark.parametrize("size", [24, 32, 64])
def test_things_lie_wholly_inside_and_apart(size):
    for example in examples("train", size=size):
        for thing in example.scene.things:
            assert thing.radius <= min(thing.x, thing.y)
            assert max(thing.x, thing.y) <= size - thing.radius
        for a, b in itertools.combinations(example.scene.things, 2):
            between = max(abs(a.x - b.x), abs(a.y - b.y)) - a.radius - b.radius
            assert between >= GAP - 1e-9


def test_any_process_makes_the_same_picture_of_a_seed_and_an_index():
    code = (
        "import hashlib\n"
        "from proxies.data.prompts import sample\n"
        "from proxies.data.shapes import render\n"
        "e = sample(7, 'train', 41, 24)\n"
        "print(e.prompt.prompt, hashlib.sha256(render(e.scene, 24).tobytes()).hexdigest()[:16])\n"
    )
    alone = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert alone.stdout.strip() == "a triangle and a square 4c2ff60f9878966a"


def test_seeds_splits_and_indices_differ():
    pictures = {
        render(sample(seed, split, index, 24).scene, 24).tobytes()
        for seed in (0, 1)
        for split in SPLITS
        for index in range(20)
    }
    assert len(pictures) == 2 * len(SPLITS) * 20


def test_training_and_validation_show_no_held_out_pair_or_count():
    for example in examples("train") + examples("validation"):
        things = example.scene.things
        assert not {(t.shape, t.color) for t in things} & HELD_OUT_PAIRS
        if example.prompt.tag == "count":
            assert (things[0].shape, len(things)) not in HELD_OUT_COUNTS


def test_held_out_splits_ask_for_what_was_held_out():
    asked = {
        (item["class"], item.get("color"))
        for example in examples("pairs")
        for item in example.prompt.include
    }
    assert asked >= HELD_OUT_PAIRS
    counted = {
        (item["class"], item["count"])
        for example in examples("counts")
        for item in example.prompt.include
    }
    assert counted == HELD_OUT_COUNTS


def test_training_shows_every_task_shape_color_and_count():
    seen = examples("train")
    assert {example.prompt.tag for example in seen} == set(TASKS)
    things = [thing for example in seen for thing in example.scene.things]
    assert {thing.shape for thing in things} == set(SHAPES)
    assert {thing.color for thing in things} == set(PALETTE)
    assert {len(example.scene.things) for example in seen} >= {1, *COUNTS}


def test_prompts_are_genevals_json():
    prompt = next(e.prompt for e in examples("train") if e.prompt.tag == "position")
    data = json.loads(json.dumps(prompt.to_dict()))
    assert set(data) == {"tag", "prompt", "include"}
    assert data["include"][1]["position"][1] == 0
    counting = next(e.prompt for e in examples("train") if e.prompt.tag == "count")
    (item,) = counting.include
    assert counting.exclude == ({"class": item["class"], "count": item["count"] + 1},)


def test_every_caption_has_at_most_12_words_of_27():
    assert len(VOCABULARY) == 27
    for split in SPLITS:
        for example in examples(split):
            tokens = encode(example.prompt.prompt)
            assert len(tokens) == CAPTION_TOKENS
            assert decode(tokens) == example.prompt.prompt


def test_the_twin_knows_the_sizes_of_the_data():
    assert len(SHAPES) * len(PALETTE) == CLASSES


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: sample(0, "test", 0, 24), "unknown split 'test'"),
        (lambda: sample(0, "train", 0, 16), "16 pixels are too small"),
        (lambda: encode("a mauve circle"), "unknown word 'mauve'"),
        (lambda: encode("a " * 13), "13 words"),
    ],
)
def test_what_the_data_cannot_say_is_named(call, message):
    with pytest.raises(WalkbenchError, match=message):
        call()
