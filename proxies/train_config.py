"""The recipes of `walkbench train`: `TrainConfig` of UNets, `DecoderTrainConfig` of decoders.

Sections of settings, each with its help; :mod:`proxies.train_yaml` reads and writes them.

>>> TrainConfig().but({"run.steps": 10}).run.steps
10
>>> DecoderTrainConfig().but({"reconstruction.edges": -1.0})
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: command line: reconstruction.edges is -1.0; a number of 0 or
more is needed
"""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar, get_args, get_type_hints

from proxies.objectives.reconstruction import Reconstruction
from proxies.optimizers import OPTIMIZERS
from proxies.setting import check, setting, settings_of
from proxies.train_recipe import RecipeConfig
from search_space.decoder.spec import DecoderSpec
from search_space.errors import WalkbenchError, raise_unknown
from search_space.spec import UNetSpec

_WORDS: dict[type, str] = {bool: "true or false", str: "text"}
S = TypeVar("S", bound="Sections")


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
class Portions:
    """How long, and in what portions."""

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


@dataclass(frozen=True)
class Drawn:
    """How pictures are drawn on the way."""

    sample_steps: int = setting(24, help="Steps of its sampler.", least=1)


@dataclass(frozen=True)
class Kept:
    """What is kept on the way."""

    checkpoint_every: int = setting(1000, help="Steps between two checkpoints.", least=1)
    keep: int = setting(2, help="Checkpoints that are kept.", least=1)


@dataclass(frozen=True)
class RunConfig(Kept, Drawn, Portions):
    """How long, in what portions, and what is kept on the way; keys in the order of the bases."""


@dataclass(frozen=True)
class DecoderRunConfig(Kept, Portions):
    """The same for decoders, which draw in one step."""


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


class Sections:
    """A recipe: a frozen dataclass of sections."""

    def __post_init__(self) -> None:
        for one in dataclasses.fields(self):  # type: ignore[arg-type]  # of its subclasses
            try:
                check(getattr(self, one.name))
            except WalkbenchError as error:
                raise WalkbenchError(f"{one.name}.{error}") from None

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return sections of keys as JSON types; :mod:`proxies.train_yaml` reads them as YAML."""
        return dataclasses.asdict(self)  # type: ignore[call-overload, no-any-return]

    def but(self, values: dict[str, Any]) -> Self:
        """Return the recipe with other ``values`` by ``section.key``."""
        sections: dict[str, dict[str, Any]] = {}
        for name, value in values.items():
            section, _, key = name.partition(".")
            sections.setdefault(section, {})[key] = value
        return changed(self, sections, "command line")


@dataclass(frozen=True)
class TrainConfig(Sections):
    """The recipe of a UNet: one section each."""

    data: DataConfig = field(default_factory=DataConfig)
    flow: FlowConfig = field(default_factory=FlowConfig)
    conditions: ConditionConfig = field(default_factory=ConditionConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    run: RunConfig = field(default_factory=RunConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)
    recipe: RecipeConfig = field(default_factory=RecipeConfig)


@dataclass(frozen=True)
class DecoderDataConfig:
    """Which part of the data is read, and at which size."""

    picture: int = setting(256, help="Side of the pictures in training, in pixels.", least=8)
    train_images: int = setting(
        16384, help="Pictures of data that are made from a seed (shapes).", least=2
    )
    validation_images: int = setting(256, help="Held-out pictures of loss and PSNR.", least=2)


@dataclass(frozen=True)
class DecoderTrainConfig(Sections):
    """The recipe of a decoder: one section each."""

    data: DecoderDataConfig = field(default_factory=DecoderDataConfig)
    reconstruction: Reconstruction = field(default_factory=Reconstruction)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    run: DecoderRunConfig = field(default_factory=lambda: DecoderRunConfig(batch=32))
    compute: ComputeConfig = field(default_factory=ComputeConfig)


AnyTrainConfig = TrainConfig | DecoderTrainConfig
RECIPES: dict[str, type[AnyTrainConfig]] = {"unet": TrainConfig, "decoder": DecoderTrainConfig}


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


def decoder_config_for(spec: DecoderSpec) -> DecoderTrainConfig:
    """Return the recipe to begin with for a decoder: AdamW, pictures of 256 pixels or fewer.

    Decoders are convolutions and work at any size; larger pictures cost more and teach no more.
    """
    side = min(spec.picture_size, max(256 // spec.factor, 1) * spec.factor)
    return DecoderTrainConfig(data=DecoderDataConfig(picture=side))


def changed(base: S, data: dict[str, Any], where: str) -> S:
    """Return ``base`` with the values of ``data``, section by section.

    Raises :class:`WalkbenchError` naming what is not known, and the place as ``where``.
    """
    recipe: Any = base
    sections = [one.name for one in dataclasses.fields(recipe)]
    found = {}
    for name, values in data.items():
        if name not in sections:
            raise WalkbenchError(f"{where} has no section {name!r}; it has {', '.join(sections)}")
        if not isinstance(values, dict):
            raise WalkbenchError(f"{where}: {name} is {values!r}; a section of keys is needed")
        found[name] = _section(getattr(base, str(name)), values, f"{where}: {name}")
    try:
        made: S = dataclasses.replace(recipe, **found)
        return made
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
    try:
        return dataclasses.replace(base, **read)
    except WalkbenchError as error:  # of a section that checks itself
        raise WalkbenchError(f"{where}.{error}") from None


def _number(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text
