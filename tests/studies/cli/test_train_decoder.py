"""`walkbench train` and `walkbench evaluate` of a decoder's export."""

import csv
import json

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from proxies.bundle_training.logs import read_log
from proxies.bundle_training.processes import Processes
from proxies.threads import cpu_threads
from proxies.train_yaml import FILE, parse, read
from search_space.decoder import DecoderMid, DecoderSpec, DecoderStage
from search_space.diffusers_bridge import decoder_from_config
from search_space.errors import WalkbenchError
from search_space.exported_decoder import load_decoder_export
from studies.bundle_training import prepare
from studies.cli.main import app
from studies.export_decoder import export_decoder
from tests.proxies.data.tiny_models import save_vae

STAGES = tuple(DecoderStage(channels, 1, norms=1) for channels in (8, 16))
DECODER = DecoderSpec(
    STAGES, DecoderMid(1, False), reduction="upsampler", latent_size=16, norm_groups=4
)
SMALL = {
    "data.picture": 16,
    "data.train_images": 32,
    "data.validation_images": 8,
    "optimizer.warm_up": 2,
    "optimizer.learning_rate": 5e-3,
    "run.steps": 6,
    "run.batch": 4,
    "run.log_every": 1,
    "run.validate_every": 3,
    "run.sample_every": 3,
    "run.samples": 4,
    "run.checkpoint_every": 2,
}
WORDS = [word for key, value in SMALL.items() for word in ("--set", f"{key}={value}")]


@pytest.fixture(autouse=True)
def one_thread():
    with cpu_threads(1):
        yield


@pytest.fixture
def exported(tmp_path):
    return export_decoder(DECODER, tmp_path / "exported").folder


def invoke(*words):
    return CliRunner().invoke(app, [str(word) for word in words])


def losses(folder):
    return [(row["step"], row["loss"], row["psnr"], row["ssim"]) for row in read_log(folder)]


def trainer_in(exported, run, data="shapes", processes=None, stop=lambda: False, **changes):
    config = read(exported / FILE).but({**SMALL, **changes})
    found = processes or Processes(None, 0, 1, "cpu")
    return prepare(exported, data, run, config, found, stop=stop)


def test_a_decoder_trains_is_exported_with_its_encoder_and_evaluates_as_it_validated(exported):
    done = invoke("train", exported, "--data", "shapes", *WORDS, "--format", "json")
    assert done.exit_code == 0, done.output
    row = json.loads(done.stdout)
    run, bundle = exported / "training", exported / "training" / "bundle"
    rows = list(csv.DictReader((run / "log.csv").open()))
    assert float(rows[5]["validation_loss"]) < float(rows[2]["validation_loss"])
    assert row["psnr"] == float(rows[5]["psnr"]) and 0 < row["ssim"] < 1
    grid = np.asarray(Image.open(run / "samples" / "step-00000006.png"))
    assert grid.shape == (18 * 6 + 12, 8 * 18 * 6 + 12, 3)  # 4 pairs of 16 pixels, 6 times as wide
    words = ("--real", "shapes", "--count", 8, "--format", "json")
    found = invoke("evaluate", bundle, *words, "--to", run / "made")
    assert found.exit_code == 0, found.output
    figures = {one["metric"]: one for one in json.loads(found.stdout)}
    assert figures["PSNR"]["value"] == pytest.approx(row["psnr"], abs=1e-3)
    assert figures["SSIM"]["value"] == pytest.approx(row["ssim"], abs=1e-4)
    assert len(list((run / "made").iterdir())) == figures["PSNR"]["n"] == 8
    again = invoke("train", bundle, "--data", "digits", *WORDS, "--steps", 2, "--format", "json")
    assert again.exit_code == 0, again.output  # from the latents that it knows


def test_a_stopped_run_goes_on_to_the_same_curve_to_the_last_digit(exported, tmp_path):
    judged = {"reconstruction.discriminator": 0.1}
    trainer_in(exported, tmp_path / "whole", **judged).trainer.train()
    stop = iter([False, False, True]).__next__
    trainer_in(exported, tmp_path / "parts", stop=stop, **judged).trainer.train()
    again = trainer_in(exported, tmp_path / "parts", **judged).trainer
    assert again.step == 3
    again.train()
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")


def test_parts_of_a_batch_and_recomputed_activations_give_the_same_losses(exported, tmp_path):
    trainer_in(exported, tmp_path / "whole").trainer.train()
    sparing = {"run.accumulate": 2, "compute.gradient_checkpointing": True}
    trainer_in(exported, tmp_path / "sparing", **sparing).trainer.train()
    pairs = zip(losses(tmp_path / "whole"), losses(tmp_path / "sparing"), strict=True)
    for (_, one, *_), (_, other, *_) in pairs:
        assert float(one) == pytest.approx(float(other), rel=1e-4)


def test_two_processes_draw_the_halves_of_what_one_draws(exported, tmp_path):
    whole = trainer_in(exported, tmp_path / "one").trainer.task.draw(3)
    halves = [
        trainer_in(
            exported, tmp_path / str(rank), processes=Processes(None, rank, 2, "cpu")
        ).trainer.task.draw(3)
        for rank in (0, 1)
    ]
    for name in ("x0", "latents"):
        joined = torch.cat([getattr(half, name) for half in halves])
        assert torch.equal(joined, getattr(whole, name))


