"""The walk from Stable Diffusion's decoder to SnapGen's: computed figures beside the published.

Each step has an exact cost and peak of activation memory, an estimated latency, its changes against
the step before, and how many times smaller and faster it is than the first.

>>> last = decoder_walk_rows(device=None)[-1]
>>> round(last["params_ratio"], 1), last["published"]["params_ratio"]["value"]
(36.1, 36)
"""

import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any

from latency_db.sources import source_of
from search_space.cost import cost
from search_space.decoder.presets import DECODER_WALK, decoder_walk

DECODER_DEVICE = "iPhone 16 Pro Max"  # the phone of the published 119 ms
MEASURES = ("params", "macs", "peak_activation_bytes", "latency_ms")


@lru_cache(maxsize=1)
def published_decoder() -> dict[str, dict[str, Any]]:
    """Return what is published of each step: figure → value, confidence, source, device."""
    data = tomllib.loads((files("studies") / "published_decoder.toml").read_text("utf-8"))
    paper = data.pop("paper")
    for step in data.values():
        for figure in step.values():
            figure.setdefault("source", paper)
    return data


def decoder_walk_rows(device: str | None = DECODER_DEVICE) -> list[dict[str, Any]]:
    """Return one row per step of the decoder walk.

    A row holds step, change and its confidence, against, digest, params, macs,
    peak_activation_bytes, latency_ms with its 80 % interval and source, ``…_delta`` of the four
    against the step before (fractions), ``…_ratio`` of the first step to this one, and
    ``published``: an object of figures, or None. Latency fields are None with ``device=None``.
    Raises :class:`WalkbenchError` for an unknown device.
    """
    source = source_of(device) if device is not None else None
    rows: list[dict[str, Any]] = []
    for step, spec in zip(DECODER_WALK, decoder_walk().values(), strict=True):
        priced = cost(spec)
        latency = source.predict(spec) if source is not None else None
        row: dict[str, Any] = {
            "family": "decoder",
            "step": step.name,
            "change": step.change,
            "confidence": step.confidence,
            "against": rows[-1]["step"] if rows else None,
            "digest": spec.digest(),
            "params": priced.params,
            "macs": priced.macs,
            "peak_activation_bytes": priced.peak_activation_bytes,
            "latency_ms": latency and latency.ms,
            "latency_low_ms": latency and latency.low,
            "latency_high_ms": latency and latency.high,
            "latency_source": latency and latency.source,
            "device": device,
        }
        first, before = (rows[0], rows[-1]) if rows else (row, None)
        for field in MEASURES:
            name, value = _short(field), row[field]
            known = value is not None and before is not None
            row[f"{name}_delta"] = value / before[field] - 1 if known and before else None
            row[f"{name}_ratio"] = None if value is None else first[field] / value
        row["published"] = published_decoder().get(step.name)
        rows.append(row)
    return rows


def _short(field: str) -> str:
    return field.removesuffix("_ms").removesuffix("_activation_bytes")
