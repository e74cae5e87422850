"""Block keys: one readable line that parses back to the same block."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from search_space.blocks import (
    BLOCK_KINDS,
    Block,
    Norm,
    Resample,
    ResBlock,
    TransformerStack,
    parse_key,
)
from search_space.errors import SpecError, WalkbenchError
from search_space.plan import plan
from search_space.presets import all_named
from search_space.spec import Conv, UNetSpec
from tests.search_space.strategies import specs

NORM = Norm(8, 1e-5, "silu")


def blocks_of(spec: UNetSpec) -> set[Block]:
    """Whole stacks and the parts they are priced by."""
    steps = {step.block for _, step in plan(spec).steps()}
    return steps | {block for block, _ in plan(spec).blocks()}


def test_every_block_of_every_named_spec_parses_back_from_its_key() -> None:
    blocks = set().union(*(blocks_of(spec) for spec in all_named().values()))
    assert len({block.key for block in blocks}) == len(blocks)
    for block in blocks:
        assert parse_key(block.key) == block


@given(specs())
@settings(max_examples=40)
def test_every_block_of_any_spec_parses_back_from_its_key(spec: UNetSpec) -> None:
    for block in blocks_of(spec):
        assert parse_key(block.key) == block
        assert "\n" not in block.key


@given(st.floats(0.5, 8, exclude_min=True), st.floats(1e-9, 1e-2))
def test_no_digit_of_a_ratio_is_lost_in_a_key(expansion: float, eps: float) -> None:
    norm = Norm(1, eps, "silu")
    block = ResBlock(64, 0, 64, 8, 64, Conv(expansion=expansion), norm)
    assert parse_key(block.key) == block


def test_every_kind_occurs_under_its_own_name() -> None:
    assert all(cls.kind == kind for kind, cls in BLOCK_KINDS.items())


def test_a_stack_is_priced_as_projections_and_layers() -> None:
    stacks = [b for b in blocks_of(all_named()["sdxl"]) if isinstance(b, TransformerStack)]
    for stack in stacks:
        assert stack.parts() == ((stack.projection, 1), (stack.layer, stack.depth))
    assert {stack.depth for stack in stacks} == {2, 10}


def test_keys_hold_plain_words_and_whole_numbers_stay_short() -> None:
    key = ResBlock(64, 0, 64, 8, 64, Conv("separable", 2.0), NORM).key
    assert "conv.expansion=2 " in key
    assert "norm.eps=1e-05" in key


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("", "block key is empty"),
        ("  ", "block key is empty"),
        ("resnet size=8", "kind 'resnet' is not one of conv_in, conv_out"),
        ("conv_in in_channels=4 size=8", "lacks out_channels"),
        ("conv_in in_channels=4 out_channels=8 size=8 colour=1", "has unknown fields: colour"),
        ("conv_in in_channels=4 out_channels=8 size=8 size=16", "says size twice"),
        ("conv_in in_channels=4 out_channels=8 size", "size is '', a whole number is needed"),
        ("conv_in in_channels=4 out_channels=x size=8", "out_channels is 'x', a whole number"),
        ("conv_in in_channels=4 out_channels=8.5 size=8", "out_channels is '8.5', a whole"),
        ("context_proj in_width=4 width=4 tokens=4 rms=yes", "rms is 'yes', 0 or 1 is needed"),
        ("resample direction=left channels=8 size=8 conv=none", "direction is 'left', not one of"),
    ],
)
def test_a_broken_key_is_refused_by_name(key: str, message: str) -> None:
    with pytest.raises(WalkbenchError, match=message):
        parse_key(key)


def test_a_key_whose_sizes_do_not_fit_is_refused() -> None:
    key = ResBlock(64, 0, 64, 8, 64, Conv(), NORM).key
    with pytest.raises(WalkbenchError, match="norm_groups 7 does not divide"):
        parse_key(key.replace("norm.groups=8", "norm.groups=7"))


def test_a_ratio_that_is_no_number_is_refused() -> None:
    key = ResBlock(64, 0, 64, 8, 64, Conv(), NORM).key
    with pytest.raises(WalkbenchError, match=r"conv\.expansion is 'nan', a number is needed"):
        parse_key(key.replace("conv.expansion=1", "conv.expansion=nan"))


def test_groups_that_do_not_divide_are_a_spec_error() -> None:
    with pytest.raises(SpecError, match="norm_groups 8 does not divide the resblock input"):
        ResBlock(60, 0, 64, 8, 64, Conv(), NORM)


def test_blocks_of_equal_fields_share_one_entry() -> None:
    one, other = (Resample("down", 64, 32, Conv()) for _ in range(2))
    assert one is not other
    assert len({one, other}) == 1
    assert one.key is other.key
