r"""`TrainConfig`: the whole recipe of `walkbench train`, as a bundle's `train.yaml` says it.

The file has one section per concern and a comment per key. Its header says what to expect, what it
costs and the command. Reading is strict: a section, key or value that is not known is an error.

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
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

from proxies.optimizers import OPTIMIZERS
from proxies.setting import check, setting, settings_of
from search_space.errors import WalkbenchError, raise_unknown
from search_space.spec import UNetSpec

FILE = "train.yaml"
FORMAT = 1  # bumped when a key changes meaning
_WORDS: dict[type, str] = {bool: "true or false", str: "text"}
T = TypeVar("T")


@dataclass(frozen=True)
class DataConfig:
    """Which part of the data is read, and how pictures are cropped."""

    crop: str = setting(
        "centre",
        help="centre: middle squares; aspect: rectangles of the picture's own shape.",
        choices=lambda: ("centre", "aspect"),
    )
    train_images: int = setting(
        16384, help="Pictures of data that are made from a seed (shapes).", least=2
    )
    validation_images: int = setting(256, help="Held-out pictures of the loss.", least=2)
    vae: str | None = setting(None, help="Refuse cached latents of any other VAE.")


@dataclass(frozen=True)
class FlowConfig:
    """Flow matching: how times are drawn."""

    time_mean: float = setting(0.0, help="Mean of the logit-normal times' logit.")
    time_std: float = setting(1.0, help="Its standard deviation.", above=0)
    linear_guess: bool = setting(
        True, help="Learn what the data's mean and variance leave over; no stock class can."
    )
    shift: float = setting(
        1.0,
        help="Times move towards noise by this factor; the sampler's shift is the same.",
        above=0,
    )


@dataclass(frozen=True)
class ConditionConfig:
    """Classifier-free guidance."""

    dropout: float = setting(
        0.1, help="Share of captions that are left empty in training.", least=0, below=1
    )
    guidance: float = setting(3.0, help="Guidance of sample grids; 1 is none.", least=1)


@dataclass(frozen=True)
class OptimizerConfig:
    """Who takes the steps, how far, and what the averaged weights remember."""

    name: str = setting("adamw", help="Optimizer.", choices=OPTIMIZERS.names)
    learning_rate: float = setting(2e-4, help="After the warm-up.", above=0)
    warm_up: int = setting(1000, help="Steps until the learning rate is reached.", least=0)
    cooldown: float = setting(
        0.1, help="Share of the run at its end in which the rate falls to zero.", least=0, below=1
    )
    beta1: float = setting(0.9, help="Decay of the average of gradients.", least=0, below=1)
    beta2: float = setting(0.99, help="Decay of that of their squares.", least=0, below=1)
    weight_decay: float = setting(0.0, help="Decay of all weights, times the rate.", least=0)
    clip: float = setting(1.0, help="Limit of the joint norm of the gradients.", above=0)
    ema_sigma: float = setting(
        0.05, help="Share of the run that averaged weights reach back.", above=0, below=0.28
    )


@dataclass(frozen=True)
class RunConfig:
    """How long, in what portions, and what is kept on the way."""

    steps: int = setting(100_000, help="Training steps.", least=1)
    batch: int = setting(256, help="Pictures per step, of all processes together.", least=1)
    accumulate: int = setting(
        1, help="Parts in which a process passes its share of a batch.", least=1
    )
    seed: int = setting(0, help="Of new weights, order of pictures, noise and times.", least=0)
    log_every: int = setting(50, help="Steps between two lines of the logs.", least=1)
    validate_every: int = setting(2000, help="Steps between two validations.", least=1)
    sample_every: int = setting(5000, help="Steps between two sample grids; 0: none.", least=0)
    samples: int = setting(16, help="Pictures of a grid.", least=1)
    sample_steps: int = setting(24, help="Steps of its sampler.", least=1)
    checkpoint_every: int = setting(1000, help="Steps between two checkpoints.", least=1)
    keep: int = setting(2, help="Checkpoints that are kept.", least=1)


@dataclass(frozen=True)
class ComputeConfig:
    """Arithmetic and memory."""

    precision: str = setting(
        "auto",
        help="auto: bfloat16 on GPUs that have it, else float32.",
        choices=lambda: ("auto", "float32", "tf32", "bfloat16"),
    )
    compile: bool = setting(False, help="Train through torch.compile; for GPUs.")
    channels_last: bool = setting(True, help="Pictures in memory with channels last.")
    gradient_checkpointing: bool = setting(
        False, help="Compute activations again in the backward pass instead of keeping them."
    )
    threads: int = setting(1, help="CPU threads of a process.", least=1)


@dataclass(frozen=True)
class TrainConfig:
    """The recipe: one section each."""

    data: DataConfig = field(default_factory=DataConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    conditions: ConditionConfig = field(default_factory=ConditionConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    run: RunConfig = field(default_factory=RunConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)

    def __post_init__(self) -> None:
        for one in dataclasses.fields(self):
            try:
                check(getattr(self, one.name))
            except WalkbenchError as error:
                raise WalkbenchError(f"{one.name}.{error}") from None

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return sections of keys as JSON types; :func:`parse` reads them as YAML."""
        return dataclasses.asdict(self)

    def but(self, values: dict[str, Any]) -> "TrainConfig":
        """Return the recipe with other ``values`` by ``section.key``."""
        sections: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            section, _, key = name.partition(".")
            sections.setdefault(section, {})[key] = value
        return _read(sections, self, "command line")


