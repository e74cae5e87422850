"""Train the feature network of `shapes-small` and write its weights and how well it reads.

    OMP_NUM_THREADS=1 python benchmarks/train_shapes_small.py      # about 3 minutes of one core

Writes proxies/evaluation/shapes_small.safetensors (half precision) and
benchmarks/results/shapes_small.json. The data are the plain shapes and the scenes with fills, of
the splits for training and of held-out combinations; half of the pictures are blurred, made noisy,
or both. Answers: the number of things of each (shape, colour) and of each fill, the deviation of
the blur and that of the noise.
New weights are a new space: put the digest that this prints into proxies/evaluation/shapes_small.py
and give the space another name if the old one was published.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from proxies.data.dataset import DATA_SEED, examples, shapes
from proxies.data.scene_data import scene_examples, scene_pictures
from proxies.data.shapes import FILLS, PALETTE, SHAPES
from proxies.evaluation.shapes_small import DIM, SIDE, SPACE, WEIGHTS, ShapesSmall, shapes_small
from search_space.atomic import atomic_write, write_file
from search_space.provenance import provenance

RESULT = Path(__file__).parent / "results" / "shapes_small.json"
PICTURES, HELD_OUT, BATCH = 4096, 512, 64
KINDS = [(shape, color) for shape in SHAPES for color in PALETTE]
ANSWERS = len(KINDS) + len(FILLS) + 2
MOST_BLUR, MOST_NOISE = 1.5, 0.25  # deviations: in pixels, and of values in [-1, 1]


def training_pictures() -> tuple[Tensor, Tensor]:
    """Return the pictures to train on, with pairs and numbers that no proxy is trained on."""
    counts = {"train": PICTURES, "pairs": PICTURES // 4, "counts": PICTURES // 4}
    parts = [pictures(split, count) for split, count in counts.items()]
    return torch.cat([p for p, _ in parts]), torch.cat([n for _, n in parts])


def pictures(split: str, count: int) -> tuple[Tensor, Tensor]:
    """Return pictures (N, 3, S, S) in [-1, 1] and the numbers of things in them, (N, 35)."""
    scenes = [e.scene for e in examples(split, count, SIDE, DATA_SEED)]
    scenes += [e.scene for e in scene_examples("scenes", split, count, SIDE)]
    images = [
        shapes(split, count, SIDE).images,
        scene_pictures("scenes", split, count, SIDE).images,
    ]
    numbers = [
        [sum((t.shape, t.color) == kind for t in scene.things) for kind in KINDS]
        + [sum(t.fill == fill for t in scene.things) for fill in FILLS]
        for scene in scenes
    ]
    pixels = torch.from_numpy(np.concatenate(images)).permute(0, 3, 1, 2).float() / 127.5 - 1
    return pixels, torch.tensor(numbers, dtype=torch.float32)


def spoiled(pixels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return the pictures, half of them blurred or noisy, and both deviations, (N, 2) of 0 to 1."""
    count = len(pixels)
    strength = torch.rand(count, 2, generator=generator)
    strength = strength * (torch.rand(count, 2, generator=generator) < 0.3)
    sigma = (strength[:, 0] * MOST_BLUR).clamp(min=1e-3)
    x = torch.arange(-4.0, 5.0)
    kernel = torch.exp(-0.5 * (x / sigma[:, None]) ** 2)  # (N, 9)
    kernel = kernel / kernel.sum(dim=1, keepdim=True)
    flat = nn.functional.pad(pixels, (4, 4, 4, 4), mode="replicate")
    flat = torch.einsum("nchwk,nk->nchw", flat.unfold(3, 9, 1), kernel)
    flat = torch.einsum("nchwk,nk->nchw", flat.unfold(2, 9, 1), kernel)
    noise = torch.randn(pixels.shape, generator=generator) * MOST_NOISE
    return (flat + noise * strength[:, 1, None, None, None]).clamp(-1, 1), strength


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    generator = torch.Generator().manual_seed(options.seed)
    start = time.process_time()
    pixels, numbers = training_pictures()
    used = len(pixels)
    net, head = ShapesSmall(), nn.Linear(DIM, ANSWERS)
    parameters = [*net.parameters(), *head.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=options.steps)
    scale = torch.cat([numbers.std(dim=0).clamp(min=0.1), torch.tensor([0.25, 0.25])])
    for step in range(options.steps):
        rows = torch.randint(len(pixels), (BATCH,), generator=generator)
        seen, strength = spoiled(pixels[rows], generator)
        wanted = torch.cat([numbers[rows], strength], dim=1) / scale
        loss = (head(nn.functional.silu(net(seen))) - wanted).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 250 == 0:
            print(f"{step} {loss.item():.4f}", flush=True)

    net.eval()
    pixels, numbers = pictures("validation", HELD_OUT)
    with torch.no_grad():
        clean = head(nn.functional.silu(net(pixels))) * scale
        seen, strength = spoiled(pixels, generator)
        answers = head(nn.functional.silu(net(seen))) * scale
    exact = (clean[:, : len(KINDS)].round() == numbers[:, : len(KINDS)]).all(dim=1)
    explained = 1 - (answers[:, -2:] - strength).square().mean(dim=0) / strength.var(dim=0)
    state = {k: v.half().contiguous() for k, v in net.state_dict().items() if v.is_floating_point()}
    with atomic_write(WEIGHTS) as partial:
        save_file(state, partial)
    shapes_small.cache_clear()
    result = {
        "what": "held-out pictures whose things are all counted, and explained variance",
        "params": sum(p.numel() for p in net.parameters()),
        "digest": SPACE.measured_digest(),
        "steps": options.steps,
        "seed": options.seed,
        "train_pictures": used,
        "held_out": 2 * HELD_OUT,
        "plain_shapes_all_counted": round(float(exact[:HELD_OUT].float().mean()), 4),
        "scenes_all_counted": round(float(exact[HELD_OUT:].float().mean()), 4),
        "blur_explained": round(float(explained[0]), 4),
        "noise_explained": round(float(explained[1]), 4),
        "processor_seconds": round(time.process_time() - start, 1),
        "provenance": provenance(),
    }
    text = json.dumps(result, indent=2)
    write_file(RESULT, (text + "\n").encode())
    print(text)


if __name__ == "__main__":
    main()
