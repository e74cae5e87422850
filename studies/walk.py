"""The design walk from SDXL to SnapGen: computed figures beside the published ones.

Each step has an exact cost, an estimated latency and its changes against an earlier step, beside
the published figures with their confidence words. Figures that the paper does not print stay empty.

>>> rows = walk_rows("M", device=None)
>>> row = next(row for row in rows if row["step"] == "ffn-3")
>>> round(row["params_delta"], 3), row["published"]["params_delta"]["value"]
(-0.124, -0.12)
"""

import json
import tomllib
from functools import lru_cache
from importlib.resources import files
from typing import Any, Literal

from latency_db.sources import source_of
from search_space.cost import cost
from search_space.errors import raise_unknown
from search_space.presets import FAMILIES, WALK, walk_specs

WALK_DEVICE = "iPhone 15 Pro"  # the phone of the walk's published latencies
DELTAS = ("params", "macs", "latency_ms")

FamilyChoice = Literal["M", "F", "both"]


@lru_cache(maxsize=1)
def measured_walk() -> dict[str, dict[str, Any]]:
    """Return what short training measured of each step's change in loss, by `FAMILY/step`.

    From the validation study of the proxy (`benchmarks/proxy_validation.py`): the step ``before``,
    ``relative``, ``low``, ``high`` (a fraction with its 95 % interval), ``verdict``, ``seeds``,
    ``steps``, ``latent``, and ``untried_latents`` at which the step may look otherwise
    (:mod:`proxies.resolution`).
    """
    text = (files("studies") / "measured_walk.json").read_text("utf-8")
    study = json.loads(text)
    shared = {name: study[name] for name in ("seeds", "steps", "latent")}
    fields = ("before", "relative", "low", "high", "verdict", "untried_latents")
    return {
        change["after"]: {**{field: change[field] for field in fields}, **shared}
        for change in study["changes"]
    }


@lru_cache(maxsize=1)
def published_walk() -> dict[str, dict[str, Any]]:
    """Return what is published of each step: figure → value, confidence, source."""
    text = (files("studies") / "published_walk.toml").read_text("utf-8")
    data = tomllib.loads(text)
    paper, device = data.pop("paper"), data.pop("latency_device")
    for step in data.values():
        for key, figure in step.items():
            if key != "against":
                figure.setdefault("source", paper)
            if key == "latency_delta":
                figure.setdefault("device", device)
    return data


def walk_rows(
    family: FamilyChoice = "both", device: str | None = WALK_DEVICE
) -> list[dict[str, Any]]:
    """Return one row per step of the walk in ``family``.

    A row holds family, step, change, against, digest, params, macs, latency_ms with its 80 %
    interval and source, the deltas of the three against the step named in ``against`` (fractions;
    None for the first), ``published``: an object of figures, or None where nothing is published,
    and ``proxy_loss``: the change in loss that short training measured (:func:`measured_walk`),
    None where it was not trained. Latency fields are None with ``device=None``. Raises
    :class:`WalkbenchError` for an unknown family or device.
    """
    if family != "both" and family not in FAMILIES:
        raise_unknown("family", family, [*FAMILIES, "both"])
    chosen = FAMILIES if family == "both" else {family: FAMILIES[family]}
    return [row for name in chosen for row in _family_rows(name, device)]


def _family_rows(family: str, device: str | None) -> list[dict[str, Any]]:
    source = source_of(device) if device is not None else None
    rows: dict[str, dict[str, Any]] = {}
    changes = {step.name: step.change for step in WALK}
    for step, spec in walk_specs(FAMILIES[family]).items():
        published = dict(published_walk()[step])
        against = published.pop("against", None)
        priced = cost(spec)
        latency = source.predict(spec) if source is not None else None
        row: dict[str, Any] = {
            "family": family,
            "step": step,
            "change": changes[step],
            "against": against,
            "digest": spec.digest(),
            "params": priced.params,
            "macs": priced.macs,
            "latency_ms": latency and latency.ms,
            "latency_low_ms": latency and latency.low,
            "latency_high_ms": latency and latency.high,
            "latency_source": latency and latency.source,
            "device": device,
        }
        before = rows.get(against) if against else None
        for field in DELTAS:
            row[_delta_name(field)] = _delta(row[field], before[field] if before else None)
        row["published"] = published or None
        row["proxy_loss"] = measured_walk().get(f"{family}/{step}")
        rows[step] = row
    return list(rows.values())


def _delta_name(field: str) -> str:
    return f"{field.removesuffix('_ms')}_delta"


def _delta(value: float | None, before: float | None) -> float | None:
    return None if value is None or before is None else value / before - 1
