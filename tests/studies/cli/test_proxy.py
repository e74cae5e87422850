import json

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from proxies.score import Score
from studies.cli.main import app
from studies.cli.proxy_progress import TrainingBar
from tests.proxies.data.files import fill, pack
from tests.proxies.small import small_spec


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(small_spec().to_json())
    return str(path)


def invoke(*args):
    return CliRunner().invoke(app, ["proxy", "run", *args])


def test_a_run_prints_its_score_as_json(spec):
    result = invoke(spec, "--steps", "3", "--batch", "4", "--seed", "2", "--format", "json")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    assert data["digest"] == small_spec().digest()
    score = Score.from_dict({k: v for k, v in data.items() if k not in ("spec", "digest")})
    assert (score.fidelity.steps, score.fidelity.seed, score.fidelity.batch) == (3, 2, 4)
    assert score.value < score.start


def test_the_table_names_loss_steps_and_parameters(spec):
    result = invoke(spec, "--steps", "2", "--batch", "4")
    assert result.exit_code == 0
    for word in ("validation loss", "before training", "±", "steps", "parameters of the twin"):
        assert word in result.stdout


@pytest.mark.slow
def test_samples_are_a_grid_of_pictures(spec, tmp_path):
    path = tmp_path / "grid.png"
    result = invoke(spec, "--steps", "2", "--batch", "4", "--samples", str(path))
    assert result.exit_code == 0, result.stderr
    pixels = np.asarray(Image.open(path))
    assert pixels.shape == (3 * (4 * 26 + 2), 3 * (8 * 26 + 2), 3)
    assert len(np.unique(pixels)) > 20


def test_an_interruption_prints_what_was_reached_and_exits_as_interrupted(spec, monkeypatch):
    update = TrainingBar.__call__

    def interrupt(self, state):
        update(self, state)
        if state.step == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(TrainingBar, "__call__", interrupt)
    result = invoke(spec, "--steps", "50", "--batch", "4", "--format", "json")
    assert result.exit_code == 130
    data = json.loads(result.stdout)
    assert data["stopped"] == "interrupted"
    assert data["fidelity"]["steps"] == 2
    assert data["value"] < data["start"]


@pytest.mark.slow
def test_a_second_run_goes_on_from_the_checkpoint(spec, tmp_path):
    path = str(tmp_path / "run")
    for steps in ("2", "5"):
        result = invoke(spec, "--steps", steps, "--checkpoint", path, "--format", "json")
        assert result.exit_code == 0, result.stderr
    whole = invoke(spec, "--steps", "5", "--format", "json")
    assert json.loads(result.stdout)["losses"] == json.loads(whole.stdout)["losses"]
    other = invoke(spec, "--steps", "6", "--seed", "1", "--checkpoint", path)
    assert other.exit_code == 2 and "seed is 0 there and 1 here" in other.stderr.replace("\n", " ")


