"""Train an exported design in a loop of one's own: accelerate and diffusers, without Walkbench.

    accelerate launch train_with_accelerate.py BUNDLE PICTURES OUT --steps 10000 --batch 16

BUNDLE is what `walkbench export … --pipeline …` writes, with text encoder, tokenizer and VAE.
PICTURES holds pictures with their captions beside them (cat.png, cat.txt). OUT becomes a pipeline.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from accelerate import Accelerator
from diffusers import AutoModel, DiffusionPipeline
from PIL import Image, ImageOps
from torch.utils.data import DataLoader


def pictures(folder, side):
    """Yield pictures (3, side, side) in [-1, 1] with their captions."""
    for path in sorted(folder.glob("*.png")) + sorted(folder.glob("*.jpg")):
        image = ImageOps.fit(Image.open(path).convert("RGB"), (side, side))
        pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1) / 127.5 - 1
        yield pixels, path.with_suffix(".txt").read_text(encoding="utf-8").strip()


def main():
    """Train and save."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("pictures", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--steps", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rate", type=float, default=1e-4)
    args = parser.parse_args()
    accelerator = Accelerator()
    own = (args.bundle / "unet" / "walkbench_unet.py").exists()  # code that is run: read it first
    unet = AutoModel.from_pretrained(str(args.bundle / "unet"), trust_remote_code=own)
    pipe = DiffusionPipeline.from_pretrained(args.bundle, unet=unet)
    shift = pipe.scheduler.config.flow_shift  # of times towards noise
    vae, text = pipe.vae.to(accelerator.device), pipe.text_encoder.to(accelerator.device)
    vae.requires_grad_(False)
    text.requires_grad_(False)
    data = list(pictures(args.pictures, unet.config.sample_size * pipe.vae_scale_factor))
    loader = DataLoader(data, args.batch, shuffle=True, drop_last=len(data) >= args.batch)
    optimizer = torch.optim.AdamW(unet.parameters(), lr=args.rate)
    unet, optimizer, loader = accelerator.prepare(unet.train(), optimizer, loader)
    done = 0
    while done < args.steps:
        for pixels, captions in loader:
            with torch.no_grad():
                x0 = vae.encode(pixels).latent_dist.sample() * vae.config.scaling_factor
                captions = ["" if torch.rand(()) < 0.1 else one for one in captions]  # guidance
                words = pipe.tokenizer(
                    captions,
                    padding="max_length",
                    truncation=True,
                    max_length=pipe.tokenizer.model_max_length,
                    return_tensors="pt",
                )
                hidden = text(words.input_ids.to(x0.device))[0]
            t = torch.randn(len(x0), device=x0.device).sigmoid()  # logit-normal
            t = shift * t / (1 + (shift - 1) * t)
            noise = torch.randn_like(x0)
            x_t = torch.lerp(x0, noise, t[:, None, None, None])
            loss = (unet(x_t, 1000 * t, hidden).sample.float() - (noise - x0)).square().mean()
            accelerator.backward(loss)
            accelerator.clip_grad_norm_(unet.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad()
            done += 1
            if done % 100 == 0 or done == args.steps:
                accelerator.print(f"step {done} loss {loss.item():.4f}", flush=True)
            if done == args.steps:
                break
    if accelerator.is_main_process:
        pipe.unet = accelerator.unwrap_model(unet)
        pipe.save_pretrained(args.out)


if __name__ == "__main__":
    main()
