import dataclasses

import pytest

from search_space.diffusers_bridge import config_from_spec, spec_from_config
from search_space.diffusers_bridge.obstacles import obstacles
from search_space.errors import WalkbenchError
from search_space.presets import all_named, named_spec
from search_space.spec import Conv, Mid, Path, Site, UNetSpec

EXPRESSIBLE = {
    "sdxl": "UNet2DConditionModel",
    "sd15": "UNet2DConditionModel",
    "sd21": "UNet2DConditionModel",
    "dreamlite": "DreamLiteUNetModel",
    "M/thin": "UNet2DConditionModel",
    "F/thin": "UNet2DConditionModel",
}


@pytest.mark.parametrize("name", all_named())
def test_named_spec_comes_back_from_its_config_or_says_what_is_in_the_way(name):
    spec = named_spec(name)
    if name not in EXPRESSIBLE:
        with pytest.raises(WalkbenchError, match="no stock diffusers class builds this network"):
            config_from_spec(spec)
        return
    class_name, config = config_from_spec(spec)
    assert class_name == config["_class_name"] == EXPRESSIBLE[name]
    assert spec_from_config(config) == spec


@pytest.mark.parametrize("name", ["ssd1b", "vega", "koala700m", "bksdm_tiny", "sdxl_refiner"])
def test_published_config_survives_the_round_trip(name, published):
    spec = spec_from_config(published(name))
    assert spec_from_config(config_from_spec(spec)[1]) == spec


def edit_stage(spec: UNetSpec, index: int, **changes) -> UNetSpec:
    stages = list(spec.stages)
    stages[index] = dataclasses.replace(stages[index], **changes)
    return spec.replace(stages=tuple(stages))


SDXL, DREAMLITE = named_spec("sdxl"), named_spec("dreamlite")
CROSS = {"self_attention": True, "cross_attention": True}
IN_THE_WAY = {
    "sampler is separable": SDXL.replace(sampler="separable"),
    "rope is set": SDXL.replace(rope=True),
    "activation is hardswish": SDXL.replace(activation="hardswish"),
    "activation is gelu beside an added embedding": SDXL.replace(activation="gelu"),
    "mid has 3 resblocks": SDXL.replace(mid=Mid(10, 3, True, True)),
    "mid lacks self- or cross-attention": SDXL.replace(mid=Mid(10, 2, True, False)),
    "mid has depth 4, not the 10": SDXL.replace(mid=Mid(4, 2, True, True)),
    "one more up than down": edit_stage(SDXL, 0, up=Path((Site(),) * 2)),
    "do not fill its 640 channels": edit_stage(SDXL, 1, head_dim=32),
    "site without resblock": edit_stage(
        SDXL, 1, down=Path((Site(2), Site(2, resblock=False)), **CROSS)
    ),
    "with and without transformer": edit_stage(SDXL, 1, down=Path((Site(2), Site(0)), **CROSS)),
    "has no cross-attention": edit_stage(SDXL, 1, down=Path((Site(2), Site(2)), True, False)),
    "skips self-attention": DREAMLITE.replace(without_self_attention="skip"),
    "stages differ in conv": edit_stage(DREAMLITE, 0, conv=Conv()),
    "neither dense nor separable": edit_stage(SDXL, 0, conv=Conv("dense", 2.0)).replace(
        stages=tuple(dataclasses.replace(s, conv=Conv("dense", 2.0)) for s in SDXL.stages)
    ),
    "stages differ in kv_heads": edit_stage(DREAMLITE, 1, kv_heads=2),
    "stages differ in ff_ratio": edit_stage(DREAMLITE, 1, ff_ratio=4.0),
    "pooled text without size numbers": SDXL.replace(
        conditions=dataclasses.replace(SDXL.conditions, size_ids=0)
    ),
}


@pytest.mark.parametrize("reason", IN_THE_WAY)
def test_reason_is_named_when_no_stock_class_builds_the_network(reason):
    with pytest.raises(WalkbenchError) as caught:
        config_from_spec(IN_THE_WAY[reason])
    assert reason in str(caught.value)


def test_class_that_can_has_no_obstacles_and_the_other_says_why_not():
    assert obstacles(DREAMLITE, "DreamLiteUNetModel") == []
    assert "qk_norm is rms, not none" in obstacles(DREAMLITE, "UNet2DConditionModel")
