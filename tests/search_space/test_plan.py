"""The topology, checked by walking the list: widths, resolutions and skips fit everywhere."""

import pytest
from hypothesis import given

from search_space import blocks as b
from search_space.plan import plan
from search_space.presets import all_named, named_spec
from search_space.spec import Conv, Path, Site, Stage, UNetSpec
from tests.search_space.strategies import specs


def walk(spec: UNetSpec) -> None:
    """Follow the stream through the plan; fail where a block does not fit what arrives."""
    width, size, skips = spec.in_channels, spec.latent_size, list[tuple[int, int]]()
    for path, step in plan(spec).steps():
        block = step.block
        if path.startswith("input.") and path != "input.conv_in":
            assert not (step.pop or step.push)
            continue
        skip, skip_size = skips.pop() if step.pop else (0, size)
        place = block.projection if isinstance(block, b.TransformerStack) else block
        assert skip_size == size == getattr(place, "size", None), path
        match block:
            case b.ConvIn() | b.ConvOut():
                assert block.in_channels == width, path
                width = block.out_channels
            case b.ResBlock() | b.Fuse():
                assert (block.in_channels, block.skip) == (width, skip), path
                width = block.out_channels
            case b.TransformerStack():
                assert (block.projection.channels, skip) == (width, 0), path
            case b.Resample():
                assert (block.channels, skip) == (width, 0), path
                size = size // 2 if block.direction == "down" else size * 2
        if step.push:
            skips.append((width, size))
    assert (width, size, skips) == (spec.out_channels, spec.latent_size, [])


@pytest.mark.parametrize("name", all_named())
def test_every_named_plan_fits_together(name: str) -> None:
    walk(named_spec(name))


@given(specs())
def test_any_plan_fits_together_and_leaves_no_skip(spec: UNetSpec) -> None:
    walk(spec)


@given(specs())
def test_paths_are_unique_and_in_segments(spec: UNetSpec) -> None:
    made = plan(spec)
    paths = [path for path, _ in made.steps()]
    assert len(set(paths)) == len(paths)
    last = len(spec.stages) - 1
    down, up = [f"down{i}" for i in range(last + 1)], [f"up{i}" for i in range(last, -1, -1)]
    mid = ["mid"] if spec.mid else []
    assert list(made.names) == ["input", *down, *mid, *up, "output"]


@given(specs())
def test_a_plan_has_the_resblocks_and_layers_that_the_spec_counts(spec: UNetSpec) -> None:
    sites = [site for s in spec.stages for path in (s.down, s.up) for site in path.sites]
    resblocks = sum(site.resblock for site in sites) + (spec.mid.resblocks if spec.mid else 0)
    layers = sum(site.depth for site in sites) + (spec.mid.depth if spec.mid else 0)
    counts = [(block, count) for block, count in plan(spec).blocks()]
    assert sum(n for block, n in counts if isinstance(block, b.ResBlock)) == resblocks
    assert sum(n for block, n in counts if isinstance(block, b.TransformerLayer)) == layers


def _skips(down: int, up: int) -> list[tuple[str, int]]:
    """Skip widths of the up path of the second of two stages, 8 and 16 wide."""

    def stage(channels: int, sites: int, ups: int) -> Stage:
        paths = (Path((Site(),) * sites), Path((Site(),) * ups))
        return Stage(channels, 1, 8, *paths, kv_heads=1)

    spec = UNetSpec(
        (stage(8, 1, 2), stage(16, down, up)), None, time_width=8, norm_groups=4, latent_size=8
    )
    found = [(path, step.block) for path, step in plan(spec).steps() if path.startswith("up1.res")]
    return [(path, block.skip) for path, block in found if isinstance(block, b.ResBlock)]


def test_one_more_site_up_than_down_also_takes_the_skip_where_the_stage_began() -> None:
    assert _skips(2, 3) == [("up1.res0", 16), ("up1.res1", 16), ("up1.res2", 8)]


def test_fewer_sites_up_take_the_newest_skips() -> None:
    assert _skips(3, 2) == [("up1.res0", 16), ("up1.res1", 16)]


def test_sites_beyond_the_skips_have_none() -> None:
    assert [skip for _, skip in _skips(1, 4)] == [16, 8, 0, 0]


def test_candidates_share_the_segments_in_which_they_agree() -> None:
    one, other = plan(named_spec("M/mqa")), plan(named_spec("M/early-condition"))
    pairs = zip(one.names, one.segments, other.segments, strict=True)
    differ = [name for name, mine, theirs in pairs if mine is not theirs]
    assert differ == ["down0", "up0"]  # the one stage that was edited


def test_samplers_are_never_expanded() -> None:
    for name in all_named():
        for _, step in plan(named_spec(name)).steps():
            if isinstance(step.block, b.Resample):
                assert step.block.conv is not None
                assert step.block.conv.expansion == Conv().expansion
