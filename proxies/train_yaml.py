r"""`train.yaml`: a recipe as text, with one section per concern and a comment per key.

Its header says what to expect, what it costs and the command. ``kind`` is that of the network, a
UNet's where it is left out. Reading is strict: a section, key or value that is not known is an
error.

>>> from proxies.train_config import config_for
>>> from search_space.presets import named_spec
>>> text = render(config_for(named_spec("snapgen-t2i")), named_spec("snapgen-t2i"))
>>> text.splitlines()[0]
'# Recipe of `walkbench train` for the network 836c0534af46.'
>>> parse(text) == config_for(named_spec("snapgen-t2i"))
True
>>> parse("format: 1\nrun: {steps: 0}")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: train.yaml: run.steps is 0; an integer of 1 or more is needed
"""

import dataclasses
from pathlib import Path
from typing import Any

from proxies.setting import settings_of
from proxies.train_config import RECIPES, AnyTrainConfig, DecoderTrainConfig, changed
from search_space.decoder.spec import DecoderSpec
from search_space.errors import WalkbenchError, raise_unknown
from search_space.network import DEFAULT_KIND, Network
from search_space.spec import UNetSpec

FILE = "train.yaml"
FORMAT = 1  # bumped when a key changes meaning


def read(path: Path) -> AnyTrainConfig:
    """Read a `train.yaml`; raises :class:`WalkbenchError` naming what is wrong in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise WalkbenchError(
            f"recipe {str(path)!r}: {reason}; name a folder that `walkbench export` wrote"
        ) from None
    return parse(text, str(path))


def parse(text: str, where: str = FILE) -> AnyTrainConfig:
    """Read the text of a `train.yaml`; what it leaves out has its default."""
    try:
        import yaml
    except ImportError:
        raise WalkbenchError(f"{where} needs PyYAML; pip install 'walkbench[train]'") from None
    try:
        data = yaml.safe_load(text)
    except yaml.YAMLError as error:
        said = " ".join(str(error).split())
        raise WalkbenchError(f"{where} is not YAML: {said}") from None
    if not isinstance(data, dict):
        raise WalkbenchError(f"{where} is not a recipe; sections of keys are needed")
    version = data.pop("format", None)
    if version != FORMAT:
        newer = isinstance(version, int) and version > FORMAT
        advice = "it is of a newer Walkbench; install that" if newer else "write `format: 1`"
        raise WalkbenchError(
            f"{where} has format {version!r}, this version reads {FORMAT}; {advice}"
        )
    kind = data.pop("kind", DEFAULT_KIND)
    if kind not in RECIPES:
        raise_unknown(f"kind of network in {where}:", str(kind), RECIPES)
    return changed(RECIPES[kind](), data, where)


def render(
    config: AnyTrainConfig, spec: Network, name: str | None = None, folder: str = "DIR"
) -> str:
    """Return the text of `train.yaml` for the network ``spec``, called ``name`` if it has one."""
    lines = [*_header(config, spec, name, folder), "", f"format: {FORMAT}"]
    if spec.kind != DEFAULT_KIND:
        lines.append(f"kind: {spec.kind}")
    for section in dataclasses.fields(config):
        values = getattr(config, section.name)
        lines += ["", f"{section.name}:"]
        for key, about in settings_of(type(values)):
            lines.append(f"  {f'{key}: {_yaml(getattr(values, key))}':<32}# {about.help}")
    return "\n".join(lines) + "\n"


def _header(config: AnyTrainConfig, spec: Network, name: str | None, folder: str) -> list[str]:
    from search_space.cost import cost

    found, run = cost(_trained(config, spec)), config.run
    flops = 6.0 * found.macs * run.batch * run.steps  # 2 per MAC, backward twice the forward
    called = f"{name}, " if name else ""
    text = [
        f"Recipe of `walkbench train` for {called}the network {spec.digest()}.",
        "",
        "  expected  a loss that falls fast in the first hundreds of steps and slowly afterwards;",
        "            judge by the sample grids. What this design reaches is not known beforehand.",
        f"  cost      {run.steps:,} steps × {run.batch} pictures × {found.macs / 1e9:,.3g} billion",
        f"            multiply-adds forward = {flops:.2g} floating-point operations:",
        f"            {_hours(flops / 4e14)} on a GPU that sustains 400 TFLOP/s, "
        f"{_hours(flops / 5e10)} on",
        "            a CPU core that sustains 50 GFLOP/s.",
        f"            {found.params / 1e6:,.3g} million parameters take {_bytes(16 * found.params)}"
        " with gradients, moments and averages.",
        f"  command   walkbench train {folder} --data {_DATA[spec.kind]}",
        f"            accelerate launch -m studies.cli train {folder} --data …     (several GPUs)",
        "",
        _reads(config, spec),
    ]
    return [f"# {line}".rstrip() for line in text]


_DATA = {"unet": "PICTURES|CACHE|shapes", "decoder": "PICTURES|shapes|digits"}


def _trained(config: AnyTrainConfig, spec: Network) -> Network:
    """Return the network at the size that it trains at."""
    if isinstance(config, DecoderTrainConfig) and isinstance(spec, DecoderSpec):
        return spec.replace(latent_size=config.data.picture // spec.factor)
    return spec


def _reads(config: AnyTrainConfig, spec: Network) -> str:
    if isinstance(config, DecoderTrainConfig) and isinstance(spec, DecoderSpec):
        return (
            f"The decoder reads {spec.in_channels} channels of latents and makes {spec.factor} × "
            f"{spec.factor} pixels of each; it trains on pictures of {config.data.picture} pixels."
        )
    assert isinstance(spec, UNetSpec)
    side = spec.latent_size
    return (
        f"The network reads {spec.in_channels} channels of {side} × {side} and "
        f"{spec.context.tokens} text tokens {spec.context.given_width} wide."
    )


def _hours(seconds: float) -> str:
    hours = seconds / 3600
    if hours < 1:
        return f"{60 * hours:.2g} minutes"
    return f"{hours:,.0f} hours" if hours < 72 else f"{hours / 24:,.0f} days"


def _bytes(count: float) -> str:
    return f"{count / 1e9:,.2g} GB" if count >= 1e9 else f"{count / 1e6:,.2g} MB"


def _yaml(value: Any) -> str:
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else f"{value}"
