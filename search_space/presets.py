"""Named specs: public UNets as reference points of the space, and the SnapGen design walk.

The walk is an ordered list of edits, each a function from spec to spec, so that every step is the
one before it plus one change. The paper (arXiv 2412.09619) leaves details open; two reconstructions
differ in them (:class:`Family`): M reproduces the published percentages, F the published totals.

>>> named_spec("sd15").stages[0].heads
8
>>> [step.name for step in WALK][:4]
['sdxl', 'thin', 'no-high-res-sa', 'separable']
>>> named_spec("M/mqa") == walk_spec(FAMILIES["M"], "mqa")
True
"""

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from typing import Literal

from search_space.decoder.presets import all_decoders, named_decoder
from search_space.errors import raise_unknown
from search_space.frozen import frozen
from search_space.network import Network
from search_space.picture import PictureSpec, named_texts, text_encoders_for
from search_space.spec import (
    Conditions,
    Context,
    Conv,
    ConvBase,
    Mid,
    Path,
    Site,
    Stage,
    UNetSpec,
)
from search_space.text_encoder import TEXT_ENCODERS

HEAD_DIM = 64  # SDXL's, kept by the walk (heads 4/8/14 at 256/512/896)
T2I_CONTEXT = 2304  # Gemma-2-2b's hidden width, the text encoder of the text-to-image model


@frozen
class Family:
    """One of two consistent reconstructions of what the paper leaves open about the walk."""

    name: Literal["M", "F"]
    base: ConvBase
    depthwise_bias: bool
    sampler: str
    early_replaces_resblock: bool


FAMILIES = {
    "M": Family("M", "max", True, "separable", False),
    "F": Family("F", "out", False, "dense", True),
}


@dataclasses.dataclass(frozen=True)
class WalkStep:
    """One step of the walk: its name, what it changes in words, and the edit itself."""

    name: str
    change: str
    edit: Callable[[UNetSpec, Family], UNetSpec]


def _path(sites: int, depth: int, self_attention: bool, cross_attention: bool) -> Path:
    has = depth > 0
    return Path((Site(depth),) * sites, has and self_attention, has and cross_attention)


def _stage(channels: int, depth: int, heads: int) -> Stage:
    """A Stable Diffusion stage: two sites down, three up, full attention at every layer."""
    return Stage(
        channels,
        heads,
        channels // heads,
        _path(2, depth, True, True),
        _path(3, depth, True, True),
        kv_heads=heads,
    )


