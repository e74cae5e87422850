import json
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from PIL import Image

from proxies.data import cache
from proxies.data.cache import make_cache
from proxies.data.cache_index import read_index
from proxies.data.encoders import Encoder
from proxies.data.entries import Skipped
from proxies.data.listing import list_pictures
from search_space.errors import WalkbenchError
from search_space.lock import exclusive
from tests.proxies.data.files import fill, pack

SLOW = """
import sys, time
from pathlib import Path
from proxies.data.cache import make_cache
from proxies.data.listing import list_pictures
from tests.proxies.data.test_cache import TEXT, VAE

def slowly(state):
    time.sleep(0.02)

folder, pictures = Path(sys.argv[1]), list_pictures(sys.argv[2])
make_cache(folder, pictures, VAE, TEXT, size=24, batch=2, shard=8, progress=slowly)
"""


def every_second_pixel(pictures):
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)[:, :, ::2, ::2].float() / 255


def letters(captions):
    return torch.stack([torch.full((3, 5), float(len(caption))) for caption in captions])


def cropped(pictures):
    return every_second_pixel(pictures)[..., :12, :12]


VAE = Encoder("vae", "0f" * 32, every_second_pixel)
TEXT = Encoder("text", "a1" * 32, letters)


def make(folder, pictures, **options):
    options = {"vae": VAE, "text": TEXT, "size": 24, "batch": 2, "shard": 8, **options}
    return make_cache(folder, list_pictures(pictures), **options)


def content(folder):
    """The bytes of every file but what says when and where it was made."""
    found = {file.name: file.read_bytes() for file in folder.iterdir()}
    index = json.loads(found.pop("index.json"))
    return found, {key: value for key, value in index.items() if key != "provenance"}


@pytest.fixture
def pictures(tmp_path):
    return fill(tmp_path / "pictures", 30)


def test_the_index_says_how_it_was_made_and_what_was_skipped(pictures, tmp_path):
    (pictures / "001.txt").unlink()
    (pictures / "009.png").write_bytes(b"not a picture")
    (pictures / "no.tar").write_bytes(b"nor a tar")
    index = make(tmp_path / "out", pictures)
    data = json.loads((tmp_path / "out" / "index.json").read_text())
    assert (data["count"], data["finished"], data["latent_shape"]) == (28, True, [3, 12, 12])
    settings = data["settings"]
    assert (settings["vae"], settings["vae_digest"]) == ("vae", "0f" * 32)
    assert (settings["tokens"], settings["text_width"], settings["dtype"]) == (3, 5, "float16")
    assert [shard["count"] for shard in data["shards"].values()] == [7, 7, 8, 6]
    assert data["provenance"]["versions"]["diffusers"]
    assert index.skipped[0].path == "no.tar"
    assert index.skipped[1:] == (
        Skipped("001.png", "no caption"),
        Skipped("009.png", "broken picture"),
    )
    assert read_index(tmp_path / "out") == index


def test_a_killed_run_goes_on_at_the_next_shard_and_ends_like_one_that_was_not(pictures, tmp_path):
    out, whole = tmp_path / "out", tmp_path / "whole"
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(out), str(pictures)])
    while process.poll() is None and not (out / "shard-00001.safetensors").exists():
        time.sleep(0.005)
    process.kill()  # SIGKILL: nothing is tidied up
    assert process.wait() != 0, "the run ended before it was killed"
    before = {file.name: file.stat().st_mtime_ns for file in out.glob("*.safetensors")}
    done = read_index(out).shards
    assert 1 <= len(done) < 4
    make(out, pictures)
    make(whole, pictures)
    assert content(out) == content(whole)
    kept = [out / shard.file for shard in done.values()]
    assert all(file.stat().st_mtime_ns == before[file.name] for file in kept)


def test_an_interruption_keeps_every_finished_shard(pictures, tmp_path):
    def interrupt(state):
        if state.done == 20:  # in the middle of the third shard
            raise KeyboardInterrupt

    out = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        make(out, pictures, progress=interrupt)
    assert sorted(read_index(out).shards) == [0, 1]
    assert not list(out.glob("*.partial"))
    make(out, pictures)
    make(tmp_path / "whole", pictures)
    assert content(out) == content(tmp_path / "whole")


@pytest.mark.parametrize("harm", ["remove", "damage", "cut"])
def test_a_shard_that_was_removed_or_damaged_is_remade_alone(pictures, tmp_path, harm):
    out = tmp_path / "out"
    make(out, pictures)
    shard = out / "shard-00002.safetensors"
    whole, others = shard.read_bytes(), sorted(set(out.glob("*.safetensors")) - {shard})
    times = [file.stat().st_mtime_ns for file in others]
    if harm == "remove":
        shard.unlink()
    else:
        shard.write_bytes(whole[:-1] + (b"" if harm == "cut" else bytes([whole[-1] ^ 1])))
    remarks, steps = [], []
    make(out, pictures, progress=lambda s: (remarks.append(s.remark), steps.append(s.done)))
    assert shard.read_bytes() == whole
    assert [file.stat().st_mtime_ns for file in others] == times
    what = "missing" if harm == "remove" else "damaged"
    said = [remark for remark in remarks if remark]
    assert said == [f"shard-00002.safetensors is {what}: making it again"]
    assert steps == [0, 8, 16, 18, 20, 22, 24, 24, 30]


def test_pictures_in_tars_give_the_latents_of_pictures_in_a_folder(pictures, tmp_path):
    pack(pictures, tmp_path / "s-0.tar", lambda name: name < "015")
    pack(pictures, tmp_path / "s-1.tar", lambda name: name >= "015")
    make(tmp_path / "a", pictures)
    make(tmp_path / "b", tmp_path / "s-{0..1}.tar")
    assert content(tmp_path / "a")[0] == content(tmp_path / "b")[0]