def test_a_folder_of_pictures_takes_the_place_of_the_shapes(spec, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(60):
        Image.new("RGB", (30, 30), (4 * i, 0, 0)).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text("dark" if i < 30 else "red")
    (folder / "0.txt").unlink()
    result = invoke(spec, "--steps", "2", "--images", str(folder), "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert "skipped 0.png: no caption" in result.stderr
    assert json.loads(result.stdout)["fidelity"]["data"].startswith("pictures-")


def test_shards_of_pictures_are_read_by_pattern_and_what_is_skipped_is_listed(spec, tmp_path):
    folder = fill(tmp_path / "pictures", 60)
    (folder / "007.txt").unlink()
    pack(folder, tmp_path / "s-000.tar", lambda name: name < "030")
    pack(folder, tmp_path / "s-001.tar", lambda name: name >= "030")
    pattern = str(tmp_path / "s-{000..001}.tar")
    result = invoke(spec, "--steps", "2", "--images", pattern, "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert "59 pictures, 1 skipped" in result.stderr
    assert "skipped s-000.tar/007.png: no caption" in result.stderr
    assert json.loads(result.stdout)["fidelity"]["data"].startswith("pictures-")


def test_digits_come_along(spec):
    result = invoke(spec, "--steps", "2", "--data", "digits", "--format", "json")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    assert data["fidelity"]["data"].startswith("digits-") and data["n"] == 184


def test_small_pictures_train_and_are_drawn(spec, tmp_path):
    grid = tmp_path / "grid.png"
    result = invoke(
        spec, "--steps", "2", "--latent", "12", "--samples", str(grid), "--format", "json"
    )
    assert result.exit_code == 0, result.stderr
    fidelity = json.loads(result.stdout)["fidelity"]
    assert (fidelity["latent"], fidelity["data"]) == (12, "shapes")
    with Image.open(grid) as drawn:
        assert drawn.size == (342, 174)  # 8 × 4 pictures of 12 pixels, 2 between, three times


def test_a_run_that_diverges_prints_why_and_exits_with_1(spec):
    result = invoke(spec, "--steps", "40", "--batch", "4", "--learning-rate", "1e5")
    assert result.exit_code == 1
    assert "loss is" in result.stdout


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["sdxll"], "did you mean 'sdxl'"),
        (["sdxl", "--seconds", "0"], "seconds is 0"),
        (["sdxl", "--latent", "30"], "twin rule latent"),
        (["sdxl", "--latent", "4"], "pictures of 4 pixels show nothing; use 8 or more"),
        (["sdxl", "--latent", "12", "--composition"], "12 pixels are too small to read; use 24"),
        (["sdxl", "--latent", "12", "--distances"], "12 pixels are too small to read; use 24"),
        (["sdxl", "--width", "1"], "twin rule channels"),
        (["sdxl", "--batch", "0"], "batch is 0"),
        (["sdxl", "--learning-rate", "-1"], "learning_rate is -1"),
        (["sdxl", "--warm-up", "-1"], "warm_up is -1"),
        (["sdxl", "--beta2", "1"], "beta2 is 1"),
        (["sdxl", "--samples", "grid.gif"], "not a .png"),
        (["sdxl", "--samples", "grid.png", "--latents", "."], "--samples draws pictures"),
        (["sdxl", "--composition", "--data", "digits"], "--composition draws shapes"),
        (["sdxl", "--data", "digit"], "did you mean 'digits'"),
        (["sdxl", "--data", "digits", "--latent", "4"], "digits of 4 pixels"),
        (["sdxl", "--data", "digits", "--images", "."], "data and images both name data"),
        (["sdxl", "--vae", "mine"], "give latents too"),
        (["sdxl", "--images", "s-{000000..000001}.tar"], "s-000000.tar' does not exist"),
        (["sdxl", "--images", "nowhere"], "is not a folder"),
        (["sdxl", "--samples", "nowhere/grid.png"], "does not exist"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(args, message):
    result = invoke(*args)
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and message in lines[0]


def test_a_run_says_its_precision_and_trains_in_the_one_asked_for(spec):
    given = (spec, "--steps", "1", "--batch", "2", "--precision", "bfloat16", "--accumulate")
    result = invoke(*given, "--format", "json")
    assert result.exit_code == 0, result.stderr
    fidelity = json.loads(result.stdout)["fidelity"]
    assert (fidelity["precision"], fidelity["device"]) == ("bfloat16", "cpu")
    assert fidelity["compiled"] is False


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--device", "tpu"), "device 'tpu' is unknown"),
        (("--precision", "half"), "unknown precision 'half'"),
        (("--precision", "tf32"), "device 'cpu' does not train in tf32"),
    ],
)
def test_a_device_or_precision_that_is_none_is_one_line(spec, given, said):
    result = invoke(spec, "--steps", "1", *given)
    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split()) and "Traceback" not in result.stderr