def _sdxl() -> UNetSpec:
    stages = tuple(_stage(c, d, c // HEAD_DIM) for c, d in ((320, 0), (640, 2), (1280, 10)))
    return UNetSpec(
        stages,
        Mid(10, 2, True, True),
        time_width=1280,
        context=Context(2048, 77),
        conditions=Conditions(pooled_width=1280, size_ids=6, size_width=256),
    )


def _sd(heads: tuple[int, ...], context: int) -> UNetSpec:
    channels, depths = (320, 640, 1280, 1280), (1, 1, 1, 0)
    stages = tuple(_stage(c, d, h) for c, d, h in zip(channels, depths, heads, strict=True))
    return UNetSpec(
        stages, Mid(1, 2, True, True), time_width=1280, context=Context(context), latent_size=64
    )


def _dreamlite() -> UNetSpec:
    """DreamLite (ByteDance 2026) as `DreamLiteUNetModel` of diffusers 0.42 builds it."""
    conv, stages = Conv("separable", 2.0), []
    for channels, down, up, attends in ((256, 1, 0, False), (512, 2, 2, False), (896, 4, 4, True)):
        heads = channels // HEAD_DIM
        paths = (_path(2, down, attends, True), _path(3, up, attends, True))
        stages.append(Stage(channels, heads, HEAD_DIM, *paths, kv_heads=1, ff_ratio=3.0, conv=conv))
    return UNetSpec(
        tuple(stages),
        Mid(4, 2, True, True),
        time_width=1024,
        context=Context(2304, 77, "linear_rms", 2048),
        conditions=Conditions(size_ids=2, size_width=256),
        qk_norm="rms",
        without_self_attention="norm",
    )


def _map_stages(spec: UNetSpec, edit: Callable[[Stage], Stage]) -> UNetSpec:
    return spec.replace(stages=tuple(edit(stage) for stage in spec.stages))


def _map_attending(spec: UNetSpec, edit: Callable[[Stage], Stage]) -> UNetSpec:
    """Edit the stages that have transformers; the others keep their neutral values."""
    stages = (edit(s) if spec.has_transformer(i) else s for i, s in enumerate(spec.stages))
    return spec.replace(stages=tuple(stages))


def _thin(spec: UNetSpec, family: Family) -> UNetSpec:
    """Shallower and narrower; ablations use CLIP-L's 768-wide text and no added conditions."""
    stages = tuple(_stage(c, d, c // HEAD_DIM) for c, d in ((256, 0), (512, 2), (896, 4)))
    return UNetSpec(stages, Mid(4, 2, True, True), time_width=896, context=Context(768, 77))


def _no_high_res_sa(spec: UNetSpec, family: Family) -> UNetSpec:
    def edit(stage: Stage) -> Stage:
        down = dataclasses.replace(stage.down, self_attention=False)
        up = dataclasses.replace(stage.up, self_attention=False)
        return dataclasses.replace(stage, down=down, up=up)

    *high, lowest = spec.stages
    return spec.replace(stages=(*map(edit, high), lowest))


def _separable(spec: UNetSpec, family: Family) -> UNetSpec:
    conv = Conv("separable", depthwise_bias=family.depthwise_bias)
    spec = _map_stages(spec, lambda stage: dataclasses.replace(stage, conv=conv))
    return spec.replace(sampler=family.sampler)


def _expanded(spec: UNetSpec, family: Family) -> UNetSpec:
    def edit(stage: Stage) -> Stage:
        conv = dataclasses.replace(stage.conv, expansion=2.0, base=family.base)
        return dataclasses.replace(stage, conv=conv)

    return _map_stages(spec, edit)


def _ffn_3(spec: UNetSpec, family: Family) -> UNetSpec:
    return _map_attending(spec, lambda stage: dataclasses.replace(stage, ff_ratio=3.0))


def _mqa(spec: UNetSpec, family: Family) -> UNetSpec:
    return _map_attending(spec, lambda stage: dataclasses.replace(stage, kv_heads=1))


def _early_condition(spec: UNetSpec, family: Family) -> UNetSpec:
    first, *rest = spec.stages
    site = Site(1, resblock=not family.early_replaces_resblock)
    down = Path((site,) * len(first.down.sites), cross_attention=True)
    first = dataclasses.replace(first, down=down, ff_ratio=rest[0].ff_ratio, kv_heads=1)
    return spec.replace(stages=(first, *rest))


def _qk_norm_rope(spec: UNetSpec, family: Family) -> UNetSpec:
    return spec.replace(qk_norm="rms", rope=True)


def _text_to_image(spec: UNetSpec, family: Family) -> UNetSpec:
    return spec.replace(context=Context(T2I_CONTEXT, 77))


WALK: tuple[WalkStep, ...] = (
    WalkStep("sdxl", "SDXL's UNet", lambda spec, family: spec),
    WalkStep("thin", "depth 0/2/10 to 0/2/4, channels 320/640/1280 to 256/512/896", _thin),
    WalkStep(
        "no-high-res-sa", "self-attention only in the lowest-resolution stage", _no_high_res_sa
    ),
    WalkStep("separable", "every 3×3 conv becomes depthwise 3×3 + pointwise 1×1", _separable),
    WalkStep("expanded-separable", "twice the channels between a block's two convs", _expanded),
    WalkStep("ffn-3", "GEGLU hidden ratio 4 to 3", _ffn_3),
    WalkStep("mqa", "multi-head to multi-query attention, self and cross", _mqa),
    WalkStep(
        "early-condition", "cross-attention + FFN in the first stage's down path", _early_condition
    ),
    WalkStep("qk-norm-rope", "RMSNorm on queries and keys, rotary positions", _qk_norm_rope),
    WalkStep("snapgen", "the text-to-image model: Gemma-2-2b's text, 2304 wide", _text_to_image),
)


def walk_specs(family: Family) -> dict[str, UNetSpec]:
    """Return every step of the walk in ``family``, in order."""
    spec, out = _sdxl(), {}
    for step in WALK:
        spec = out[step.name] = step.edit(spec, family)
    return out


def walk_spec(family: Family, step: str) -> UNetSpec:
    """Return one step of the walk; raises :class:`WalkbenchError` for an unknown step."""
    specs = walk_specs(family)
    return specs[step] if step in specs else raise_unknown("walk step", step, specs)


@lru_cache(maxsize=1)
def all_named() -> dict[str, UNetSpec]:
    """Return every named spec by name; a walk step is ``M/step`` or ``F/step``."""
    walk = walk_specs(FAMILIES["F"])
    named = {
        "sdxl": _sdxl(),
        "sd15": _sd((8, 8, 8, 8), 768),
        "sd21": _sd((5, 10, 20, 20), 1024),
        "dreamlite": _dreamlite(),
        "snapgen-imagenet": walk["qk-norm-rope"],
        "snapgen-t2i": walk["snapgen"],
    }
    for family in FAMILIES.values():
        for step, spec in walk_specs(family).items():
            if step != "sdxl":
                named[f"{family.name}/{step}"] = spec
    return named


def named_spec(name: str) -> UNetSpec:
    """Return the spec called ``name``; raises :class:`WalkbenchError` listing the known names."""
    named = all_named()
    return named[name] if name in named else raise_unknown("spec", name, named)


@lru_cache(maxsize=1)
def all_pictures() -> dict[str, PictureSpec]:
    """Return named whole pictures: SnapGen's, in the steps it was published with, at 6 bits."""
    unet, decoder = named_spec("snapgen-t2i"), named_decoder("snapgen-decoder")
    texts = named_texts(text_encoders_for(unet), unet)
    return {
        f"picture/snapgen-{steps}-steps": PictureSpec(unet, decoder, steps, texts=texts, bits=6)
        for steps in (4, 8)
    }


def named_networks() -> dict[str, Network]:
    """Return everything that has a name: UNets, decoders, text encoders, whole pictures."""
    return {**all_named(), **all_decoders(), **TEXT_ENCODERS, **all_pictures()}


def name_of(network: Network) -> str | None:
    """Return the first name of ``network``, or None when no named network equals it."""
    return next((name for name, known in named_networks().items() if known == network), None)
