import json
import os
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from proxies.bundle_training.logs import read_log
from proxies.train_yaml import FILE, render
from studies.cli.main import app
from studies.export import export
from studies.export_design import Exportable
from tests.proxies.bundle_runs import RECIPE, tiny_pixels


@pytest.fixture
def bundle(tmp_path):
    """An export of the tiny network with a recipe of a few steps."""
    folder, spec = tmp_path / "exported", tiny_pixels()
    export(Exportable(spec), folder)
    (folder / FILE).write_text(render(RECIPE, spec))
    return folder


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def command(*words):
    return [sys.executable, "-m", "studies.cli", *map(str, words)]


def test_a_trained_export_is_a_bundle_that_the_stock_pipeline_draws_with(bundle):
    pytest.importorskip("transformers")
    from proxies.evaluation.pipeline import load_pipeline

    done = invoke("train", bundle, "--data", "shapes", "--format", "json")
    assert done.exit_code == 0, done.output
    row = json.loads(done.stdout)
    assert (row["steps"], row["stopped"], row["skipped"]) == (6, None, [])
    pipeline = load_pipeline(bundle / "training" / "bundle")
    assert type(pipeline).__name__ == "StableDiffusionPipeline"
    pictures = pipeline("a red circle", num_inference_steps=2, output_type="np").images
    assert pictures.shape == (1, 16, 16, 3)
    facts = json.loads((bundle / "training" / "bundle" / "export.json").read_text())
    assert facts["weights"]["kind"] == "checkpoint"


def test_a_trained_bundle_is_trained_further_from_its_own_moments(bundle):
    assert invoke("train", bundle, "--data", "shapes", "--steps", 2).exit_code == 0
    trained = bundle / "training" / "bundle"
    before = json.loads((trained / "unet" / "config.json").read_text())["moments"]
    done = invoke("train", trained, "--data", "digits", "--steps", 2, "--format", "json")
    assert done.exit_code == 0, done.output
    again = json.loads((trained / "training" / "bundle" / "unet" / "config.json").read_text())
    assert again["moments"] == before


def test_broken_pictures_are_listed_by_the_command(bundle, tmp_path):
    from tests.proxies.test_bundle_training import pictures

    folder = pictures(tmp_path / "pictures")
    (folder / "03.png").write_bytes(b"no picture")
    done = invoke("train", bundle, "--data", folder, "--steps", 1, "--format", "json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["skipped"] == [{"path": "03.png", "reason": "broken picture"}]
    assert "skipped 03.png: broken picture" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--data", "nowhere"), "is not a folder, a .tar file"),
        (("--data", "shapes", "--set", "run.step=3"), "unknown key"),
        (("--data", "shapes", "--set", "steps=3"), "section.key"),
        (("--data", "shapes", "--set", "run.batch=many"), "an integer of 1 or more is needed"),
        (("--data", "shapes", "--set", "data.crop=aspect"), "are square"),
    ],
)
def test_bad_usage_says_what_is_allowed(bundle, words, said):
    done = invoke("train", bundle, *words)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())


def test_a_folder_that_is_no_export_is_refused(tmp_path):
    done = invoke("train", tmp_path, "--data", "shapes")
    assert done.exit_code == 2
    assert "walkbench export" in done.stderr


@pytest.mark.slow
@pytest.mark.command
def test_sigterm_saves_ends_with_143_and_the_same_command_goes_on(bundle):
    words = ("train", bundle, "--data", "shapes", "--steps", 100000, "--format", "json")
    log = bundle / "training"
    with subprocess.Popen(command(*words), stdout=subprocess.PIPE, text=True) as process:
        deadline = time.monotonic() + 200
        while not read_log(log) and time.monotonic() < deadline:
            time.sleep(0.2)
        process.send_signal(signal.SIGTERM)
        out, _ = process.communicate(timeout=100)
    row = json.loads(out)
    assert (process.returncode, row["stopped"], row["bundle"]) == (143, "SIGTERM", None)
    kept = sorted(path.name for path in (log / "checkpoints").iterdir())
    assert kept[-1] == f"step-{row['steps']:08}.safetensors"


@pytest.mark.command
@pytest.mark.slow
def test_two_gloo_processes_train_as_one_does(bundle):
    """Equal losses up to rounding: each has half of every batch."""
    words = ("train", bundle, "--data", "shapes", "--format", "json")
    assert invoke(*words, "--to", bundle / "one").exit_code == 0
    launch = ["--cpu", "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no"]
    launch += ["--dynamo_backend", "no", "--main_process_port", "0", "-m", "studies.cli"]
    start = [sys.executable, "-m", "accelerate.commands.launch", *launch]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*start, *map(str, words), "--to", str(bundle / "two")],
        env=environment, stdout=subprocess.PIPE, text=True, check=True, timeout=280,
    )  # fmt: skip
    assert json.loads(done.stdout)["steps"] == 6  # one process prints
    one, two = read_log(bundle / "one"), read_log(bundle / "two")
    assert len(one) == len(two) == 6
    for a, b in zip(one, two, strict=True):
        assert float(b["loss"]) == pytest.approx(float(a["loss"]), rel=1e-4)
    assert float(two[-1]["validation_loss"]) == pytest.approx(
        float(one[-1]["validation_loss"]), rel=1e-3
    )


@pytest.mark.slow
def test_a_design_of_latents_trains_on_a_cache_of_latents_and_embeddings(tmp_path):
    from search_space.spec import Context
    from tests.proxies.data import tiny_models
    from tests.proxies.data.files import fill

    tiny_models.save_vae(tmp_path / "vae")
    tiny_models.save_text_encoder(tmp_path / "clip")
    fill(tmp_path / "pictures", 24)
    sources = ("--images", tmp_path / "pictures", "--vae", tmp_path / "vae")
    sizes = ("--text-encoder", tmp_path / "clip", "--size", 24, "--tokens", 10)
    cached = invoke("data", "cache", tmp_path / "cache", *sources, *sizes)
    assert cached.exit_code == 0, cached.stderr
    folder = tmp_path / "exported"
    spec = tiny_pixels(in_channels=4, out_channels=4, latent_size=12, context=Context(8, 10))
    export(Exportable(spec), folder)
    words = ("--set", "run.batch=4", "--set", "data.validation_images=4", "--steps", 2)
    done = invoke("train", folder, "--data", tmp_path / "cache", *words, "--format", "json")
    assert done.exit_code == 0, done.stderr
    row = json.loads(done.stdout)
    assert row["steps"] == 2
    facts = json.loads((folder / "training" / "bundle" / "export.json").read_text())
    assert facts["weights"]["kind"] == "checkpoint"
