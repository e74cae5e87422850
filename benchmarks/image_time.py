"""Picture times beside published ones: SnapGen calibrated and unfitted, Stable Diffusion, a VAE.

Writes `benchmarks/results/image_time.json`. One core, half a minute:

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/image_time.py

Figures to reach: SnapGen's 4 steps on A18 Pro within 15 % of 4 × 274 + 119 ms when the estimate is
calibrated on its UNet, the unfitted figure beside; Stable Diffusion's VAE decoder on A16 (369 ms),
left out of the fit, less than the 189 % off that an earlier fit was.

"Unfitted" is a fit without any row or ratio of SnapGen or its lab; "calibrated" is that fit after
its UNet's 274 ms, and nothing else, were given as an anchor. The decoder is the reconstruction
`snapgen-decoder`, of which no time ever entered a fit.
"""

import json
import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from latency_db.calibrate import Anchor, calibrate_chip, condition
from latency_db.device_model import DeviceModel
from latency_db.estimate import ChipEstimate
from latency_db.fitted import NETWORK_VARIANCE, shipped_fit
from latency_db.held_out import Group, fit_without, leave_out
from latency_db.latency import Latency
from latency_db.picture_time import picture_time
from latency_db.published.pictures import published_pictures
from search_space.cost import cost
from search_space.decoder import named_decoder
from search_space.network import Network
from search_space.picture import PictureSpec, fitted_decoder, named_texts, text_encoders_for
from search_space.presets import named_spec
from search_space.provenance import provenance
from search_space.resize import resized

RESULT = Path("benchmarks/results/image_time.json")
CHIP, UNET, DECODER = "A18 Pro", "snapgen-t2i", "snapgen-decoder"
VAE = "SD 1.5 VAE decoder"
PUBLISHED_A16 = {"sd": 369.0, "pruned": 116.0}  # arXiv 2306.00980, Table 1
PUBLISHED_MS, PUBLISHED_RATIO = 119.0, 54  # arXiv 2412.09619
# Published pictures of Stable Diffusion: our names, latent size, bits, and the published row's.
STABLE = (
    ("sd21", "sd-decoder", 64, 6, "SD 2.1-base"),
    ("sdxl", "sdxl-decoder", 96, 4, "SDXL-base"),
)


