import errno

import numpy as np
import pytest
import torch
from PIL import Image

from proxies.bundle_training import checkpoints, pixels, words
from proxies.bundle_training.data import Crops, load
from proxies.bundle_training.draws import Draws
from proxies.bundle_training.grids import Grids
from proxies.bundle_training.logs import read_log
from proxies.threads import cpu_threads
from proxies.validation import validation_losses
from search_space.errors import WalkbenchError
from tests.proxies.bundle_runs import RECIPE, alone, tiny_pixels, trainer_in


@pytest.fixture(autouse=True)
def one_thread():
    with cpu_threads(1):
        yield


def losses(folder):
    return [(row["step"], row["loss"], row["validation_loss"]) for row in read_log(folder)]


def pictures(folder, count=40, size=(40, 24)):
    folder.mkdir(exist_ok=True)
    for i in range(count):
        Image.new("RGB", size, (6 * i, 0, 0)).save(folder / f"{i:02}.png")
        (folder / f"{i:02}.txt").write_text("a dark picture")
    return folder


def test_a_stopped_run_goes_on_to_the_same_curve_to_the_last_digit(tmp_path):
    trainer_in(tmp_path / "whole").train()
    stopped = trainer_in(tmp_path / "parts", stop=iter([False, False, True]).__next__)
    stopped.train()
    assert stopped.step == 3 and stopped.stopped
    again = trainer_in(tmp_path / "parts")
    assert again.step == 3
    again.train()
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    assert len(losses(tmp_path / "whole")) == 6


def test_a_run_killed_between_checkpoints_writes_its_log_again(tmp_path):
    class Killed(Exception):
        pass

    def kill(trainer):
        if trainer.step == 5:
            raise Killed

    trainer_in(tmp_path / "whole").train()
    with pytest.raises(Killed):
        trainer_in(tmp_path / "killed", watchers=[kill]).train()
    again = trainer_in(tmp_path / "killed")
    assert again.step == 4
    again.train()
    assert losses(tmp_path / "killed") == losses(tmp_path / "whole")


def test_training_lowers_the_validation_loss(tmp_path):
    trainer = trainer_in(tmp_path, config={"run.steps": 30, "optimizer.name": "muon"})
    before = trainer.validate()["validation_loss"]
    trainer.train()
    assert trainer.validation_loss < 0.95 * before


def test_two_processes_draw_the_halves_of_what_one_draws():
    data = load("shapes", tiny_pixels(), RECIPE.data)
    empty = torch.zeros(12, dtype=torch.long)
    whole = Draws(data, RECIPE, empty)(3)
    halves = [Draws(data, RECIPE, empty, rank=rank, processes=2)(3) for rank in (0, 1)]
    for name in ("x0", "noise", "t", "text"):
        joined = torch.cat([getattr(half, name) for half in halves])
        assert torch.equal(joined, getattr(whole, name))


def test_parts_of_a_batch_and_recomputed_activations_give_the_same_losses(tmp_path):
    trainer_in(tmp_path / "whole").train()
    sparing = {"run.accumulate": 2, "compute.gradient_checkpointing": True}
    trainer_in(tmp_path / "sparing", config=sparing).train()
    pairs = zip(losses(tmp_path / "whole"), losses(tmp_path / "sparing"), strict=True)
    for (_, one, _), (_, other, _) in pairs:
        assert float(one) == pytest.approx(float(other), rel=1e-4)


def test_guidance_leaves_its_share_of_captions_empty():
    data, empty = load("shapes", tiny_pixels(), RECIPE.data), torch.zeros(12, dtype=torch.long)
    for share in (0.0, 0.3):
        draws = Draws(data, RECIPE.but({"conditions.dropout": share}), empty)
        texts = torch.cat([draws(step).text for step in range(100)])
        assert (texts == 0).all(dim=1).float().mean() == pytest.approx(share, abs=0.07)


def test_times_move_towards_noise_by_the_shift():
    data, empty = load("shapes", tiny_pixels(), RECIPE.data), torch.zeros(12, dtype=torch.long)
    plain = Draws(data, RECIPE, empty)(0).t
    moved = Draws(data, RECIPE.but({"flow.shift": 3.0}), empty)(0).t
    assert torch.allclose(moved, 3 * plain / (1 + 2 * plain))


def test_a_damaged_checkpoint_is_named_with_the_one_before(tmp_path):
    trainer_in(tmp_path).train()
    older, newest = sorted((tmp_path / "checkpoints").iterdir())
    content = bytearray(newest.read_bytes())
    content[-5] ^= 1
    newest.write_bytes(content)
    with pytest.raises(WalkbenchError, match=rf"{newest.name}.*checksum.*{older.name}.*step 4"):
        trainer_in(tmp_path)
    newest.write_bytes(content[:100])
    with pytest.raises(WalkbenchError, match=rf"{newest.name}.*damaged.*{older.name}"):
        trainer_in(tmp_path)
    newest.unlink()
    assert trainer_in(tmp_path).step == 4


def test_a_full_disk_keeps_the_checkpoint_before(tmp_path, monkeypatch):
    def full(tensors, path, metadata):
        path.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    def fill(trainer):
        if trainer.step == 4:
            monkeypatch.setattr(checkpoints, "save_file", full)

    with pytest.raises(WalkbenchError, match=r"step-00000004.*No space.*step-00000002.*is kept"):
        trainer_in(tmp_path, watchers=[fill]).train()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == [
        "step-00000002.safetensors"
    ]
    monkeypatch.undo()
    assert trainer_in(tmp_path).step == 2


def test_a_run_of_other_settings_is_refused_by_name(tmp_path):
    trainer_in(tmp_path).train()
    with pytest.raises(WalkbenchError, match=r"optimizer.clip is 1.0 there and 2.0 here"):
        trainer_in(tmp_path, config={"optimizer.clip": 2.0})


