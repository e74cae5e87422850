"""`walkbench spec`: list, show, diff, import, and one line for every mistake."""

import csv
import io
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from search_space.presets import all_named, named_networks, named_spec
from search_space.spec import UNetSpec
from studies.cli.main import app

PUBLISHED = Path(__file__).parents[2] / "search_space" / "diffusers_bridge" / "published"


def run(*words, code=0):
    result = CliRunner().invoke(app, ["spec", *words])
    assert result.exit_code == code, result.output
    return result.stdout if code == 0 else " ".join(result.stderr.split())


def test_list_has_every_named_spec_with_its_exact_parameters():
    rows = {row["spec"]: row for row in json.loads(run("list", "--format", "json"))}
    assert list(rows) == list(named_networks())
    assert rows["sdxl"]["params"] == 2_567_463_684
    assert "2,567,463,684" in run("list")


@pytest.mark.parametrize("name", all_named())
def test_show_prints_the_spec_that_reads_back(name):
    assert UNetSpec.from_json(run("show", name, "--format", "json")) == named_spec(name)


def test_show_as_a_table_has_a_line_per_stage_and_direction():
    text = run("show", "F/early-condition")
    assert "[1] [1]" in text  # transformers in the place of resblocks
    assert "separable, 2 × out" in text
    assert text.count(" down ") == text.count(" up ") == 3


def test_diff_lists_the_fields_that_differ():
    found = json.loads(run("diff", "F/mqa", "F/ffn-3", "--format", "json"))
    assert found == [
        {"field": f"stages[{i}].kv_heads", "F/mqa": 1, "F/ffn-3": heads}
        for i, heads in ((1, 8), (2, 14))
    ]
    rows = list(csv.DictReader(io.StringIO(run("diff", "sd15", "sd21", "--format", "csv"))))
    assert ("context.width", "768", "1024") in [tuple(row.values()) for row in rows]


def test_diff_of_a_spec_with_itself_is_empty():
    assert json.loads(run("diff", "sdxl", "sdxl", "--format", "json")) == []
    assert run("diff", "sdxl", "sdxl") == ""


def test_import_writes_the_spec_to_stdout():
    assert UNetSpec.from_json(run("import", str(PUBLISHED / "sdxl.json"))) == named_spec("sdxl")


def test_import_takes_a_folder_and_writes_a_file(tmp_path):
    (tmp_path / "unet").mkdir()
    config = (PUBLISHED / "dreamlite.json").read_text()
    (tmp_path / "unet" / "config.json").write_text(config)
    to = tmp_path / "spec.json"
    assert run("import", str(tmp_path), "--to", str(to), "--tokens", "77") == ""
    assert UNetSpec.from_json(to.read_text()) == named_spec("dreamlite")


def test_import_takes_what_a_config_does_not_say():
    given = (str(PUBLISHED / "sdxl.json"), "--tokens", "20", "--latent", "64", "--size-ids", "3")
    spec = UNetSpec.from_json(run("import", *given))
    assert (spec.context.tokens, spec.latent_size, spec.conditions.size_ids) == (20, 64, 3)


def test_import_names_every_field_that_has_no_place_in_a_spec(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"_class_name": "UNet2DConditionModel", "freq_shift": 1, "conv_in_kernel": 5}')
    message = run("import", str(path), code=2)
    assert "freq_shift is 1 (allowed: 0); conv_in_kernel is 5 (allowed: 3)" in message
    assert "only_cross_attention is" in run("import", str(PUBLISHED / "x4_upscaler.json"), code=2)


def test_mistakes_are_one_line_with_exit_code_2(tmp_path):
    assert "No such file" in run("import", str(tmp_path / "nowhere.json"), code=2)
    assert "config.json': No such file" in run("import", str(tmp_path), code=2)
    (tmp_path / "config.json").write_text("{")
    assert "is not JSON" in run("import", str(tmp_path), code=2)
    (tmp_path / "config.json").write_text("[]")
    assert "a config is a JSON object" in run("import", str(tmp_path), code=2)
    to = str(tmp_path / "config.json" / "spec.json")  # below a file
    assert "cannot write" in run("import", str(PUBLISHED / "sdxl.json"), "--to", to, code=2)
    assert "did you mean 'sdxl'" in run("show", "sdxll", code=2)
    assert "did you mean 'sd21'" in run("diff", "sd15", "sd22", code=2)


def test_draw_writes_a_drawing_with_its_differences_framed(tmp_path):
    to = tmp_path / "mqa.svg"
    run("draw", "F/mqa", "--against", "F/ffn-3", "--to", str(to))
    picture = to.read_text()
    assert picture.startswith("<svg") and picture.count('class="differs"') == 11
    assert "framed: differs from F/ffn-3" in picture


def test_a_drawing_is_an_svg_of_a_spec_that_exists(tmp_path):
    assert "does not end in .svg" in run("draw", "sdxl", "--to", str(tmp_path / "a.png"), code=2)
    said = run("draw", "F/mqb", "--to", str(tmp_path / "a.svg"), code=2)
    assert "did you mean 'F/mqa'" in said
    said = run("draw", "sdxl", "--to", "/proc/nowhere/a.svg", code=2)
    assert "cannot write" in said
    assert list(tmp_path.iterdir()) == []