def main() -> None:
    unet, decoder = named_spec(UNET), named_decoder(DECODER)
    published = published_pictures(UNET)
    four, eight = (
        next(p for p in published if (p.steps, p.confidence) == (n, "derived")) for n in (4, 8)
    )
    assert four.unet_ms is not None and four.total_s is not None and eight.total_s is not None
    unfitted = _without_snapgen()
    calibrated = _calibrated(unfitted, unet, four.unet_ms)
    shipped = ChipEstimate.of(CHIP)
    anchored = ChipEstimate(calibrate_chip(CHIP, [Anchor(UNET, unet, four.unet_ms)]).model, CHIP)
    ways = {
        "unfitted": unfitted,
        "calibrated": calibrated,
        "shipped": shipped,
        "shipped_calibrated": anchored,
    }
    programs = {
        way: {n: source.predict(PictureSpec(unet, decoder, n)) for n in (4, 8)}
        for way, source in ways.items()
    }
    held = {row.item.model: row for by in ("both",) for row in leave_out(by, only={"snapfusion"})}
    vae = held[VAE]
    result = {
        "summary": {
            "snapgen_4_steps_s": _seconds(programs["calibrated"][4]),
            "snapgen_4_steps_error_pct": _error(programs["calibrated"][4], four.total_s),
            "snapgen_8_steps_s": _seconds(programs["calibrated"][8]),
            "snapgen_8_steps_error_pct": _error(programs["calibrated"][8], eight.total_s),
            "unfitted_error_pct": _error(programs["unfitted"][4], four.total_s),
            "vae_decoder_a16_error_pct": _percent(vae.ms / vae.item.latency_ms),
        },
        "snapgen": {
            "chip": CHIP,
            "published_4_steps_s": four.total_s,
            "published_8_steps_s": eight.total_s,
            "published_unet_ms": four.unet_ms,
            "published_decoder_ms": four.decoder_ms,
            "ways": {
                way: {
                    "unet_ms": _row(source.predict(unet)),
                    "decoder_ms": _row(source.predict(decoder)),
                    "4_steps_ms": _row(programs[way][4]),
                    "8_steps_ms": _row(programs[way][8]),
                }
                for way, source in ways.items()
            },
            "whole_picture": _whole(calibrated, unet, decoder),
        },
        "vae_decoder_a16": {
            "published_ms": vae.item.latency_ms,
            "lab_and_family_left_out_ms": round(vae.ms, 1),
            "shipped_ms": _row(_fitted_as_timed()),
            "our_decoder_as_converted_today_ms": _row(
                ChipEstimate.of("A16").predict(named_decoder("sd-decoder"))
            ),
        },
        "decoder_facts": _decoder_facts(),
        "stable_diffusion": [row for which in STABLE for row in _stable(*which)],
        "provenance": provenance(),
    }
    RESULT.write_text(json.dumps(result, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(result["summary"], indent=1))


def _without_snapgen() -> ChipEstimate:
    """The estimate of a fit that saw neither SnapGen's times nor its design walk's ratios."""
    fit = fit_without(Group("snapgen", "SnapGen"))
    model = DeviceModel(
        CHIP, fit.parameters[CHIP], fit.new_lab_covariance(CHIP), shipped_fit().new_lab, "left out"
    )
    return ChipEstimate(model, CHIP)


def _calibrated(source: ChipEstimate, unet: Network, ms: float) -> ChipEstimate:
    model = source.model
    found, slope = model.prediction(model.price_network(unet, 1))
    sd = np.array([math.sqrt(NETWORK_VARIANCE)])
    posterior, _ = condition(model, slope[None], np.array([math.log(ms / found)]), sd)
    return replace(source, model=posterior)


def _whole(source: ChipEstimate, unet: Network, decoder: Network) -> dict[str, Any]:
    """Text encoder and overhead too, at 16 bits and with weights of 4 bits."""
    texts = named_texts(text_encoders_for(unet), unet)
    found = {}
    for bits in (16, 4):
        timed = picture_time(source, PictureSpec(unet, decoder, 4, texts=texts, bits=bits))
        parts = {part.program.name: round(part.ms, 1) for part in timed.parts}
        found[f"{bits}_bits"] = {"parts_ms": parts, "total_ms": _row(timed.total)}
    return found


def _fitted_as_timed() -> Latency:
    """Return the shipped estimate of the published VAE decoder as its lab would have run it."""
    from latency_db.device_model import chip_model
    from latency_db.evidence import published_evidence

    evidence = published_evidence()
    item = next(one for one in evidence.items if one.model == VAE)
    model = chip_model(item.chip)
    return model.latency(model.price_operators(evidence.networks[item.network], item.setting))


def _decoder_facts() -> dict[str, Any]:
    """What published times of decoders say of each other, beside our estimates; nothing is fitted.

    SnapFusion's pruned decoder has 13 million parameters, and its widths are not public: half the
    widths of Stable Diffusion's stand for it. A time scaled by MACs alone assumes that a larger map
    runs as well, on a chip two generations older than the one of the 54×.
    """
    whole, large = named_decoder("sd-decoder"), named_decoder("sdxl-decoder")
    stages = tuple(replace(stage, channels=stage.channels // 2) for stage in whole.stages)
    half, a16 = whole.replace(stages=stages), ChipEstimate.of("A16")
    estimated, pruned = a16.predict(whole), a16.predict(half)
    return {
        "half_width_params": cost(half).params,
        "a16_published_ms": PUBLISHED_A16,
        "a16_published_ratio": round(PUBLISHED_A16["sd"] / PUBLISHED_A16["pruned"], 2),
        "a16_estimated_ms": {"sd": _row(estimated), "pruned": _row(pruned)},
        "a16_estimated_ratio": round(estimated.ms / pruned.ms, 2),
        "sdxl_ms_by_macs_from_a16": round(
            PUBLISHED_A16["sd"] * cost(large).macs / cost(whole).macs
        ),
        "sdxl_ms_implied_by_54x": round(PUBLISHED_RATIO * PUBLISHED_MS),
        "sdxl_estimated_ms": _row(ChipEstimate.of(CHIP).predict(large)),
    }


def _stable(
    unet_name: str, decoder_name: str, latent: int, bits: int, published_name: str
) -> list[dict[str, Any]]:
    """Pictures of 20 guided steps, as shipped: the fit saw these UNets' times, not the totals."""
    unet = resized(named_spec(unet_name), latent)
    decoder = fitted_decoder(named_decoder(decoder_name), unet)
    texts = named_texts(text_encoders_for(unet), unet)
    rows = []
    for one in published_pictures(unet_name):
        if one.name != published_name or one.steps is None or one.total_s is None:
            continue
        picture = PictureSpec(unet, decoder, one.steps, one.guidance, texts, bits)
        timed = picture_time(ChipEstimate.of(one.chip), picture)
        rows.append(
            {
                "picture": one.name,
                "device": one.device,
                "chip": one.chip,
                "steps": one.steps,
                "loads_one_by_one": one.reduced,
                "published_s": one.total_s,
                "estimated_s": round(timed.total.ms / 1e3, 2),
                "low_s": round(timed.total.low / 1e3, 2),
                "high_s": round(timed.total.high / 1e3, 2),
                "error_pct": _percent(timed.total.ms / 1e3 / one.total_s),
            }
        )
    return rows


def _row(latency: Latency) -> dict[str, Any]:
    return {k: v if isinstance(v, str) else round(v, 1) for k, v in asdict(latency).items()}


def _seconds(latency: Latency) -> float:
    return round(latency.ms / 1e3, 3)


def _error(latency: Latency, published_s: float) -> float:
    return _percent(latency.ms / 1e3 / published_s)


def _percent(ratio: float) -> float:
    return round((ratio - 1) * 100, 1)


if __name__ == "__main__":
    main()