def config_for(spec: UNetSpec) -> TrainConfig:
    """Return the recipe to begin with for ``spec``: AdamW at a batch of 256.

    A design that a stock class of diffusers builds keeps that class, which makes no linear guess.
    The shift grows with the side of the latents, as √(places) does in SD3 (arXiv 2403.03206,
    §5.3.2), and is their 3 at 128 × 128.
    """
    from search_space.diffusers_bridge import config_from_spec

    shift = max(1.0, round(3 * spec.latent_size / 128, 2))
    try:
        config_from_spec(spec)
    except WalkbenchError:
        return TrainConfig(flow=FlowConfig(shift=shift))
    return TrainConfig(flow=FlowConfig(shift=shift, linear_guess=False))


def read(path: Path) -> TrainConfig:
    """Read a `train.yaml`; raises :class:`WalkbenchError` naming what is wrong in it."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise WalkbenchError(
            f"recipe {str(path)!r}: {reason}; name a folder that `walkbench export` wrote"
        ) from None
    return parse(text, str(path))


def parse(text: str, where: str = FILE) -> TrainConfig:
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
    return _read(data, TrainConfig(), where)


def _read(data: dict[str, Any], base: TrainConfig, where: str) -> TrainConfig:
    """Return ``base`` with the values of ``data``, section by section."""
    sections = [one.name for one in dataclasses.fields(TrainConfig)]
    changed = {}
    for name, values in data.items():
        if name not in sections:
            raise WalkbenchError(f"{where} has no section {name!r}; it has {', '.join(sections)}")
        if not isinstance(values, dict):
            raise WalkbenchError(f"{where}: {name} is {values!r}; a section of keys is needed")
        changed[name] = _section(getattr(base, str(name)), values, f"{where}: {name}")
    try:
        return dataclasses.replace(base, **changed)
    except WalkbenchError as error:
        raise WalkbenchError(f"{where}: {error}") from None


def _section(base: Any, values: dict[str, Any], where: str) -> Any:
    hints, known = get_type_hints(type(base)), dict(settings_of(type(base)))
    read = {}
    for key, value in values.items():
        if key not in known:
            raise_unknown(f"key {where}.", str(key), known)
        kinds = get_args(hints[key]) or (hints[key],)
        if float in kinds and type(value) is int:
            value = float(value)
        if float in kinds and isinstance(value, str):
            value = _number(value)  # YAML 1.1 takes 2e-4 for text
        if type(value) not in kinds:
            words = _WORDS.get(kinds[0]) or known[key].allowed(int in kinds)
            raise WalkbenchError(f"{where}.{key} is {value!r}; {words} is needed")
        read[key] = value
    return dataclasses.replace(base, **read)


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def render(
    config: TrainConfig, spec: UNetSpec, name: str | None = None, folder: str = "DIR"
) -> str:
    """Return the text of `train.yaml` for the network ``spec``, called ``name`` if it has one."""
    lines = [*_header(config, spec, name, folder), "", f"format: {FORMAT}"]
    for section in dataclasses.fields(config):
        values = getattr(config, section.name)
        lines += ["", f"{section.name}:"]
        for key, about in settings_of(type(values)):
            lines.append(f"  {f'{key}: {_yaml(getattr(values, key))}':<32}# {about.help}")
    return "\n".join(lines) + "\n"


def _header(config: TrainConfig, spec: UNetSpec, name: str | None, folder: str) -> list[str]:
    from search_space.cost import cost

    found, run = cost(spec), config.run
    flops = 6.0 * found.macs * run.batch * run.steps  # 2 per MAC, backward twice the forward
    side, called = spec.latent_size, f"{name}, " if name else ""
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
        f"  command   walkbench train {folder} --data PICTURES|CACHE|shapes",
        f"            accelerate launch -m studies.cli train {folder} --data …     (several GPUs)",
        "",
        f"The network reads {spec.in_channels} channels of {side} × {side} and "
        f"{spec.context.tokens} text tokens {spec.context.given_width} wide.",
    ]
    return [f"# {line}".rstrip() for line in text]


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
