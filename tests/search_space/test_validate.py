"""Every rule of a spec: what breaks it, and the message that names the value and the remedy."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given

from search_space.errors import SpecError
from search_space.presets import named_spec
from search_space.spec import Conditions, Context, Conv, Mid, Path, Site, Stage, UNetSpec
from tests.search_space.strategies import specs

PLAIN = Path((Site(), Site()))
ATTENDS = Path((Site(1), Site()), cross_attention=True)
STAGE = Stage(32, 4, 8, ATTENDS, ATTENDS, kv_heads=4)
BASE = UNetSpec((STAGE, STAGE), Mid(1), time_width=64, norm_groups=8, latent_size=16)


def stage(**changes: Any) -> dict[str, Any]:
    return {"stages": (STAGE, replace(STAGE, **changes))}


RULES: list[tuple[dict[str, Any], str]] = [
    # sizes
    ({"stages": ()}, "stages is empty; a UNet needs at least one stage"),
    ({"time_width": 0}, "time_width is 0; a positive number is needed"),
    ({"norm_groups": -1}, "norm_groups is -1; a positive number is needed"),
    ({"norm_eps": 0.0}, "norm_eps is 0.0; a positive number is needed"),
    ({"norm_eps": float("nan")}, "norm_eps is nan; a positive number is needed"),
    ({"in_channels": 0}, "in_channels is 0; a positive number is needed"),
    ({"out_channels": 0}, "out_channels is 0; a positive number is needed"),
    ({"latent_size": 0}, "latent_size is 0; a positive number is needed"),
    ({"latent_size": 1 << 20}, "latent_size is 1048576; at most 65536 is allowed"),
    ({"latent_size": 15}, "latent_size 15 is not a multiple of 2, which 2 stages need"),
    (stage(channels=0), r"stages\[1\].channels is 0; a positive number is needed"),
    (stage(heads=0), r"stages\[1\].heads is 0; a positive number"),
    (stage(head_dim=-8), r"stages\[1\].head_dim is -8; a positive number"),
    (stage(kv_heads=0), r"stages\[1\].kv_heads is 0; a positive number"),
    (stage(ff_ratio=0.0), r"stages\[1\].ff_ratio is 0.0; a positive number"),
    (stage(ff_ratio=0.01), r"stages\[1\].ff_ratio 0.01 of width 32 .* use 0.031 or more"),
    (
        stage(heads=4096, kv_heads=1, head_dim=64),
        r"stages\[1\].heads × head_dim is 262144; at most 65536",
    ),
    # sizes that must fit together
    ({"norm_groups": 5}, r"norm_groups 5 does not divide stages\[0\].channels 32; .* such as 4"),
    (stage(kv_heads=3), r"kv_heads 3 does not divide heads 4; use 1 \(multi-query\), 4 \(multi"),
    (
        {**stage(head_dim=6), "rope": True},
        r"stages\[1\].head_dim 6 is not a multiple of 4, which rope needs",
    ),
    (
        stage(conv=Conv(expansion=0.125)),
        "norm_groups 8 does not divide the resblock's hidden width 4; change norm_groups,",
    ),
    (stage(conv=Conv(expansion=0.001)), "conv.expansion 0.001 gives a hidden width of 0; 1 to"),
    (stage(conv=Conv(expansion=60000.0)), "conv.expansion 60000.0 gives a hidden width of 1920000"),
    ({"stages": (replace(STAGE, channels=9),), "norm_groups": 1}, "channels 9 is odd; .* even"),
    (
        {"norm_groups": 32, "latent_size": 2},
        "norm_groups 32 leaves one value per group in .* 32 at 1×1 pixels; use fewer groups or",
    ),
    # fields that would have no effect
    (stage(conv=Conv(depthwise_bias=True)), r"stages\[1\].conv is dense .* set both to false"),
    (stage(conv=Conv(pointwise_bias=True)), r"stages\[1\].conv is dense .* set both to false"),
    (stage(conv=Conv(expansion=0.0)), r"stages\[1\].conv.expansion is 0.0; a positive number"),
    (
        {"stages": (replace(STAGE, down=PLAIN, up=PLAIN, kv_heads=1), STAGE)},
        r"stages\[0\].kv_heads is 1 but the stage has no transformer; leave it at 4 or add depth",
    ),
    (
        {"stages": (replace(STAGE, down=PLAIN, up=PLAIN, ff_ratio=3.0), STAGE)},
        r"stages\[0\].ff_ratio is 3.0 but the stage has no transformer; leave it at 4.0 or add",
    ),
    (
        stage(down=replace(PLAIN, self_attention=True)),
        r"stages\[1\].down.self_attention is set but no site has depth; set it to false or add",
    ),
    (
        stage(up=replace(PLAIN, cross_attention=True)),
        r"stages\[1\].up.cross_attention is set but no site has depth; set it to false or add",
    ),
    ({"mid": Mid(0, self_attention=True)}, "mid.self_attention is set but no site has depth"),
    ({"context": Context(input_width=9)}, "input_width is 9 but projection is none; set it to 0"),
    # paths and mid
    (stage(down=Path(())), r"stages\[1\].down.sites is empty; a path needs at least one site"),
    (stage(up=Path((Site(-1),))), r"stages\[1\].up.sites\[0\].depth is -1; 0 or more is needed"),
    (
        stage(up=Path((Site(0, False),))),
        r"stages\[1\].up.sites\[0\] has neither resblock nor transformer; give it one",
    ),
    ({"mid": Mid(-1)}, "mid.depth is -1; 0 or more is needed"),
    ({"mid": Mid(0, -1)}, "mid.resblocks is -1; 0 or more is needed"),
    ({"mid": Mid(0, 0)}, "mid has 0 resblocks and depth 0; use null for no mid, or give it one"),
    # conditions
    ({"context": Context(0)}, "context.width is 0; a positive number is needed"),
    ({"context": Context(tokens=0)}, "context.tokens is 0; a positive number is needed"),
    ({"context": Context(projection="linear")}, "context.input_width is 0; a positive number"),
    ({"conditions": Conditions(pooled_width=-1)}, "conditions.pooled_width is -1; 0 or more"),
    ({"conditions": Conditions(size_ids=-6)}, "conditions.size_ids is -6; 0 or more"),
    ({"conditions": Conditions(classes=-1)}, "conditions.classes is -1; 0 or more"),
    ({"conditions": Conditions(size_width=7)}, "conditions.size_width is 7; an even positive"),
    ({"conditions": Conditions(size_width=0)}, "conditions.size_width is 0; an even positive"),
]


@pytest.mark.parametrize(("changes", "message"), RULES)
def test_a_broken_rule_names_value_and_remedy(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message) as caught:
        BASE.replace(**changes)
    assert "\n" not in str(caught.value)


def test_the_base_of_these_rules_keeps_them_all() -> None:
    assert BASE.replace() == BASE


def test_heads_of_a_stage_without_transformers_are_free() -> None:
    first = replace(STAGE, down=PLAIN, up=PLAIN, heads=2, kv_heads=2)
    assert BASE.replace(stages=(first, STAGE)).stages[0].heads == 2


def test_a_last_stage_whose_only_transformer_is_in_the_mid_may_set_attention_fields() -> None:
    last = replace(STAGE, down=PLAIN, up=PLAIN, kv_heads=1, ff_ratio=3.0)
    assert BASE.replace(stages=(STAGE, last)).has_transformer(1)
    with pytest.raises(SpecError, match="but the stage has no transformer"):
        BASE.replace(stages=(STAGE, last), mid=None)


@given(specs())
def test_specs_that_pass_have_no_site_without_work(spec: UNetSpec) -> None:
    for one in spec.stages:
        for path in (one.down, one.up):
            assert all(site.resblock or site.depth for site in path.sites)


def test_spec_errors_are_user_errors() -> None:
    with pytest.raises(ValueError, match="latent_size"):
        named_spec("sdxl").replace(latent_size=2)
