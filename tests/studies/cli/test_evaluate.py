"""`walkbench evaluate`: bundles and folders, every format, and one line for every mistake."""

import csv
import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from search_space.diffusers_bridge import spec_from_config
from studies.cli.main import app
from studies.export import export
from studies.export_design import Exportable
from tests.proxies.evaluation.pictures import geneval_folder, save_bundle, save_clip

COUNT = 140


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return save_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """Real pictures of which every fourth is empty."""
    return geneval_folder(
        tmp_path_factory.mktemp("pictures"), COUNT, spoil=lambda i, x: x // 255 if i % 4 == 0 else x
    )


def run(*words, code=0):
    result = CliRunner().invoke(app, ["evaluate", *map(str, words)])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else " ".join(result.stderr.split())


def by_name(text):
    return {row["metric"]: row for row in json.loads(text)}


def test_a_folder_of_shapes_has_distances_and_strict_scores(pictures):
    found = by_name(run(pictures, "--real", "shapes", "--format", "json"))
    assert found["pictures"]["value"] == COUNT
    assert found["strict images"]["value"] == found["loose images"]["value"] == 0.75
    assert 0.7 < found["composition strict"]["value"] < 0.8
    for space in ("random-conv", "shapes-small"):
        row = found[f"FID[{space}]"]
        assert row["value"] > 1.2 * row["real"] and row["stderr"] > 0 and row["n"] == COUNT
        assert len(row["digest"]) == 12


def test_genevals_results_are_written_and_grids_are_no_pictures(pictures, tmp_path):
    path = tmp_path / "results.jsonl"
    rows = list(csv.DictReader(run(pictures, "--results", path, "--format", "csv").splitlines()))
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert len(lines) == COUNT and rows[0] == {
        "metric": "pictures", "value": str(float(COUNT)), "stderr": "", "n": str(COUNT),
        "real": "", "digest": "",
    }  # fmt: skip
    assert set(lines[0]) == {
        "filename", "tag", "prompt", "correct", "reason", "metadata", "details"
    }  # fmt: skip
    assert [line["correct"] for line in lines[:5]] == [False, True, True, True, False]
    assert lines[0]["reason"] == "found nothing"


def test_a_bundle_draws_in_genevals_layout_and_goes_on_where_it_was_stopped(bundle, tmp_path):
    words = [bundle, "--prompts", "shapes", "--steps", "1", "--to", tmp_path / "drawn"]
    few = [*words, "--space", "shapes-small", "--format", "json"]
    run(*few, "--count", "3")
    first = (tmp_path / "drawn/00001/samples/00000.png").read_bytes()
    (tmp_path / "drawn/00002/samples/00000.png").unlink()
    before = (tmp_path / "drawn/00001/samples/00000.png").stat().st_mtime_ns
    found = by_name(run(*few, "--count", "5", "--batch", "2"))
    assert found["pictures"]["n"] == 5 and found["FID[shapes-small]"]["value"] is None
    assert (tmp_path / "drawn/00001/samples/00000.png").stat().st_mtime_ns == before
    metadata = json.loads((tmp_path / "drawn/00000/metadata.jsonl").read_text())
    assert metadata["prompt"] == "a purple cross"
    assert "was drawn with steps 1, not 2" in run(*words, "--steps", "2", code=2)
    run(*few[:5], "--to", tmp_path / "alone", "--count", "2", "--batch", "1")
    assert (tmp_path / "alone/00001/samples/00000.png").read_bytes() == first


def test_genevals_prompts_are_drawn_for_its_own_evaluator(bundle, tmp_path):
    line = {"tag": "single_object", "include": [{"class": "bench", "count": 1}],
            "prompt": "a photo of a bench"}  # fmt: skip
    (tmp_path / "evaluation_metadata.jsonl").write_text(json.dumps(line) + "\n")
    words = [bundle, "--prompts", tmp_path / "evaluation_metadata.jsonl", "--images", "4"]
    result = CliRunner().invoke(
        app, ["evaluate", *map(str, words), "--steps", "1", "--to", f"{tmp_path}/out"]
    )
    assert "score this folder with GenEval's evaluate_images.py" in " ".join(result.stderr.split())
    assert len(list((tmp_path / "out/00000/samples").glob("*.png"))) == 4


