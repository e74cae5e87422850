import shutil
import sys

import numpy as np
import pytest
import torch

from proxies.data.encoders import load_text_encoder, load_vae
from search_space.errors import WalkbenchError
from tests.proxies.data import tiny_models as tiny

PICTURES = np.random.default_rng(0).integers(0, 256, size=(2, 16, 16, 3), dtype=np.uint8)
CAPTIONS = ["a red cat", "picture number 1"]


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    tiny.save_vae(folder / "kl")
    tiny.save_tiny_vae(folder / "tiny")
    tiny.save_dc_vae(folder / "dc")
    for kind in ("clip", "t5", "gemma2"):
        tiny.save_text_encoder(folder / kind, kind)
    return folder


def test_latents_are_the_mode_scaled_by_the_vae_s_own_factors(models):
    from diffusers import AutoencoderKL

    vae = load_vae(str(models / "kl"))
    found = vae.encode(PICTURES)
    assert found.shape == (2, 4, 8, 8)
    with torch.no_grad():
        plain = AutoencoderKL.from_pretrained(models / "kl", low_cpu_mem_usage=False)
        x = torch.from_numpy(PICTURES).permute(0, 3, 1, 2).float() / 127.5 - 1
        mean = plain.encode(x).latent_dist.mean
    torch.testing.assert_close(found, (mean - 0.25) * 0.5)


def test_means_and_deviations_of_channels_take_the_place_of_the_factors(tmp_path):
    means, deviations = [0.0, 1.0, 2.0, 3.0], [1.0, 2.0, 4.0, 0.5]
    tiny.save_vae(tmp_path / "a", scaling_factor=1.0, shift_factor=None)
    tiny.save_vae(tmp_path / "b", latents_mean=means, latents_std=deviations)
    plain = load_vae(str(tmp_path / "a")).encode(PICTURES)
    shift, scale = torch.tensor(means).view(4, 1, 1), 0.5 / torch.tensor(deviations).view(4, 1, 1)
    torch.testing.assert_close(
        load_vae(str(tmp_path / "b")).encode(PICTURES), (plain - shift) * scale
    )


@pytest.mark.parametrize(("name", "channels"), [("tiny", 4), ("dc", 8)])
def test_autoencoders_without_a_distribution_encode_too(models, name, channels):
    vae = load_vae(str(models / name))
    assert vae.encode(PICTURES).shape == (2, channels, 8, 8)
    assert vae.probe(PICTURES[:1]) == (channels, 8, 8)


@pytest.mark.parametrize("kind", ["clip", "t5", "gemma2"])
def test_captions_become_one_embedding_per_token(models, kind):
    text = load_text_encoder(str(models / kind), 10)
    both = text.encode(CAPTIONS)
    assert both.shape == (2, 10, 8) and both.isfinite().all()
    torch.testing.assert_close(both[1:], text.encode(CAPTIONS[1:]))
    assert not torch.allclose(both[0, 1], both[1, 1])


def test_the_layer_before_the_last_can_be_kept(models):
    from transformers import CLIPTextModel

    name = str(models / "clip")
    words = torch.tensor([[2] * 10])  # unknown words: what an empty tokenizer would give
    with torch.no_grad():
        states = CLIPTextModel.from_pretrained(name)(words, output_hidden_states=True)
    found = load_text_encoder(name, 10, layer=-2).encode([" ".join(["dog"] * 10)])
    torch.testing.assert_close(found, states.hidden_states[-2])
    assert load_text_encoder(name, 10).digest != load_text_encoder(name, 10, layer=-2).digest


def test_a_pipeline_s_tokenizer_lies_beside_its_text_encoder(models, tmp_path):
    tiny.save_text_encoder(tmp_path / "text_encoder_2", tokenizer=False)
    tiny.save_tokenizer(tmp_path / "tokenizer_2", "clip")
    found = load_text_encoder(str(tmp_path / "text_encoder_2"), 10)
    torch.testing.assert_close(
        found.encode(CAPTIONS), load_text_encoder(str(models / "clip"), 10).encode(CAPTIONS)
    )


def test_a_digest_is_of_config_and_weights_and_not_of_a_name(models, tmp_path):
    first = load_vae(str(models / "kl"))
    shutil.copytree(models / "kl", tmp_path / "moved")
    tiny.save_vae(tmp_path / "trained", seed=1)
    tiny.save_vae(tmp_path / "scaled", scaling_factor=0.7)
    digests = [load_vae(str(tmp_path / n)).digest for n in ("moved", "trained", "scaled")]
    assert digests[0] == first.digest
    assert len({*digests}) == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("./nowhere", "VAE './nowhere' cannot be loaded: there is no folder of that name"),
        ("t5", "it is a None, and not an autoencoder"),
        ("incomplete", "lacks 2 weights, encoder.conv_in.bias the first"),
        ("empty", "cannot be loaded"),
    ],
)
def test_what_is_no_vae_is_named(models, tmp_path, monkeypatch, name, message):
    from safetensors.torch import load_file, save_file

    shutil.copytree(models / "kl", tmp_path / "incomplete")
    weights = tmp_path / "incomplete" / "diffusion_pytorch_model.safetensors"
    kept = {n: w for n, w in load_file(weights).items() if not n.startswith("encoder.conv_in.")}
    save_file(kept, weights)
    (tmp_path / "empty").mkdir()
    (tmp_path / "t5").symlink_to(models / "t5")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WalkbenchError, match=message) as error:
        load_vae(name)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("./nowhere", {}, "text encoder './nowhere' cannot be loaded"),
        ("kl", {}, "text encoder 'kl' cannot be loaded"),
        ("clip", {"tokens": 77}, "reads at most 12 tokens, 77 were requested; use 12 or fewer"),
        ("clip", {"tokens": 0}, "tokens is 0"),
        ("clip", {"layer": 1}, "layer 1"),
        ("clip", {"layer": -9}, "hidden states -1 to -3, layer -9 was requested"),
        ("clip", {"tokenizer": "kl"}, "tokenizer 'kl' cannot be loaded"),
        ("clip", {"device": "abacus"}, "device 'abacus' is unknown; use cpu"),
    ],
)
def test_what_is_no_text_encoder_is_named(models, monkeypatch, name, options, message):
    monkeypatch.chdir(models)
    with pytest.raises(WalkbenchError, match=message) as error:
        load_text_encoder(name, **{"tokens": 10, **options})
    assert "\n" not in str(error.value)


def test_a_size_that_the_vae_cannot_read_is_named(models):
    vae = load_vae(str(models / "kl"))
    with pytest.raises(WalkbenchError, match="cannot encode pictures of 1 pixels"):
        vae.probe(PICTURES[:1, :1, :1])


@pytest.mark.parametrize(
    ("library", "load"),
    [("diffusers", load_vae), ("transformers", lambda name: load_text_encoder(name, 10))],
)
def test_a_library_that_is_not_installed_is_named_with_the_extra(
    models, monkeypatch, library, load
):
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(
        WalkbenchError, match=rf"needs {library}, which is missing .*'walkbench\[cache\]'"
    ):
        load(str(models / "kl"))