def test_pictures_of_a_folder_need_no_captions(exported, tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(40):
        Image.new("RGB", (40, 24), (6 * i, 0, 0)).save(folder / f"{i:02}.png")
    (folder / "03.png").write_bytes(b"no picture")
    run = trainer_in(exported, tmp_path / "run", data=str(folder))
    assert [(one.path, one.reason) for one in run.skipped] == [("03.png", "broken picture")]
    assert run.trainer.task.pictures + len(run.trainer.task.parts.validation) == 39
    run.trainer.train()
    run.write(tmp_path / "bundle")
    found = invoke("evaluate", tmp_path / "bundle", "--real", folder, "--format", "json")
    assert found.exit_code == 0, found.output
    assert json.loads(found.stdout)[0]["value"] == 39


def test_the_result_keeps_its_spec_and_the_discriminator_is_no_part_of_it(exported, tmp_path):
    run = trainer_in(exported, tmp_path / "run", **{"reconstruction.discriminator": 0.1})
    run.trainer.train()
    run.write(tmp_path / "bundle")
    network = load_decoder_export(tmp_path / "bundle")
    assert network.network == DECODER
    averages = run.trainer.averages()
    for name, value in network.state_dict().items():
        assert torch.equal(value, averages[f"decoder.{name}"])


def test_a_recipe_that_does_not_fit_the_decoder_says_what_does(exported, tmp_path):
    text = (exported / FILE).read_text()
    assert "kind: decoder" in text and "flow:" not in text
    assert parse(text) == read(exported / FILE)
    with pytest.raises(WalkbenchError, match="unknown kind of network in train"):
        parse(text.replace("kind: decoder", "kind: vae"))
    (exported / FILE).write_text("format: 1\n")
    done = invoke("train", exported, "--data", "shapes")
    assert done.exit_code == 2 and "holds a network of kind decoder" in " ".join(
        done.output.split()
    )


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--set", "data.picture=17"), "use a multiple of 2"),
        (("--set", "flow.shift=2"), "has no section 'flow'; it has data, reconstruction"),
        (
            ("--set", "reconstruction.edges=-1"),
            "reconstruction.edges is -1.0; a number of 0 or more",
        ),
        (("--set", "reconstruction.encoder=nowhere"), "nowhere"),
        (("--set", "run.sample_steps=3"), "unknown key"),
    ],
)
def test_bad_usage_of_train_says_what_is_allowed(exported, words, said):
    done = invoke("train", exported, "--data", "shapes", *WORDS, *words)
    assert done.exit_code == 2, done.output
    assert said in " ".join(done.stderr.split())


def test_bad_usage_of_evaluate_says_what_is_needed(exported):
    for words, said in (
        ((), "name the pictures that it reconstructs with --real"),
        (("--real", "shapes"), "has a decoder without its encoder; name a VAE with --encoder"),
        (("--real", "shapes", "--prompts", "shapes"), "leave --prompts out"),
        (("--real", "shapes", "--size", "17"), "use a multiple of 2"),
    ):
        done = invoke("evaluate", exported, *words)
        assert done.exit_code == 2 and said in " ".join(done.stderr.split()), done.output


@pytest.fixture
def vae(tmp_path):
    pytest.importorskip("diffusers")
    changes = {"block_out_channels": (8, 16), "sample_size": 16, "shift_factor": None}
    return save_vae(tmp_path / "vae", **changes)


def test_the_encoder_in_the_export_is_the_one_it_trains_and_is_evaluated_with(vae, tmp_path):
    diffusers = pytest.importorskip("diffusers")
    spec = decoder_from_config(json.loads((vae / "config.json").read_text()))
    exported = export_decoder(spec, tmp_path / "exported", vae=vae).folder
    cache = {"reconstruction.cache": str(tmp_path / "latents")}
    run = trainer_in(exported, tmp_path / "run", **cache)
    (kept,) = (tmp_path / "latents").iterdir()
    run.trainer.train()
    run.write(tmp_path / "bundle")
    before, after = (
        diffusers.AutoencoderKL.from_pretrained(folder)
        for folder in (vae, tmp_path / "bundle" / "vae")
    )
    for name, value in before.state_dict().items():
        is_same = name.startswith(("encoder.", "quant_conv."))
        assert torch.equal(value, after.state_dict()[name]) == is_same, name
    words = ("--real", "shapes", "--count", 8, "--format", "json")
    found = invoke("evaluate", tmp_path / "bundle", *words)
    figures = {one["metric"]: one["value"] for one in json.loads(found.stdout)}
    assert figures["PSNR"] == pytest.approx(run.trainer.validated["psnr"], abs=1e-3)
    stamp = kept.stat().st_mtime_ns
    trainer_in(exported, tmp_path / "again", **cache)
    assert kept.stat().st_mtime_ns == stamp  # latents are not encoded twice


def test_trained_weights_without_their_encoder_are_refused_until_it_is_named(vae, tmp_path):
    spec = decoder_from_config(json.loads((vae / "config.json").read_text()))
    weights = {"kind": "checkpoint", "file": "one.safetensors", "sha256": "0"}
    exported = export_decoder(spec, tmp_path / "exported", weights=weights).folder
    with pytest.raises(WalkbenchError, match="name its VAE: --set reconstruction"):
        trainer_in(exported, tmp_path / "run")
    named = {"reconstruction.encoder": str(vae)}
    assert trainer_in(exported, tmp_path / "run", **named).trainer.step == 0