def test_dpg_benchs_prompts_become_one_file_of_quarters(bundle, tmp_path):
    folder = tmp_path / "prompts"
    folder.mkdir()
    (folder / "7.txt").write_text("a red circle and a blue square " * 4)
    clip = save_clip(tmp_path / "clip")
    out = run(bundle, "--prompts", folder, "--images", "4", "--steps", "1", "--clip", clip,
              "--to", tmp_path / "dpg", "--format", "json")  # fmt: skip
    with Image.open(tmp_path / "dpg/7.png") as image:
        assert image.size == (64, 64)
    names = list(by_name(out))
    assert names[0] == "pictures" and names[1].startswith("CLIP score[clip@")
    assert by_name(out)[names[1]]["n"] == 4


def test_a_design_of_walkbenchs_own_class_is_drawn_without_code_of_the_bundle(tmp_path):
    from search_space.diffusers_bridge.own_config import own_config
    from search_space.diffusers_bridge.walkbench_unet import WalkbenchUNet2DConditionModel

    spec = spec_from_config(
        {"_class_name": "UNet2DConditionModel", "block_out_channels": [8, 16, 16, 16],
         "attention_head_dim": 2, "norm_num_groups": 8, "cross_attention_dim": 8,
         "sample_size": 16}
    )  # fmt: skip
    unet = WalkbenchUNet2DConditionModel.from_config(own_config(spec))
    folder = save_bundle(tmp_path / "own", unet)
    for code in folder.rglob("*.py"):
        code.write_text("raise RuntimeError('this was run')")
    words = ["--prompts", "shapes", "--count", "2", "--steps", "1", "--format", "json"]
    assert by_name(run(folder, *words))["pictures"]["n"] == 2


def test_broken_pictures_are_skipped_and_listed(tmp_path):
    for i in range(3):
        Image.fromarray(np.full((30, 40, 3), 50 * i, np.uint8)).save(tmp_path / f"{i}.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    result = CliRunner().invoke(app, ["evaluate", str(tmp_path), "--real", str(tmp_path)])
    assert result.exit_code == 0
    assert "skipped broken.png: broken picture" in result.stderr
    assert "FID[shapes-small] needs more than 64 pictures" in " ".join(result.stderr.split())


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["nowhere"], "'nowhere' is no folder"),
        (["{bundle}"], "say what it draws with --prompts"),
        (["{bundle}", "--prompts", "nowhere"], "neither a file nor a folder"),
        (["{pictures}", "--to", "x"], "cannot draw into 'x'"),
        (["{pictures}", "--real", "nowhere"], "is not a folder"),
        (["{pictures}", "--real", "shapes", "--space", "shape"], "unknown feature space 'shape'"),
        (["{pictures}", "--space", "shapes-small"], "name real pictures with --real"),
        (["{pictures}", "--inception", "a.pt"], "name real pictures with --real"),
        (["{pictures}", "--real", "shapes", "--inception", "a.pt"], "is no file ending in .pt"),
        (["{pictures}", "--clip", "nowhere"], "CLIP model 'nowhere' cannot be loaded"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(bundle, pictures, words, says):
    filled = [word.format(bundle=bundle, pictures=pictures) for word in words]
    assert says in run(*filled, code=2)


def test_a_folder_that_is_no_empty_one_is_not_drawn_into(bundle, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    says = run(bundle, "--prompts", "shapes", "--count", "1", "--to", tmp_path, code=2)
    assert "is not empty and was not drawn here" in says


def test_an_export_without_a_text_encoder_says_how_to_get_one(tmp_path):
    spec = spec_from_config(
        {"_class_name": "UNet2DConditionModel", "block_out_channels": [8, 16, 16, 16],
         "attention_head_dim": 2, "norm_num_groups": 8, "cross_attention_dim": 8}
    )  # fmt: skip
    export(Exportable(spec), tmp_path / "bundle")
    says = run(tmp_path / "bundle", "--prompts", "shapes", "--count", "1", code=2)
    assert "has no vae, text_encoder, tokenizer, so it cannot draw" in says and "--pipeline" in says


def test_a_bundle_without_its_parts_says_what_it_needs(bundle, tmp_path):
    (tmp_path / "model_index.json").write_text((bundle / "model_index.json").read_text())
    says = run(tmp_path, "--prompts", "shapes", "--count", "1", code=2)
    assert "cannot be opened as a pipeline" in says and "it needs unet" in says
