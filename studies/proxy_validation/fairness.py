"""Is a recipe fair to every switch of a design? Interactions of switches with the learning rate.

A recipe whose best learning rate depends on a switch ranks rates, not designs: under AdamW networks
with dense samplers lost 14 % after 4,000 steps, most of which they gained back at another rate.
Eleven switches at two levels, in 24 networks in which each switch is balanced against every other
(:mod:`studies.proxy_validation.screening`), are trained at half and at double the recipe's rate.
What a switch adds to ln(loss at double) − ln(loss at half), averaged over the levels of all others,
is its interaction with the rate: at 1 %, a fourfold rate moves the comparison of the two levels by
one percent of the loss. A recipe passes where every interaction is below :data:`GATE` and known to
a standard error of :data:`GATE_ERROR`.

>>> len({network(number).digest() for number in range(NETWORKS)})
24
>>> network(0).sampler, network(12).sampler
('separable', 'dense')
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from proxies.recipe import Recipe
from proxies.setting import as_dict
from search_space.space import FixedValues, SearchSpace
from search_space.spec import UNetSpec
from studies.proxy_validation.screening import effects, folded_plackett_burman

GATE, GATE_ERROR = 0.01, 0.005  # of the loss
HALF, DOUBLE = 0.5, 2.0  # times the recipe's learning rate

Values = dict[str, Any]


def _stages(axis: str, value: Any, stages: Sequence[int] = (0, 1, 2)) -> Values:
    return {f"{axis}.{stage}": value for stage in stages}


def _depths(middle: int, last: int) -> Values:
    return {f"depth.{i}.{way}": n for i, n in ((1, middle), (2, last)) for way in ("down", "up")}


SWITCHES: dict[str, tuple[Values, Values]] = {  # values at minus and at plus
    "sampler": ({"sampler": "dense"}, {"sampler": "separable"}),
    "conv": (_stages("conv", "dense"), _stages("conv", "separable")),
    "expansion": ({"expansion": 1.0}, {"expansion": 2.0}),
    "attention": ({"self_attention.1": False}, {"self_attention.1": True}),
    "depth": (_depths(1, 1), _depths(2, 3)),
    "ff_ratio": ({"ff_ratio": 2.0}, {"ff_ratio": 4.0}),
    "kv_heads": ({"kv_heads": "all"}, {"kv_heads": 1}),
    "qk_norm": ({"qk_norm": "none"}, {"qk_norm": "rms"}),
    "rope": ({"rope": False}, {"rope": True}),
    "channels": ({"channels.0": 192}, {"channels.0": 256}),
    "mid": ({"mid": False, "mid_depth": 0}, {"mid": True, "mid_depth": 2}),
}
COMMON: Values = {
    "channels.1": 512,
    "self_attention.2": True,
    "cross_attention.1": True,
    "cross_attention.2": True,
    "mid_self_attention": True,
    "mid_cross_attention": True,
}
SIGNS = folded_plackett_burman(len(SWITCHES))
NETWORKS = len(SIGNS)


@cache
def _space() -> SearchSpace:
    return SearchSpace.from_toml(
        (files("studies.proxy_validation") / "switches.toml").read_text("utf-8"), "switches"
    )


@cache
def network(number: int) -> UNetSpec:
    """Return network ``number`` of the 24."""
    values = dict(COMMON)
    for (minus, plus), sign in zip(SWITCHES.values(), SIGNS[number], strict=True):
        values.update(plus if sign > 0 else minus)
    spec: UNetSpec = _space().suggest(FixedValues(values))
    return spec


def recipe_digest(recipe: Recipe, curve: Sequence[float] = ()) -> str:
    """Return 12 hex digits of a recipe and of the golden loss ``curve`` that it gives.

    The curve makes a changed optimizer another recipe, which its settings do not show.
    """
    rounded = [f"{loss:.3e}" for loss in curve]
    text = json.dumps({"recipe": as_dict(recipe), "curve": rounded}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def interactions(losses: Mapping[tuple[int, float, int], float]) -> dict[str, Any]:
    """Return interactions and main effects from losses by (network, rate, seed).

    Only seeds of which all runs are there count. The interactions have their standard errors.
    """
    wanted = {(number, rate) for number in range(NETWORKS) for rate in (HALF, DOUBLE)}
    seeds = sorted({seed for _, _, seed in losses})
    complete = [s for s in seeds if all((*cell, s) in losses for cell in wanted)]
    if not complete:
        return {"seeds": 0, "interactions": {}}
    logs = np.log(
        [
            [[losses[number, rate, seed] for seed in complete] for rate in (HALF, DOUBLE)]
            for number in range(NETWORKS)
        ]
    )  # (24, 2, seeds)
    slopes = logs[:, 1] - logs[:, 0]  # (24, seeds)
    spread = float(slopes.std(axis=1, ddof=1).mean()) if len(complete) > 1 else None
    return {
        "seeds": len(complete),
        "loss": float(np.exp(logs.mean())),
        "rate_effect": float(slopes.mean()),
        "spread_of_one_seed": spread,
        "interactions": _named(slopes.mean(axis=1)),
        "effects": _named(logs.mean(axis=(1, 2))),
    }


def _named(response: Any) -> dict[str, dict[str, float]]:
    found = effects(SIGNS, response)
    return {
        name: {"effect": round(effect, 5), "stderr": round(error, 5)}
        for name, (effect, error) in zip(SWITCHES, found, strict=True)
    }


def failures(report: Mapping[str, Any], digest: str) -> list[str]:
    """Return why a committed ``report`` does not show that the recipe with ``digest`` is fair."""
    found = []
    if report.get("recipe_digest") != digest:
        found.append(f"the report is of recipe {report.get('recipe_digest')}, not of {digest}")
    if set(report.get("interactions", {})) != set(SWITCHES):
        found.append("not every switch has an interaction: no seed is complete")
    for name, one in report.get("interactions", {}).items():
        if not abs(one["effect"]) < GATE:
            found.append(f"{name}: {one['effect']:+.2%} of the loss from half to double the rate")
        if not one["stderr"] <= GATE_ERROR:
            found.append(f"{name}: known to {one['stderr']:.2%} only; train more seeds")
    return found
