"""Drawn pictures lie where the evaluators of GenEval and DPG-Bench look for them."""

import json
import re

import numpy as np
import pytest
from PIL import Image

from proxies.evaluation.layout import is_drawn, read_dpg, read_geneval, write_drawn
from proxies.evaluation.picture_set import folder_set
from proxies.evaluation.prompt_files import EvaluationPrompt, PromptSet
from search_space.errors import WalkbenchError

LINE = {"tag": "single_object", "include": [{"class": "bench", "count": 1}], "prompt": "a bench"}
PROMPT = EvaluationPrompt("00000", "a bench", LINE)


def pictures(count, size=8):
    return np.arange(count, dtype=np.uint8)[:, None, None, None] + np.zeros(
        (count, size, size, 3), dtype=np.uint8
    )


def genevals_own_walk(folder):
    """What GenEval's evaluate_images.py reads: (metadata, file) of every picture."""
    for sub in folder.iterdir():
        if not sub.is_dir() or not sub.name.isdigit():
            continue
        metadata = json.loads((sub / "metadata.jsonl").read_text())
        for name in (sub / "samples").iterdir():
            if re.match(r"\d+\.png", name.name):
                yield metadata, name


def test_genevals_evaluator_finds_every_picture_with_its_metadata(tmp_path):
    for index in (0, 12):
        write_drawn(tmp_path, "geneval", index, PROMPT, pictures(4))
    found = list(genevals_own_walk(tmp_path))
    assert len(found) == 8 and all(metadata == LINE for metadata, _ in found)
    names = sorted(path.relative_to(tmp_path).as_posix() for _, path in found)
    assert names[0] == "00000/samples/00000.png" and names[-1] == "00012/samples/00003.png"
    assert [f.path for f in read_geneval(tmp_path)] == sorted(path for _, path in found)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_dpg_benchs_crops_are_the_pictures(tmp_path, count):
    prompt = EvaluationPrompt("partiprompts10", "a sign")
    write_drawn(tmp_path, "dpg", 0, prompt, pictures(count))
    assert [path.name for path in tmp_path.iterdir()] == ["partiprompts10.png"]
    side = 8  # dist_eval.sh's RESOLUTION; compute_dpg_bench.py's crop_tuples_list
    crops = [(0, 0, side, side), (side, 0, 2 * side, side),
             (0, side, side, 2 * side), (side, side, 2 * side, 2 * side)]  # fmt: skip
    with Image.open(tmp_path / "partiprompts10.png") as image:
        found = np.stack([np.asarray(image.crop(crop)) for crop in crops[:count]])
    assert (found == pictures(count)).all()
    prompts = PromptSet("x", "dpg", (prompt,))
    back = [picture for _, picture in folder_set(tmp_path, prompts, count).pictures()]
    assert (np.stack(back) == pictures(count)).all()


def test_more_pictures_than_quarters_are_refused(tmp_path):
    with pytest.raises(WalkbenchError, match="4 pictures of a prompt at most, not 5"):
        write_drawn(tmp_path, "dpg", 0, PROMPT, pictures(5))


def test_a_missing_picture_of_dpg_bench_is_named(tmp_path):
    with pytest.raises(WalkbenchError, match=r"has no 7\.png"):
        read_dpg(tmp_path, [EvaluationPrompt("7", "a sign")], 1)


def test_a_prompt_counts_as_drawn_when_all_its_pictures_are_there(tmp_path):
    write_drawn(tmp_path, "plain", 3, PROMPT, pictures(2))
    assert is_drawn(tmp_path, "plain", 3, PROMPT, 2)
    assert not is_drawn(tmp_path, "plain", 3, PROMPT, 3)
    assert [(d.prompt, p[0, 0, 0]) for d, p in folder_set(tmp_path).pictures()] == [
        ("a bench", 0),
        ("a bench", 1),
    ]
