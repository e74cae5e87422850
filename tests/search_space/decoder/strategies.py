"""Any decoder the rules allow, small enough to build in milliseconds."""

from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st

from search_space.decoder import DecoderMid, DecoderSpec, DecoderStage
from search_space.decoder.axes import freeze
from search_space.unet_draft import thaw
from tests.search_space.strategies import convs

flags = st.booleans()


@st.composite
def decoders(draw: st.DrawFn) -> DecoderSpec:
    tiny = draw(flags)
    stages = []
    for _ in range(draw(st.integers(1, 3))):
        stages.append(
            DecoderStage(
                draw(st.sampled_from([8, 16, 24])),
                draw(st.integers(1, 3)),
                draw(convs()),
                0 if tiny else draw(st.integers(0, 2)),
                not tiny and draw(flags),
            )
        )
    parts: dict[str, Any] = {"form": "tiny", "out_norm": False} if tiny else {}
    if not tiny:
        attention = draw(flags)
        resblocks = draw(st.integers(0 if attention else 1, 2))
        parts |= {
            "mid": draw(st.sampled_from([None, DecoderMid(resblocks, attention)])),
            "out_norm": draw(flags),
            "post_quant": draw(flags),
        }
    draft = thaw(DecoderSpec((DecoderStage(32),)))
    draft.__dict__.update(parts)
    draft.stages = [thaw_stage(stage) for stage in stages]
    draft.mid = None if draft.mid is None else thaw_stage(draft.mid)
    draft.sampler = draw(st.sampled_from(["dense", "separable", "none"]))
    if draft.sampler != "none":
        draft.reduction = draw(st.sampled_from(["resblock", "upsampler"]))
    draft.activation = draw(st.sampled_from(["silu", "relu", "hardswish"]))
    draft.norm_groups, draft.latent_size = 4, draw(st.sampled_from([4, 5, 8]))
    return freeze(draft)


def thaw_stage(value: Any) -> Any:
    """A mutable copy of a stage or a mid."""
    return SimpleNamespace(**{k: v for k, v in value.__dict__.items() if k[0] != "_"})
