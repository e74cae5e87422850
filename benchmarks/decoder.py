"""Decoders: exact against diffusers, and how much smaller and faster SnapGen's is. Writes
`results/decoder.json`.

    python benchmarks/decoder.py [--train-steps 300]

Parity is the largest difference of a pixel between each named decoder and diffusers' own with the
same random weights, in float64, at 12×12 latents. `latency_ratio` divides our estimates for an
iPhone 16 Pro Max, the phone of the published 119 ms. `training` compares three decoders after a
short training on the shapes: seconds are of one thread. Takes two to ten minutes.
"""

import argparse
import dataclasses
import json
import time
from pathlib import Path
from typing import Any

import torch

from proxies.objectives import Reconstruction
from proxies.recipe import Budget, Recipe
from proxies.trainer import train_run
from proxies.training_run import TrainingSettings
from search_space.atomic import write_file
from search_space.cost import cost
from search_space.decoder import DecoderSpec, named_decoder
from search_space.diffusers_bridge import (
    config_from_decoder,
    decoder_state_to_diffusers,
    decoder_state_to_walkbench,
)
from search_space.diffusers_bridge.stock import stock_autoencoder
from search_space.network import build_network
from search_space.provenance import provenance
from studies.decoder_walk import DECODER_DEVICE, decoder_walk_rows

RESULT = Path(__file__).parent / "results" / "decoder.json"
EXACT = ("sd-decoder", "sd3-decoder", "taesd-decoder")
TRAINED = ("sd-decoder", "taesd-decoder", "snapgen-decoder")
LATENT = 12


def parity(spec: DecoderSpec) -> dict[str, Any]:
    """Compare a named decoder with diffusers' in parameters, weights and pictures."""
    _, config = config_from_decoder(spec)
    torch.manual_seed(0)
    stock = stock_autoencoder(config).double().eval()
    ours = build_network(spec).double().eval()
    ours.load_state_dict(decoder_state_to_walkbench(spec, stock.state_dict()))
    back = decoder_state_to_diffusers(spec, ours.state_dict())
    latents = torch.randn(1, spec.in_channels, LATENT, LATENT, dtype=torch.float64)
    with torch.no_grad():
        wanted, made = stock.decode(latents).sample, ours(latents)
    theirs = {k: v for k, v in stock.state_dict().items() if k in back}
    return {
        "params": cost(spec).params,
        "params_diffusers": sum(value.numel() for value in theirs.values()),
        "weights_return_equal": all(torch.equal(back[k], v) for k, v in theirs.items()),
        "max_error": (made - wanted).abs().max().item(),
        "mean_pixel": wanted.abs().mean().item(),
    }


def training(steps: int) -> dict[str, Any]:
    """Train the twins of three decoders on the shapes."""
    recipe = Recipe(train_images=1024, validation_images=128, objective=Reconstruction())
    settings = TrainingSettings(Budget(steps=steps), width=32, recipe=recipe)
    found = {}
    for name in TRAINED:
        score = train_run(settings.run(named_decoder(name)))
        assert score.quality is not None
        quality = dataclasses.asdict(score.quality)
        seconds = round(score.fidelity.seconds, 1)
        found[name] = {"loss": score.value, **quality, "params": score.params, "seconds": seconds}
    return {"steps": steps, "width": 32, "pictures": "shapes, 24 pixels", "decoders": found}


def main() -> None:
    """Measure and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--train-steps", type=int, default=300)
    parser.add_argument("--note", default="", help="what else ran on the machine")
    given = parser.parse_args()
    start = time.perf_counter()
    torch.set_num_threads(1)
    exact = {name: parity(named_decoder(name)) for name in EXACT}
    rows = decoder_walk_rows()
    last = rows[-1]
    result = {
        "snapgen_decoder_params": last["params"],
        "params_ratio": round(last["params_ratio"], 2),
        "macs_ratio": round(last["macs_ratio"], 2),
        "latency_ratio": round(last["latency_ratio"], 2),
        "latency_device": DECODER_DEVICE,
        "latency_ms": round(last["latency_ms"], 1),
        "latency_interval_ms": [
            round(last["latency_low_ms"], 1),
            round(last["latency_high_ms"], 1),
        ],
        "published": {"params": 1_380_000, "params_ratio": 36, "latency_ratio": 54, "ms": 119},
        "parity_max_error": max(one["max_error"] for one in exact.values()),
        "parity": exact,
        "walk": [
            {k: row[k] for k in ("step", "params", "macs", "peak_activation_bytes", "latency_ms")}
            for row in rows
        ],
        "training": training(given.train_steps),
        "note": given.note,
        "seconds": round(time.perf_counter() - start, 1),
        "provenance": provenance(),
    }
    write_file(RESULT, json.dumps(result, indent=1) + "\n")
    print(json.dumps({k: result[k] for k in list(result)[:6]}, indent=1))


if __name__ == "__main__":
    main()
