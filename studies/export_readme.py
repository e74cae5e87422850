"""`readme(facts)`: the README of an exported folder.

>>> readme({**EXAMPLE, "name": "sd15"}).splitlines()[0]
'# sd15'
"""

from typing import Any

# The least that an export knows of itself; also what the doctest above shows.
EXAMPLE: dict[str, Any] = {
    "digest": "0" * 12,
    "name": None,
    "class": "UNet2DConditionModel",
    "why_own": None,
    "params": 1,
    "macs": 1,
    "weight_bytes": 2,
    "activation_bytes": 2,
    "peak_activation_bytes": 2,
    "latent": 64,
    "tokens": 77,
    "latency": {
        "device": "A15",
        "ms": 2.0,
        "low": 1.0,
        "high": 3.0,
        "coverage": 0.0,
        "source": "estimated",
    },
    "score": None,
    "weights": {"kind": "initial", "seed": 0, "dtype": "fp32"},
    "trial": None,
    "provenance": {"date": "", "versions": {"walkbench": "0"}, "code_revision": None},
}


def readme(facts: dict[str, Any]) -> str:
    """Return Markdown with the design's figures, where they come from, and how to load it."""
    title = facts["name"] or f"UNet {facts['digest']}"
    weights = facts["weights"]
    parts = [
        f"# {title}",
        f"A text-to-image UNet designed with Walkbench, digest `{facts['digest']}`. The weights "
        f"are **initial, not trained**: seed {weights['seed']}, {weights['dtype']}, drawn from "
        "one stream per parameter name.",
        "## Figures",
        _figures(facts),
        "## Loading",
        _loading(facts),
        "## Where it comes from",
        _origin(facts),
        "`spec.json` says everything about the network; `export.json` is this page for programs.",
    ]
    return "\n\n".join(parts) + "\n"


def _figures(facts: dict[str, Any]) -> str:
    latency, score = facts["latency"], facts["score"]
    size = f"{facts['latent']}×{facts['latent']} latents, {facts['tokens']} text tokens"
    rows = [
        ("parameters", f"{facts['params']:,}"),
        (f"MACs, {size}", f"{facts['macs']:,}"),
        ("weights at half precision", _bytes(facts["weight_bytes"])),
        ("activations moved at half precision", _bytes(facts["activation_bytes"])),
        ("activations at peak at half precision", _bytes(facts["peak_activation_bytes"])),
        (f"latency on {latency['device']}, {latency['source']}", _latency(latency)),
    ]
    if score and score.get("value") is not None:
        rows.append(("proxy loss of its twin (lower is better)", _score(score)))
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| figure | value |", "|---|---|", *lines])


def _latency(latency: dict[str, Any]) -> str:
    interval = f"80 % interval {latency['low']:.0f}–{latency['high']:.0f} ms"
    return f"{latency['ms']:.0f} ms, {interval}, {100 * latency['coverage']:.0f} % of it measured"


def _score(score: dict[str, Any]) -> str:
    error = f" ± {score['stderr']:.4f}" if score.get("stderr") is not None else ""
    return f"{score['value']:.4f}{error}"


def _loading(facts: dict[str, Any]) -> str:
    ours = (
        "    from search_space.exported import load_exported\n\n"
        '    unet = load_exported("path/to/this/folder")'
    )
    if facts["why_own"] is not None:
        return (
            f"With Walkbench installed:\n\n{ours}\n\n"
            f"{facts['why_own'][0].upper()}{facts['why_own'][1:]}."
        )
    name = facts["class"]
    stock = (
        f"    from diffusers import {name}\n\n"
        f'    unet = {name}.from_pretrained("path/to/this/folder", subfolder="unet")'
    )
    return f"diffusers:\n\n{stock}\n\nWalkbench:\n\n{ours}"


def _origin(facts: dict[str, Any]) -> str:
    made, trial = facts["provenance"], facts["trial"]
    revision = made["code_revision"] or "unknown revision"
    by = f"Walkbench {made['versions'].get('walkbench')} ({revision})"
    text = f"Written on {made['date']} by {by}."
    if trial is None:
        return text
    feasible = {True: "within its budgets", False: "over a budget"}.get(trial["feasible"], "")
    where = f"Trial {trial['number']} of study `{trial['study']}`"
    return f"{where}{', ' + feasible if feasible else ''}. {text}"


def _bytes(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB"
