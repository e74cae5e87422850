"""`decoder_readme(facts)`: the README of a decoder's exported folder."""

from typing import Any

_ORIGINS = {
    "initial": "**initial, not trained**: seed {seed}",
    "checkpoint": "of the checkpoint `{file}`",
    "trained": "the averages of {steps:,} steps of `walkbench train`",
}


def decoder_readme(facts: dict[str, Any]) -> str:
    """Return Markdown with the decoder's figures, where they come from, and how to load it."""
    weights, latency = facts["weights"], facts["latency"]
    origin = _ORIGINS[weights["kind"]].format(**weights)
    rows = [
        ("parameters", f"{facts['params']:,}"),
        (f"MACs, {facts['latent']}×{facts['latent']} latents", f"{facts['macs']:,}"),
        ("picture", f"{facts['picture']}×{facts['picture']}"),
        ("weights at half precision", _bytes(facts["weight_bytes"])),
        ("activations at peak at half precision", _bytes(facts["peak_activation_bytes"])),
        (
            f"latency on {latency['device']}, {latency['source']}",
            f"{latency['ms']:.0f} ms, 80 % interval {latency['low']:.0f}–{latency['high']:.0f} ms",
        ),
    ]
    made = facts["provenance"]
    parts = [
        f"# {facts['name'] or 'Decoder ' + facts['digest']}",
        f"A decoder from latents to pictures, designed with Walkbench, digest `{facts['digest']}`. "
        f"The weights are {origin}, {weights['dtype']}.",
        "## Figures",
        "\n".join(["| figure | value |", "|---|---|", *(f"| {a} | {b} |" for a, b in rows)]),
        "## Loading",
        _loading(facts),
        "## Where it comes from",
        f"Written on {made['date']} by Walkbench {made['versions'].get('walkbench')} "
        f"({made['code_revision'] or 'unknown revision'}).",
        "`spec.json` says everything about the network; `export.json` is this page for programs.",
    ]
    return "\n\n".join(parts) + "\n"


def _loading(facts: dict[str, Any]) -> str:
    ours = (
        "    from search_space.exported_decoder import load_decoder_export\n\n"
        '    decoder = load_decoder_export("path/to/this/folder")'
    )
    if facts["why_own"] is not None:
        why = facts["why_own"]
        return f"With Walkbench installed:\n\n{ours}\n\n{why[0].upper()}{why[1:]}."
    name = facts["class"]
    whole = (
        f"With the encoder of `{facts['encoder']}`."
        if facts["encoder"]
        else "The folder holds the decoder's weights alone; diffusers draws an encoder at random."
    )
    stock = (
        f"    from diffusers import {name}\n\n"
        f'    vae = {name}.from_pretrained("path/to/this/folder", subfolder="vae")'
    )
    return f"diffusers:\n\n{stock}\n\n{whole}\n\nWalkbench:\n\n{ours}"


def _bytes(count: int) -> str:
    return f"{count / 2**20:,.1f} MiB"
