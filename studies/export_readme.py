"""`readme(facts, made)`: the model card of an exported folder.

>>> card = readme({**EXAMPLE, "name": "sd15"}, EXAMPLE_PROVENANCE)
>>> [line for line in card.splitlines() if line.startswith("#")][:2]
['# sd15', '## Figures']
"""

from typing import Any

from search_space.diffusers_bridge.carried import CARRIED
from search_space.exported import PIPELINE_FOLDERS

# The least that an export knows of itself; also what the doctest above shows.
EXAMPLE: dict[str, Any] = {
    "digest": "0" * 12,
    "name": None,
    "class": "UNet2DConditionModel",
    "why_own": None,
    "pipeline": {"name": "StableDiffusionPipeline", "why_not": None},
    "components": {"named": None, "copied": []},
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
}
EXAMPLE_PROVENANCE: dict[str, Any] = {"versions": {"walkbench": "0"}, "code_revision": None}

_FRONT = """---
library_name: diffusers
pipeline_tag: text-to-image
tags:
- walkbench
---"""


def readme(facts: dict[str, Any], made: dict[str, Any]) -> str:
    """Return Markdown with the design's figures, where they come from, and how to load it.

    ``facts`` is `export.json`, ``made`` is `provenance.json`.
    """
    title = facts["name"] or f"UNet {facts['digest']}"
    parts = [
        f"{_FRONT}\n\n# {title}",
        f"A text-to-image UNet designed with Walkbench, digest `{facts['digest']}`. "
        + _weights(facts["weights"]),
        "## Figures",
        _figures(facts),
        "## Loading the network",
        _network(facts),
        "## Sampling",
        _pipeline(facts),
        "## Training",
        _training(facts),
        "## Where it comes from",
        _origin(facts, made),
        "`spec.json` says everything about the network; `export.json` is this page for programs, "
        "`provenance.json` its versions and the trial behind it. "
        "`walkbench spec import path/to/this/folder` reads the design back.",
    ]
    return "\n\n".join(parts) + "\n"


def _weights(weights: dict[str, Any]) -> str:
    if weights["kind"] == "initial":
        return (
            f"The weights are **initial, not trained**: seed {weights['seed']}, "
            f"{weights['dtype']}, drawn from one stream per parameter name."
        )
    if weights["kind"] == "proxy":
        return (
            f"It is the **twin** of the design `{weights['twin_of']}`, {weights['width']} channels "
            f"wide for 256 of it, as a proxy trained it: {weights['steps']:,} steps on "
            f"`{weights['data']}`, averaged weights, {weights['dtype']}. The class adds the linear "
            "guess of the velocity that the proxy learned to correct.\n\n"
            "`captions.safetensors` has what turns captions into text embeddings: the sum of "
            "`words.weight` at the caption's word numbers and `places.weight`. With Walkbench, "
            "`proxies.data.prompts.encode` numbers the words of shapes and scenes."
        )
    return (
        f"The weights are those of the checkpoint `{weights['file']}` (SHA-256 "
        f"`{weights['sha256'][:16]}…`), {weights['dtype']}."
    )


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
        rows.append((f"proxy loss of its twin{_length(facts)} (lower is better)", _score(score)))
    lines = [f"| {name} | {value} |" for name, value in rows]
    return "\n".join(["| figure | value |", "|---|---|", *lines])


def _latency(latency: dict[str, Any]) -> str:
    interval = f"80 % interval {latency['low']:.0f}–{latency['high']:.0f} ms"
    return f"{latency['ms']:.0f} ms, {interval}, {100 * latency['coverage']:.0f} % of it measured"


def _score(score: dict[str, Any]) -> str:
    error = f" ± {score['stderr']:.4f}" if score.get("stderr") is not None else ""
    return f"{score['value']:.4f}{error}"


def _length(facts: dict[str, Any]) -> str:
    """Say how long the twin trained, and on which rung where the study has several."""
    steps = (facts["score"].get("fidelity") or {}).get("steps")
    trial = facts["trial"] or {}
    rung = f", rung {trial['rung']} of {trial['rungs']}" if trial.get("rungs", 1) > 1 else ""
    return (f" after {steps:,} steps" if steps else "") + rung


