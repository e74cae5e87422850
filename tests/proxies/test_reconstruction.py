"""Decoders train by the trainer of all networks, from frozen latents, scored by their pictures."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

from proxies.callbacks import Checkpoints
from proxies.objectives import FlowMatching, Reconstruction
from proxies.picture_encoder import linear_encoder
from proxies.picture_losses import absolute_losses, pyramid_losses, quality
from proxies.recipe import Budget, Recipe
from proxies.score import Score
from proxies.testing import StopAt, Stopped, tiny_network
from proxies.trainer import Trainer, train_run
from proxies.training_run import TrainingRun, TrainingSettings
from proxies.twin import TwinError, twin
from search_space.decoder import DecoderMid, DecoderSpec, DecoderStage, named_decoder
from search_space.errors import WalkbenchError
from studies.cli.main import app
from tests.proxies.data.tiny_models import save_vae

STAGES = tuple(DecoderStage(channels, 1, norms=1) for channels in (128, 256))
DECODER = DecoderSpec(STAGES, DecoderMid(1, False), reduction="upsampler", latent_size=16)
RECIPE = Recipe(batch=4, train_images=32, validation_images=8, objective=Reconstruction())


def run(steps: int = 4, network: Any = DECODER, seed: int = 0, **objective: Any) -> TrainingRun:
    recipe = dataclasses.replace(RECIPE, objective=Reconstruction(**objective))
    return TrainingSettings(Budget(steps=steps), width=16, recipe=recipe, seed=seed).run(network)


def test_the_linear_encoder_is_pca_of_patches() -> None:
    pictures = torch.randn(64, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    pictures[:, :, ::2] *= 5  # some directions have more variance
    encode = linear_encoder(pictures, channels=4, factor=4)
    z = encode(pictures).transpose(0, 1).flatten(1)  # (4, N)
    assert torch.allclose(z @ z.T / z.shape[1], torch.eye(4), atol=1e-3)
    assert z.mean(dim=1).abs().max() < 1e-4
    with pytest.raises(WalkbenchError, match="reads 60 latent channels, and a patch of 4×4 pixels"):
        linear_encoder(pictures, channels=60, factor=4)


def test_the_pyramid_sees_blur_more_than_level() -> None:
    sharp = torch.zeros(1, 3, 32, 32)
    sharp[..., 16:] = 1.0
    blurred = torch.nn.functional.avg_pool2d(sharp, 5, 1, 2, count_include_pad=False)
    level = sharp + (blurred - sharp).abs().mean()
    assert torch.allclose(absolute_losses(level, sharp), absolute_losses(blurred, sharp))
    assert pyramid_losses(blurred, sharp) > 10 * pyramid_losses(level, sharp)


@pytest.mark.parametrize("offset", [0.02, 0.2])
def test_psnr_and_ssim_are_the_closed_forms_of_an_offset(offset: float) -> None:
    grey = torch.zeros(2, 3, 16, 16)
    found = quality(grey + offset, grey)
    assert found.psnr == pytest.approx(-20 * torch.tensor(offset / 2).log10().item(), abs=1e-3)
    a, b, c1 = 0.5, 0.5 + offset / 2, 0.01**2  # of flat pictures only the term of means is left
    assert found.ssim == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-4)


def test_the_twin_keeps_topology_and_latents() -> None:
    small = twin(named_decoder("snapgen-decoder"), width=32, latent=24)
    assert [stage.channels for stage in small.stages] == [8, 16, 24, 40]
    assert (small.latent_size, small.in_channels, small.reduction) == (3, 4, "upsampler")
    assert twin(named_decoder("taesd-decoder"), width=16, latent=16).norm_groups == 32
    with pytest.raises(TwinError, match="20 pixels are not a multiple of 8, which 4 stages need"):
        twin(named_decoder("sd-decoder"), width=16, latent=20)


def test_training_lowers_the_loss_and_raises_psnr() -> None:
    trainer = Trainer(run(steps=60))
    before = trainer.loss_function.quality(trainer.learner)  # type: ignore[attr-defined]
    score = trainer.train()
    assert score.ok and score.start is not None and score.value < 0.7 * score.start
    assert score.quality is not None and score.quality.n == 8
    assert score.quality.psnr > before.psnr + 2
    assert Score.from_dict(json.loads(json.dumps(score.to_dict()))) == score


def test_designs_start_from_one_picture() -> None:
    separable = named_decoder("decoder/separable")
    starts = {Trainer(run(network=net)).loss_function.start for net in (DECODER, separable)}
    assert max(starts) == pytest.approx(min(starts), abs=0.05)


def test_an_interrupted_run_with_a_discriminator_ends_like_one_that_was_not(tmp_path: Path) -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    judged = run(steps=4, discriminator=0.1)
    whole = train_run(judged)
    with pytest.raises(Stopped):
        train_run(judged, [Checkpoints(tmp_path / "run", seconds=0.0), StopAt(2)])
    assert train_run(judged, [Checkpoints(tmp_path / "run")]).losses == whole.losses
    torch.set_num_threads(threads)
    assert whole.losses != train_run(run(steps=4)).losses
    assert whole.params == train_run(run(steps=1)).params  # the discriminator is no part of it


def test_gradients_of_parts_add_up_to_those_of_the_batch() -> None:
    whole, parts = (Trainer(run(discriminator=0.5)) for _ in range(2))
    parts.gradient.micro_batch = 3
    draw = whole.loss_function.draw(whole.generator)
    assert parts.gradient(draw).item() == pytest.approx(whole.gradient(draw).item(), rel=1e-5)
    for one, other in zip(whole.flat.weights, parts.flat.weights, strict=True):
        assert one.grad is not None and other.grad is not None and one.grad.any()
        assert torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-5)


def test_each_side_of_the_discriminator_pulls_its_own_weights() -> None:
    from proxies.patch_discriminator import PatchDiscriminator, adversarial_loss

    judge = PatchDiscriminator(3)
    made = torch.zeros(2, 3, 16, 16, requires_grad=True)
    adversarial_loss(judge, made, torch.ones(2, 3, 16, 16), weight=0.0).backward()  # type: ignore[no-untyped-call]
    assert made.grad is not None and not made.grad.any()
    assert judge.last.weight.grad is not None and judge.last.weight.grad.any()


def test_lpips_of_the_user_is_a_term(tmp_path: Path) -> None:
    class Distance(torch.nn.Module):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return (a - b).square().mean(dim=[1, 2, 3], keepdim=True)

    path = tmp_path / "lpips.pt"
    torch.jit.script(Distance()).save(str(path))
    plain, more = (Trainer(run(lpips=name)) for name in (None, str(path)))
    assert more.loss_function.start > plain.loss_function.start
    with pytest.raises(WalkbenchError, match=r"LPIPS file .* cannot be loaded"):
        Trainer(run(lpips=str(tmp_path / "none.pt")))


@pytest.fixture
def vae(tmp_path: Path) -> Path:
    return save_vae(tmp_path / "vae", sample_size=24, shift_factor=None)


def test_latents_are_those_that_the_vaes_own_decoder_reads_and_are_kept(
    vae: Path, tmp_path: Path
) -> None:
    import diffusers

    cache = tmp_path / "kept"
    trainer = Trainer(run(encoder=str(vae), cache=str(cache)))
    model = diffusers.AutoencoderKL.from_pretrained(vae)
    pictures = trainer.validation.pictures
    with torch.no_grad():
        wanted = model.encode(pictures).latent_dist.mode()
    found = trainer.loss_function.validation_latents  # type: ignore[attr-defined]
    assert torch.allclose(found, wanted, atol=1e-4)
    (kept,) = cache.iterdir()
    stamp = kept.stat().st_mtime_ns
    again = Trainer(run(encoder=str(vae), cache=str(cache)))
    assert kept.stat().st_mtime_ns == stamp
    assert torch.equal(again.loss_function.latents, trainer.loss_function.latents)  # type: ignore[attr-defined]
    kept.write_bytes(b"broken")
    with pytest.raises(WalkbenchError, match=r"cannot be read: .*remove the file to encode again"):
        Trainer(run(encoder=str(vae), cache=str(cache)))


def test_what_does_not_fit_is_named(vae: Path) -> None:
    three = dataclasses.replace(DECODER, in_channels=3)
    with pytest.raises(WalkbenchError, match="gives 4 latent channels and the decoder reads 3"):
        Trainer(run(network=three, encoder=str(vae)))
    with pytest.raises(WalkbenchError, match="objective reconstruction trains decoders"):
        Trainer(run(network=tiny_network()))
    flow = dataclasses.replace(RECIPE, objective=FlowMatching())
    settings = TrainingSettings(Budget(steps=1), recipe=flow)
    with pytest.raises(WalkbenchError, match="one of kind decoder predicts a picture"):
        Trainer(settings.run(DECODER))


def _folder(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(40):
        Image.new("RGB", (24, 24), (6 * i, 100, 255 - 6 * i)).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text("a picture")
    return folder


@pytest.mark.parametrize("data", ["shapes", "digits", "folder"])
def test_the_command_trains_on(data: str, tmp_path: Path) -> None:
    spec = tmp_path / "decoder.json"
    spec.write_text(DECODER.to_json())
    source = ["--images", str(_folder(tmp_path))] if data == "folder" else ["--data", data]
    sizes = ["--batch", "4", "--train-images", "16", "--validation-images", "4", "--latent", "16"]
    command = ["proxy", "run", str(spec), "--steps", "6", *source, *sizes]
    done = CliRunner().invoke(app, [*command, "--format", "json"])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert shown["value"] < shown["start"] and shown["quality"]["psnr"] > 0
    table = CliRunner().invoke(app, command).stdout
    assert "PSNR" in table and "timestep" not in table


def test_measures_of_text_to_image_are_refused() -> None:
    done = CliRunner().invoke(app, ["proxy", "run", "sd-decoder", "--steps", "1", "--composition"])
    assert "which a decoder does not read" in " ".join(done.output.split())