def test_a_loss_that_is_no_number_ends_the_run_and_names_the_checkpoint(tmp_path):
    def poison(trainer):
        if trainer.step == 3:
            trainer.take.flat.weights[0].data.fill_(float("nan"))

    with pytest.raises(WalkbenchError, match=r"nan at step 4.*step-00000002.*learning_rate"):
        trainer_in(tmp_path, watchers=[poison]).train()


def test_a_batch_that_processes_cannot_share_is_refused(tmp_path):
    with pytest.raises(WalkbenchError, match="use a multiple of 3"):
        trainer_in(tmp_path, processes=alone(count=3))


def test_broken_pictures_and_missing_captions_are_skipped_and_listed(tmp_path):
    folder = pictures(tmp_path / "pictures")
    (folder / "00.png").write_bytes(b"no picture")
    (folder / "01.txt").unlink()
    data = load(str(folder), tiny_pixels(), RECIPE.data)
    assert {(one.path, one.reason) for one in data.skipped} == {
        ("00.png", "broken picture"),
        ("01.png", "no caption"),
    }
    assert len(data.train) + len(data.validation) == 38
    assert data.book == ("<pad>", "<unk>", "a", "dark", "picture")


def test_pictures_without_any_caption_are_an_error_that_says_what_is_needed(tmp_path):
    folder = pictures(tmp_path / "pictures")
    for caption in folder.glob("*.txt"):
        caption.unlink()
    with pytest.raises(WalkbenchError, match=r"no caption"):
        load(str(folder), tiny_pixels(), RECIPE.data)


def test_pictures_for_a_design_of_latents_name_the_command_that_encodes_them(tmp_path):
    spec = tiny_pixels(in_channels=4, out_channels=4)
    with pytest.raises(WalkbenchError, match="walkbench data cache"):
        load(str(pictures(tmp_path / "pictures")), spec, RECIPE.data)


def test_aspect_crops_keep_shapes_and_batches_have_one_shape(tmp_path):
    folder = pictures(tmp_path / "pictures", 30, size=(64, 32))
    for i in range(30, 60):
        Image.new("RGB", (32, 32)).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text("a square")
    config = {"data.crop": "aspect"}
    trainer = trainer_in(tmp_path / "run", data=str(folder), config=config)
    assert {picture.shape[:2] for picture in trainer.task.data.train.pictures} == {
        (12, 22),
        (16, 16),
    }
    assert {tuple(trainer.task.draw(step).x0.shape[2:]) for step in range(12)} == {
        (12, 22),
        (16, 16),
    }
    trainer.train()
    assert np.isfinite(trainer.loss)


@pytest.mark.parametrize("size", [(640, 480), (100, 900), (37, 37)])
def test_sides_of_aspect_crops_are_multiples_of_what_the_network_halves(size):
    width, height = Crops(64, 8)(*size)
    assert width % 8 == height % 8 == 0
    assert 0.7 * 64**2 < width * height < 1.35 * 64**2


def test_grids_are_drawn_on_the_way_and_leave_the_training_as_it_is(tmp_path):
    trainer_in(tmp_path / "plain").train()
    config = {"run.sample_every": 3, "run.samples": 4, "run.sample_steps": 2}
    watchers = [Grids(tmp_path / "grids")]
    trainer_in(tmp_path / "drawn", config=config, watchers=watchers).train()
    assert losses(tmp_path / "drawn") == losses(tmp_path / "plain")
    names = sorted(path.name for path in (tmp_path / "grids").iterdir())
    assert names == ["step-00000003.png", "step-00000006.png"]


def test_what_validates_is_the_average_of_the_weights(tmp_path):
    trainer = trainer_in(tmp_path)
    trainer.train()
    state = trainer.averages()
    trainer.learner.load_state_dict(state)
    found = validation_losses(trainer.learner, trainer.task.validation)
    assert sum(found) / len(found) == pytest.approx(trainer.validation_loss, rel=1e-6)


def test_the_autoencoder_of_pixels_changes_nothing_that_a_byte_shows(tmp_path):
    diffusers = pytest.importorskip("diffusers")
    pixels.save(tmp_path / "vae")
    vae = diffusers.AutoencoderKL.from_pretrained(tmp_path / "vae")
    x = torch.rand(2, 3, 16, 24, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        latents = vae.encode(x).latent_dist.sample()
        again = vae.decode(latents / vae.config.scaling_factor, return_dict=False)[0]
    assert (latents - x).abs().max() < 1e-3
    assert (again - x).abs().max() < 1e-3  # a level of a byte is 8e-3


def test_stock_tokenizer_and_clip_read_captions_as_training_does(tmp_path):
    transformers = pytest.importorskip("transformers")
    book = words.vocabulary(["a red circle left of a blue square", "two crosses, above"])
    table = words.WordTable(len(book), 12, 16)
    words.save_encoder(tmp_path / "text_encoder", table.state_dict())
    words.save_tokenizer(tmp_path / "tokenizer", book, 12)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "tokenizer")
    encoder = transformers.CLIPTextModel.from_pretrained(tmp_path / "text_encoder")
    asked = ["A red cross, left of two unknowables!", "", "a " * 30]
    read = tokenizer(
        asked, padding="max_length", max_length=tokenizer.model_max_length, truncation=True,
        return_tensors="pt",
    )  # fmt: skip
    assert read.input_ids.tolist() == words.encode_all(asked, book, 12)
    with torch.no_grad():
        given, ours = encoder(read.input_ids)[0], table(read.input_ids)
    assert torch.allclose(given, ours, atol=1e-5)
