"""`spec_from_config(config)`: a diffusers UNet config as a spec, or every reason why not.

Reads what `config.json` of a `UNet2DConditionModel` or a `DreamLiteUNetModel` holds. Missing fields
have the class's defaults, one value stands for one per stage, and `attention_head_dim` means the
number of heads, as it does in diffusers.

Two things are not in a config. The number of text tokens is an argument. How SDXL's added
embedding divides into pooled text and size numbers follows from its width: 1280 of pooled text
(OpenCLIP bigG, of SDXL and its refiner) when the rest is a whole number of size numbers, otherwise
six size numbers; ``size_ids`` says otherwise.

>>> spec = spec_from_config({"_class_name": "UNet2DConditionModel", "cross_attention_dim": 768,
...                          "sample_size": 64})
>>> from search_space.presets import named_spec
>>> spec == named_spec("sd15")
True
"""

from collections.abc import Mapping
from typing import Any

from search_space.decoder.spec import DecoderSpec
from search_space.diffusers_bridge.classes import (
    ACTIVATIONS,
    CLASSES,
    DREAMLITE,
    FIXED,
    QK_NORMS,
    Attends,
    StockClass,
)
from search_space.diffusers_bridge.decoder_config import DECODER_CLASSES, decoder_from_config
from search_space.diffusers_bridge.depths import down_depths, mid_depth, up_depths
from search_space.diffusers_bridge.fields import Fields, is_count, show
from search_space.errors import WalkbenchError
from search_space.spec import (
    Conditions,
    Context,
    ContextProjection,
    Conv,
    Mid,
    Path,
    Site,
    Stage,
    UNetSpec,
)

SDXL_POOLED = 1280  # pooled width of OpenCLIP bigG, SDXL's second text encoder
SDXL_SIZE_IDS = 6  # original height and width, crop top and left, target height and width
DEFAULT_LATENT = 128


def network_from_config(
    config: Any,
    *,
    tokens: int = 77,
    latent_size: int | None = None,
    size_ids: int | None = None,
) -> UNetSpec | DecoderSpec:
    """Return the UNet, or the decoder of the autoencoder, of a diffusers config.

    The arguments are those of :func:`spec_from_config`; a decoder reads ``latent_size`` alone.
    """
    name = config.get("_class_name") if isinstance(config, Mapping) else None
    if isinstance(name, str) and name in DECODER_CLASSES:
        return decoder_from_config(config, latent_size=latent_size)
    if isinstance(name, str) and name not in CLASSES:
        known = ", ".join([*CLASSES, *DECODER_CLASSES])
        raise WalkbenchError(f"_class_name is {show(name)}; {known} can be imported")
    return spec_from_config(config, tokens=tokens, latent_size=latent_size, size_ids=size_ids)


def spec_from_config(
    config: Mapping[str, Any],
    *,
    tokens: int = 77,
    latent_size: int | None = None,
    size_ids: int | None = None,
) -> UNetSpec:
    """Return the spec of a diffusers UNet config.

    ``tokens`` is the length of the text, ``latent_size`` replaces `sample_size` (128 when the
    config has none), ``size_ids`` the number of size numbers of an `addition_embed_type` of
    `text_time`. Raises :class:`WalkbenchError` for a class that is not converted, and with every
    field that a spec cannot express, each with its value and what is allowed.
    """
    stock = _class_of(config)
    fields = Fields(config, stock.defaults)
    for name in config:
        if name not in stock.defaults and not name.startswith("_"):
            fields.refuse(name, f"no such field in {stock.name}")
    for name, value in FIXED.items():
        fields.only(name, value)
    mid = _mid(fields, stock)
    stages = _stages(fields, stock, mid)
    parts: dict[str, Any] = {
        "stages": stages,
        "mid": mid,
        "time_width": fields.optional_count("time_embedding_dim") or 4 * stages[0].channels,
        "context": _context(fields, stock, tokens),
        "conditions": _conditions(fields, stock, size_ids),
        "activation": fields.activation(ACTIVATIONS),
        "norm_groups": fields.count("norm_num_groups"),
        "norm_eps": fields.number("norm_eps"),
        "in_channels": fields.count("in_channels"),
        "out_channels": fields.count("out_channels"),
        "latent_size": latent_size or _latent_size(fields, len(stages)),
    }
    if stock.name == DREAMLITE:
        parts["qk_norm"] = fields.choice("qk_norm", QK_NORMS, "none")
        if _misses_self_attention(stages):
            parts["without_self_attention"] = "norm"
    if parts["conditions"].added_width and parts["activation"] != "silu":
        fields.refuse("act_fn", "silu, beside an added embedding, which diffusers keeps at silu")
    fields.check()
    try:
        return UNetSpec(**parts)
    except WalkbenchError as error:
        raise WalkbenchError(f"this config contradicts itself: {error}") from None