def _network(facts: dict[str, Any]) -> str:
    if facts["why_own"] is None:
        name = facts["class"]
        return (
            f"The class is `{name}` of diffusers, which computes exactly this network:\n\n"
            f"    from diffusers import {name}\n\n"
            f'    unet = {name}.from_pretrained("path/to/this/folder", subfolder="unet")'
        )
    why = f"{facts['why_own'][0].upper()}{facts['why_own'][1:]}"
    return (
        f"The class is `{facts['class']}`, which this folder carries in `unet/{CARRIED}.py`; it "
        "needs torch and diffusers, not Walkbench. Read the file before you trust it.\n\n"
        "    from diffusers import AutoModel\n\n"
        '    unet = AutoModel.from_pretrained("path/to/this/folder/unet", '
        "trust_remote_code=True)\n\n"
        "It is called as `UNet2DConditionModel` is. `enable_gradient_checkpointing()` and LoRA "
        'through peft work; target modules are `"q", "k", "v", "out"`.\n\n'
        f"Why not a class of diffusers: {why}."
    )


def _pipeline(facts: dict[str, Any]) -> str:
    pipeline, components = facts["pipeline"], facts["components"]
    name = pipeline["name"]
    if name is None:
        why = pipeline["why_not"]
        return f"{why[0].upper()}{why[1:]}: call the network and the scheduler in a loop."
    trust = ", trust_remote_code=True" if facts["why_own"] is not None else ""
    parts = [p for p in PIPELINE_FOLDERS if name.endswith("XLPipeline") or not p.endswith("_2")]
    call = f'{name}.from_pretrained("path/to/this/folder"{trust}'
    text = f"    from diffusers import {name}\n\n"
    if components["copied"]:
        text += f'    pipe = {call})\n    image = pipe("a red circle").images[0]'
    elif components["named"]:
        text = (
            f"    from diffusers import DiffusionPipeline, {name}\n\n"
            f'    parts = DiffusionPipeline.from_pretrained("{components["named"]}", unet=None)\n'
            f"    pipe = {call},\n        "
            + ", ".join(f"{part}=parts.{part}" for part in parts)
            + ')\n    image = pipe("a red circle").images[0]'
        )
    else:
        text += (
            f"    pipe = {call},\n        "
            + ", ".join(f"{part}={part}" for part in parts)
            + ")\n\nThe folder has none of these parts: give the ones that the network was trained "
            'with, or None\nand pass `prompt_embeds`, with `output_type="latent"`.'
        )
    return (
        f"{text}\n\nThe network predicts the velocity of a straight path from picture to noise. "
        "The scheduler integrates\nit with DPM-Solver++; `UniPCMultistepScheduler.from_config("
        "pipe.scheduler.config)` does too.\n`FlowMatchEulerDiscreteScheduler` does not run in this "
        "pipeline."
    )


def _training(facts: dict[str, Any]) -> str:
    return (
        "`train.yaml` is the whole recipe; its header says what it costs:\n\n"
        "    walkbench train path/to/this/folder --data PICTURES\n\n"
        "Other trainers: the target is `noise - latents` at `(1 - t) * latents + t * noise`, and "
        "the timestep is `1000 * t`.\nAny loop that calls `unet(noisy, timesteps, "
        f"encoder_hidden_states)` trains it. It reads {facts['tokens']} text tokens."
    )


def _origin(facts: dict[str, Any], made: dict[str, Any]) -> str:
    trial = facts["trial"]
    revision = made["code_revision"] or "unknown revision"
    text = f"Written by Walkbench {made['versions'].get('walkbench')} ({revision})."
    if trial is None:
        return text
    feasible = {True: "within its budgets", False: "over a budget"}.get(trial["feasible"], "")
    where = f"Trial {trial['number']} of study `{trial['study']}`"
    return f"{where}{', ' + feasible if feasible else ''}. {text}"


def _bytes(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB"
