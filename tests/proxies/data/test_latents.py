import dataclasses
import json

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import save_file

from proxies.checkpoint import restore, save
from proxies.data.cache_index import INDEX, read_index, sha256, write_index
from proxies.data.encoders import Encoder
from proxies.data.latents import load_latents
from proxies.data.listing import list_pictures
from proxies.data.parts import held_out
from proxies.data.pictures import captioned_pictures
from proxies.learning_rate import BASE_WIDTH
from proxies.recipe import Budget
from search_space.errors import WalkbenchError
from search_space.spec import Conditions
from tests.proxies.data.files import fill
from tests.proxies.data.test_cache import VAE, every_second_pixel, make
from tests.proxies.small import made, small_spec


@pytest.fixture
def cached(tmp_path):
    make(tmp_path / "cache", fill(tmp_path / "pictures", 60))
    return tmp_path / "cache"


def trainer(cached, width=16, latent=12):
    parts = load_latents(cached)
    spec = small_spec(conditions=Conditions(pooled_width=64, classes=10))
    return made(spec, (parts.train, parts.validation), width=width, latent=latent)


def test_a_batch_has_the_latents_and_embeddings_of_its_rows(cached, tmp_path):
    parts = load_latents(cached)
    assert (len(parts.train) + len(parts.validation), parts.skipped) == (60, ())
    pictures = list_pictures(tmp_path / "pictures").entries
    keys = [entry.key for entry in pictures if not held_out(entry.key)]
    numbers = torch.tensor([keys.index("041"), keys.index("003"), keys.index("041")])
    x0, text, labels = parts.train.batch(numbers)
    own = captioned_pictures(tmp_path / "pictures", 24).train
    wanted = every_second_pixel(own.images)[numbers].half().float()
    assert torch.equal(x0, wanted) and x0.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(text, torch.full((3, 3, 5), float(len("Picture, number 0!"))))
    assert labels.tolist() == [0, 0, 0]


def test_pictures_are_held_out_as_they_are_without_a_cache(cached, tmp_path):
    parts, own = load_latents(cached), captioned_pictures(tmp_path / "pictures", 24)
    assert (len(parts.train), len(parts.validation)) == (len(own.train), len(own.validation))
    x0 = parts.validation.batch(torch.arange(len(own.validation))).x0
    assert torch.equal(x0, every_second_pixel(own.validation.images).half().float())


def test_a_twin_learns_latents_of_any_number_of_channels_and_reads_their_text(tmp_path):
    pictures, cached = fill(tmp_path / "pictures", 60), tmp_path / "cache"
    for i in range(60):
        Image.new("RGB", (24, 24), (80 * (i % 3),) * 3).save(pictures / f"{i:03}.png")
    five = Encoder("vae", "55", lambda p: every_second_pixel(p).repeat(1, 2, 1, 1)[:, :5])
    make(cached, pictures, vae=five)
    run = trainer(cached)
    assert run.learner.spec.in_channels == run.learner.spec.out_channels == 5
    before = run.learner.words.weight.detach().clone()
    assert run.learner.words.weight.shape == (48, 5)
    run.advance(Budget(steps=30))
    score = run.score()
    assert score.ok and score.value < 0.9 * run.loss_function.start
    assert score.fidelity.data == run.data.name and run.data.name.startswith("latents-")
    assert not torch.equal(run.learner.words.weight, before)


def test_the_learning_rate_of_the_projection_stays_since_its_inputs_do(cached):
    run = trainer(cached, width=2 * BASE_WIDTH)
    multiplier = {n: g.multiplier for g in run.flat.groups for n in g.names}
    assert multiplier["words.weight"] == 1.0
    assert multiplier["pool.weight"] == 0.5


def test_a_run_on_latents_goes_on_to_the_last_bit(cached, tmp_path):
    whole, first, second = (trainer(cached) for _ in range(3))
    whole.advance(Budget(steps=6))
    first.advance(Budget(steps=3))
    save(first, tmp_path / "run")
    restore(second, tmp_path / "run")
    second.advance(Budget(steps=6))
    assert second.score().losses == whole.score().losses