def test_values_that_are_not_finite_are_skipped_and_listed(tmp_path):
    pictures = fill(tmp_path / "pictures", 10)
    Image.fromarray(np.full((24, 24, 3), 255, dtype=np.uint8)).save(pictures / "003.png")
    huge = Encoder("vae", "0f", lambda p: every_second_pixel(p).floor() * 1e6)  # white overflows
    index = make(tmp_path / "out", pictures, vae=huge)
    assert Skipped("003.png", "not finite as float16 when encoded") in index.skipped
    assert index.count == 10 - len(index.skipped)
    as_wide = make(tmp_path / "wide", pictures, vae=huge, dtype="float32")
    assert (as_wide.count, as_wide.skipped) == (10, ())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (
            {"vae": Encoder("other", "77", every_second_pixel)},
            "vae_digest is '0f0f.* and '77' here",
        ),
        ({"text": Encoder("other", "77", letters)}, "text_encoder_digest is"),
        ({"size": 32}, r"side is 12 there and 16 here"),
        ({"shard": 4}, "shard is 8 there and 4 here"),
        ({"dtype": "float32"}, "dtype is 'float16' there and 'float32' here"),
    ],
)
def test_a_cache_of_other_settings_is_refused(pictures, tmp_path, options, named):
    out = tmp_path / "out"
    make(out, pictures)
    before = content(out)
    with pytest.raises(WalkbenchError, match=f"was made otherwise: {named}"):
        make(out, pictures, **options)
    assert content(out) == before


def test_another_name_of_the_same_networks_goes_on(pictures, tmp_path):
    make(tmp_path, pictures, vae=Encoder("./vae", VAE.digest, VAE.encode))
    make(tmp_path, pictures)


def test_pictures_that_changed_since_are_refused(pictures, tmp_path):
    make(tmp_path / "out", pictures)
    fill(pictures, 1, start=30)
    with pytest.raises(WalkbenchError, match="listed is 30 there and 31 here"):
        make(tmp_path / "out", pictures)
    for name in ("030.png", "030.txt"):
        (pictures / name).unlink()
    (pictures / "000.png").rename(pictures / "0000.png")
    with pytest.raises(WalkbenchError, match="pictures is"):
        make(tmp_path / "out", pictures)


def test_captions_that_changed_since_are_refused(pictures, tmp_path):
    make(tmp_path / "out", pictures)
    caption = pictures / "004.txt"
    caption.write_text(caption.read_text()[::-1])
    with pytest.raises(WalkbenchError, match="pictures is"):
        make(tmp_path / "out", pictures)


def test_a_full_disk_keeps_what_was_finished(pictures, tmp_path, monkeypatch):
    out, real = tmp_path / "out", cache.save_file

    def full(tensors, file, metadata):
        if "00002" in file.name:
            file.write_bytes(b"half of it")
            raise OSError(28, "No space left on device")
        real(tensors, file, metadata)

    monkeypatch.setattr(cache, "save_file", full)
    with pytest.raises(WalkbenchError, match=r"No space left .* what was finished is kept"):
        make(out, pictures)
    assert sorted(read_index(out).shards) == [0, 1]
    assert not list(out.glob("*.partial"))
    monkeypatch.undo()
    make(out, pictures)
    make(tmp_path / "whole", pictures)
    assert content(out) == content(tmp_path / "whole")


def test_a_batch_too_large_for_the_memory_says_what_to_do(pictures, tmp_path):
    def too_much(batch):
        if len(batch) > 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return every_second_pixel(batch)

    with pytest.raises(WalkbenchError, match=r"too small to encode 2 pictures.* smaller batch"):
        make(tmp_path, pictures, vae=Encoder("vae", "0f", too_much))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 0}, "size is 0"),
        ({"batch": 0}, "batch is 0"),
        ({"shard": -1}, "shard is -1"),
        ({"dtype": "float61"}, "did you mean 'float16'"),
        (
            {"size": 25, "vae": Encoder("vae", "0f", cropped)},
            "size 25 is not a multiple of 2, .* use 24",
        ),
        ({"vae": Encoder("film", "0f", lambda p: torch.zeros(len(p), 4, 1, 3, 3))}, "for pictures"),
    ],
)
def test_options_that_make_no_sense_are_named(pictures, tmp_path, options, message):
    with pytest.raises(WalkbenchError, match=message):
        make(tmp_path / "out", pictures, **options)


@pytest.mark.parametrize(
    "text", ["", "{}", '{"format": 99}', '{"format": 1, "settings": {"a": 1}}']
)
def test_a_folder_whose_index_is_none_is_named_and_left_alone(pictures, tmp_path, text):
    (tmp_path / "index.json").write_text(text)
    with pytest.raises(WalkbenchError, match="is not the index of a cache"):
        make(tmp_path, pictures)
    assert (tmp_path / "index.json").read_text() == text


def test_a_folder_that_another_process_fills_is_left_to_it(pictures, tmp_path):
    folder = tmp_path / "out"
    with (
        exclusive(folder, "held by the test"),
        pytest.raises(WalkbenchError, match=r"another process fills cache .* name another folder"),
    ):
        make(folder, pictures)
    assert read_index(folder) is None
    assert make(folder, pictures).finished


def test_a_folder_that_cannot_be_made_is_named(pictures, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WalkbenchError, match=r"file/out' cannot be written"):
        make(tmp_path / "file" / "out", pictures)