def _class_of(config: Any) -> StockClass:
    if not isinstance(config, Mapping):
        raise WalkbenchError(f"a config is a JSON object, got {type(config).__name__}")
    name = config.get("_class_name")
    if isinstance(name, str) and name in CLASSES:
        return CLASSES[name]
    known = " or ".join(CLASSES)
    if "_class_name" not in config:
        raise WalkbenchError(f"this config has no _class_name; give a config.json of {known}")
    raise WalkbenchError(f"_class_name is {show(name)}; {known} can be imported")


def _widths(fields: Fields) -> list[int]:
    """Channels per stage; where they are unreadable, 1 for as many stages as there are blocks."""
    given, blocks = fields["block_out_channels"], fields["down_block_types"]
    if isinstance(given, (list, tuple)) and given and all(map(is_count, given)):
        return list(given)
    fields.refuse("block_out_channels", "a list of positive integers, one for each stage")
    listed = next((x for x in (given, blocks) if isinstance(x, (list, tuple)) and x), [1])
    return [1] * len(listed)


def _stages(fields: Fields, stock: StockClass, mid: Mid | None) -> tuple[Stage, ...]:
    widths = _widths(fields)
    n = len(widths)
    heads, sites = fields.counts("attention_head_dim", n), fields.counts("layers_per_block", n)
    down = fields.kinds("down_block_types", stock.down, n)
    up = fields.kinds("up_block_types", stock.up, n)[::-1]  # written lowest resolution first
    _refuse_cross_only(fields, down, up)
    down_depth = down_depths(fields, sites, [kind is not None for kind in down])
    up_depth = up_depths(fields, sites, [kind is not None for kind in up])
    in_mid = mid is not None and mid.depth > 0
    conv, ff_ratio, kv_heads = Conv(), 4.0, None
    if stock.name == DREAMLITE:
        conv = Conv("separable", 2.0) if fields.flag("use_sep_conv") else conv
        ff_ratio, kv_heads = fields.number("ff_mult"), fields.optional_count("num_kv_heads")
    stages = []
    for i, width in enumerate(widths):
        attends = bool(down[i] or up[i] or (in_mid and i == n - 1))
        stages.append(
            Stage(
                channels=width,
                heads=heads[i],
                head_dim=max(1, width // heads[i]),
                down=_path(down[i], down_depth[i]),
                up=_path(up[i], up_depth[i]),
                kv_heads=kv_heads if kv_heads and attends else heads[i],
                ff_ratio=ff_ratio if attends else 4.0,
                conv=conv,
            )
        )
    return tuple(stages)


def _refuse_cross_only(
    fields: Fields, down: list[Attends | None], up: list[Attends | None]
) -> None:
    """Self-attention that looks at the text instead is not in the space."""
    flags = fields.per_stage("only_cross_attention", len(down))
    for flag, *kinds in zip(flags, down, up, strict=True):
        if flag is not False and any(kind and kind.self_attention for kind in kinds):
            fields.refuse("only_cross_attention", "false")


def _path(kind: Attends | None, depths: list[int]) -> Path:
    if kind is None:
        return Path(tuple(Site() for _ in depths))
    sites = tuple(Site(depth) for depth in depths)
    return Path(sites, kind.self_attention, kind.cross_attention)


def _mid(fields: Fields, stock: StockClass) -> Mid | None:
    if fields["mid_block_type"] is None:
        return None
    kind = fields.choice("mid_block_type", {**stock.mid, None: None}, None)
    layers = 1 if kind else 0
    if stock.name == DREAMLITE:
        layers = fields["num_mid_layers"]
        if layers not in (0, 1) or isinstance(layers, bool):
            fields.refuse("num_mid_layers", "0, 1")
    if not kind or not layers:
        return Mid(depth=0, resblocks=1)
    return Mid(mid_depth(fields), 2, kind.self_attention, kind.cross_attention)


def _context(fields: Fields, stock: StockClass, tokens: int) -> Context:
    widths = set(map(show, fields.per_stage("cross_attention_dim", len(_widths(fields)))))
    given = fields["cross_attention_dim"]
    width = given[0] if isinstance(given, (list, tuple)) and given else given
    if len(widths) > 1 or not is_count(width):
        fields.refuse("cross_attention_dim", "one positive integer for all stages")
        width = 1
    kinds: dict[str | None, ContextProjection] = {None: "none", "text_proj": "linear"}
    if stock.name == DREAMLITE:
        kinds["text_proj_rms"] = "linear_rms"
    projection = fields.choice("encoder_hid_dim_type", kinds, "none")
    input_width = fields.optional_count("encoder_hid_dim")
    if input_width and fields["encoder_hid_dim_type"] is None:
        projection = "linear"  # diffusers takes a width alone for text_proj
    if projection != "none" and input_width is None:
        fields.refuse("encoder_hid_dim", "a positive integer, beside encoder_hid_dim_type")
    return Context(width, tokens, projection, input_width or 0 if projection != "none" else 0)


def _conditions(fields: Fields, stock: StockClass, size_ids: int | None) -> Conditions:
    classes = fields.optional_count("num_class_embeds") or 0
    kinds = {None: "none", "text_time": "text_time"}
    if stock.name == DREAMLITE:
        kinds["time"] = "time"
    kind = fields.choice("addition_embed_type", kinds, "none")
    if kind == "none":
        return Conditions(classes=classes)
    width = fields.count("addition_time_embed_dim")
    total = fields.count("projection_class_embeddings_input_dim")
    if kind == "time":
        if total % width:
            fields.refuse("projection_class_embeddings_input_dim", f"a multiple of {width}")
        return Conditions(0, total // width, width, classes)
    if size_ids is None:
        whole = total > SDXL_POOLED and (total - SDXL_POOLED) % width == 0
        size_ids = (total - SDXL_POOLED) // width if whole else SDXL_SIZE_IDS
    pooled = total - size_ids * width
    if pooled < 1:
        fields.refuse(
            "projection_class_embeddings_input_dim",
            f"more than {size_ids} size numbers of {width}; fewer with size_ids",
        )
    return Conditions(max(pooled, 0), size_ids, width, classes)


def _latent_size(fields: Fields, stages: int) -> int:
    size, factor = fields["sample_size"], 1 << (stages - 1)
    if size is None:
        return DEFAULT_LATENT
    if isinstance(size, (list, tuple)) and len(size) == 2 and size[0] == size[1]:
        size = size[0]
    if is_count(size) and size % factor == 0:
        return int(size)
    fields.refuse("sample_size", f"one multiple of {factor}, or null; or choose a latent size")
    return factor


def _misses_self_attention(stages: tuple[Stage, ...]) -> bool:
    paths = [path for stage in stages for path in (stage.down, stage.up)]
    return any(path.has_transformer and not path.self_attention for path in paths)