def test_data_is_named_by_its_content(cached, tmp_path):
    name = load_latents(cached).train.name
    make(tmp_path / "again", tmp_path / "pictures")
    other = Encoder("vae", "77", lambda pictures: every_second_pixel(pictures) + 1)
    make(tmp_path / "other", tmp_path / "pictures", vae=other)
    assert load_latents(tmp_path / "again").train.name == name
    assert load_latents(tmp_path / "other").train.name != name


@pytest.mark.parametrize("vae", [VAE.name, VAE.digest, VAE.digest[:12]])
def test_the_vae_that_was_asked_for_is_accepted_by_name_and_digest(cached, vae):
    assert load_latents(cached, vae).train.channels == 3


@pytest.mark.parametrize("vae", ["another", "77", ""])
def test_latents_of_another_vae_are_refused(cached, vae):
    with pytest.raises(WalkbenchError, match=f"of another VAE: 'vae' .* '{vae}' is wanted"):
        load_latents(cached, vae)


def test_a_shard_whose_checksum_fails_is_named_with_what_to_do_and_doing_it_helps(cached, tmp_path):
    shard = cached / "shard-00003.safetensors"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(
        WalkbenchError, match=r"shard-00003.safetensors' is damaged: its checksum .*; remove it and"
    ):
        load_latents(cached)
    shard.unlink()
    with pytest.raises(
        WalkbenchError, match=r"shard-00003.safetensors' is missing; run `walkbench"
    ):
        load_latents(cached)
    make(cached, tmp_path / "pictures")
    assert shard.read_bytes() == whole
    load_latents(cached)


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (
            {"latents": torch.zeros(8, 3, 16, 16)},
            r"latents of the wrong shape: \(8, 3, 16, 16\), and the index says \(8, 3, 12, 12\)",
        ),
        ({"latents": torch.zeros(7, 3, 12, 12)}, r"wrong shape: \(7, 3, 12, 12\)"),
        ({"embeddings": torch.zeros(8, 3, 6)}, r"embeddings of the wrong shape: \(8, 3, 6\)"),
        ({"latents": None}, "cannot be read"),
    ],
)
def test_latents_of_the_wrong_shape_are_refused(cached, harm, message):
    """The checksum is right: the shard was written so, by another program or a fault of ours."""
    path = cached / "shard-00001.safetensors"
    with safe_open(path, framework="pt") as file:
        tensors = {n: file.get_tensor(n).clone() for n in ("latents", "embeddings")} | harm
        metadata = file.metadata()
    save_file({n: t for n, t in tensors.items() if t is not None}, path, metadata=metadata)
    index = read_index(cached)
    shards = index.shards | {1: dataclasses.replace(index.shards[1], sha256=sha256(path))}
    write_index(cached, dataclasses.replace(index, shards=shards))
    with pytest.raises(WalkbenchError, match=message):
        load_latents(cached)


def test_a_twin_of_another_side_than_the_latents_is_refused(cached):
    with pytest.raises(WalkbenchError, match="are 12 wide and the twin 24; use a latent of 12"):
        trainer(cached, latent=24)


def test_an_unfinished_cache_is_refused(cached):
    data = json.loads((cached / INDEX).read_text())
    del data["shards"]["7"]
    (cached / INDEX).write_text(json.dumps(data))
    with pytest.raises(WalkbenchError, match=r"is not finished: 7 of 8 shards .* again"):
        load_latents(cached)


def test_a_cache_with_too_few_pictures_says_so(tmp_path):
    make(tmp_path / "cache", fill(tmp_path / "pictures", 3))
    with pytest.raises(WalkbenchError, match="2 of each are needed"):
        load_latents(tmp_path / "cache")


def test_a_folder_without_a_cache_is_named(tmp_path):
    with pytest.raises(WalkbenchError, match="holds no cache of latents; make one"):
        load_latents(tmp_path)
