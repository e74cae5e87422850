"""UNets that convert in seconds and still have what big ones have."""

from latency_db.builder_width import with_first_width
from search_space.parts import Conditions, Context, Mid, Path, Site, Stage
from search_space.presets import named_spec
from search_space.spec import UNetSpec

ATTENDING = Path((Site(1),), True, True)


def tiny(**changes) -> UNetSpec:
    """Two stages with one site each way; attention, grouped heads, norms and rotation below."""
    stages = (
        Stage(32, 2, 16, Path((Site(),)), Path((Site(), Site())), kv_heads=2),
        Stage(64, 4, 16, ATTENDING, Path((Site(1), Site(0)), True, True), kv_heads=1, ff_ratio=3.0),
    )
    fields = {
        "stages": stages,
        "mid": Mid(1, 1, True, True),
        "time_width": 64,
        "context": Context(48, 7),
        "qk_norm": "rms",
        "rope": True,
        "norm_groups": 8,
        "latent_size": 8,
    }
    return UNetSpec(**(fields | changes))


def tiny_sdxl() -> UNetSpec:
    """With pooled text and size numbers."""
    return tiny(conditions=Conditions(pooled_width=32, size_ids=6, size_width=16))


def tiny_projected() -> UNetSpec:
    """With a projection of the text, as DreamLite has one."""
    return tiny(context=Context(48, 7, "linear_rms", 40), conditions=Conditions(size_ids=2))


def small(name: str) -> UNetSpec:
    """A named design, narrowed to a first width of 32 at a latent of 8."""
    return with_first_width(named_spec(name), 32, 8)
