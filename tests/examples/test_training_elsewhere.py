"""Exports train outside of Walkbench: in a loop with accelerate, and as diffusers' script does."""

import json
import re
import runpy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from search_space.diffusers_bridge import config_from_spec, spec_from_config
from search_space.errors import WalkbenchError
from search_space.presets import all_named
from studies.export import export
from studies.export_design import Exportable
from studies.export_pipeline import components_of
from tests.proxies.evaluation.pictures import save_bundle

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "train_with_accelerate.py"
DOC = (ROOT / "docs" / "training-elsewhere.md").read_text(encoding="utf-8")

STOCK = spec_from_config(
    {
        "_class_name": "UNet2DConditionModel",
        "block_out_channels": [8, 16],
        "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
        "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
        "layers_per_block": 1,
        "attention_head_dim": 2,
        "norm_num_groups": 4,
        "cross_attention_dim": 8,
        "sample_size": 16,
    }
)
OWN = STOCK.replace(rope=True, qk_norm="rms")


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i, color in enumerate([(220, 40, 40), (60, 90, 235)]):
        Image.fromarray(np.full((32, 32, 3), color, np.uint8)).save(folder / f"{i}.png")
        (folder / f"{i}.txt").write_text(["a red square", "a blue square"][i])
    return folder


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    """An export of a design with the text encoder, tokenizer and VAE of a small pipeline."""
    monkeypatch.setenv("HF_MODULES_CACHE", str(tmp_path / "modules"))

    def make(spec):
        parts = components_of(str(save_bundle(tmp_path / "parts")), spec)
        export(Exportable(spec), tmp_path / "bundle", components=parts)
        return tmp_path / "bundle"

    return make


def losses(text):
    return [float(found) for found in re.findall(r"loss (\d+\.\d+)", text)]


@pytest.mark.slow
def test_the_example_trains_a_stock_design_and_saves_a_pipeline(
    bundle, pictures, tmp_path, monkeypatch, capsys
):
    from diffusers import DiffusionPipeline, UNet2DConditionModel

    folder = bundle(STOCK)
    words = [str(EXAMPLE), str(folder), str(pictures), str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", [*words, "--steps", "3", "--batch", "2"])
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    assert len(losses(capsys.readouterr().out)) == 1
    before = UNet2DConditionModel.from_pretrained(folder, subfolder="unet")
    after = DiffusionPipeline.from_pretrained(tmp_path / "out").unet
    assert not torch.equal(before.conv_in.weight, after.conv_in.weight)


@pytest.mark.slow
@pytest.mark.command
def test_the_example_trains_a_design_of_walkbenchs_class_without_walkbench(
    bundle, pictures, tmp_path
):
    code = (
        "import sys, runpy; sys.modules['search_space'] = None; sys.argv = sys.argv[1:]; "
        "runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    words = [str(EXAMPLE), str(bundle(OWN)), str(pictures), str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-P", "-c", code, *words, "--steps", "2", "--batch", "2"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert len(losses(done.stdout)) == 1
    config = json.loads((tmp_path / "out" / "unet" / "config.json").read_text())
    assert config["_class_name"] == "WalkbenchUNet2DConditionModel"


def test_the_page_lists_the_named_designs_that_diffusers_script_trains():
    def fits(spec):
        try:
            name, config = config_from_spec(spec)
        except WalkbenchError:
            return False
        return name == "UNet2DConditionModel" and not config.get("addition_embed_type")

    listed = re.search(r"Of the named designs these fit: (.*?)\. `sdxl`", DOC, re.DOTALL)
    assert listed is not None
    found = [name for name, spec in all_named().items() if fits(spec)]
    assert re.findall(r"`([^`]+)`", listed[1]) == found
    assert config_from_spec(all_named()["sdxl"])[1]["addition_embed_type"] == "text_time"


def test_a_stock_export_trains_as_diffusers_script_does_once_the_scheduler_is_replaced(
    bundle, pictures, tmp_path, monkeypatch
):
    """The lines of train_text_to_image.py that touch the bundle's parts, for some steps."""
    from diffusers import AutoencoderKL, DDPMScheduler, StableDiffusionPipeline
    from diffusers import UNet2DConditionModel as Stock
    from transformers import CLIPTextModel

    folder = bundle(STOCK)
    flow = DDPMScheduler.from_pretrained(folder, subfolder="scheduler")
    assert flow.config.prediction_type == "flow_prediction"  # which the script refuses
    block = re.search(r"```python\n(.*?)```", DOC, re.DOTALL)
    assert block is not None
    monkeypatch.chdir(tmp_path)
    (tmp_path / "exported").mkdir(exist_ok=True)
    exec(block[1].replace("exported/mine", str(folder)), {})
    noise_scheduler = DDPMScheduler.from_pretrained(folder, subfolder="scheduler")
    assert noise_scheduler.config.prediction_type == "v_prediction"
    unet, missing = Stock.from_pretrained(folder, subfolder="unet", output_loading_info=True)
    assert not any(missing.values())
    vae = AutoencoderKL.from_pretrained(folder, subfolder="vae")
    text = CLIPTextModel.from_pretrained(folder, subfolder="text_encoder")
    generator = torch.Generator().manual_seed(0)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=3e-3)
    pixels = torch.rand(8, 3, 32, 32, generator=generator) * 2 - 1
    seen = []
    for _ in range(12):
        with torch.no_grad():
            latents = vae.encode(pixels).latent_dist.mode() * vae.config.scaling_factor
            hidden = text(torch.ones(8, 12, dtype=torch.long))[0]
        noise = torch.randn(latents.shape, generator=generator)
        timesteps = torch.randint(0, 1000, (8,), generator=generator)
        noisy = noise_scheduler.add_noise(latents, noise, timesteps)
        target = noise_scheduler.get_velocity(latents, noise, timesteps)
        loss = torch.nn.functional.mse_loss(unet(noisy, timesteps, hidden).sample, target)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        seen.append(loss.item())
    assert np.mean(seen[-3:]) < 0.9 * np.mean(seen[:3])
    pipe = StableDiffusionPipeline.from_pretrained(folder, unet=unet)
    sampler = pipe.scheduler.config
    assert sampler.prediction_type == "v_prediction" and not sampler.get("use_flow_sigmas")
    assert sampler.beta_schedule == "scaled_linear"
    image = pipe("a red square", num_inference_steps=2, output_type="np").images
    assert image.shape == (1, 32, 32, 3) and np.isfinite(image).all()
