"""Drawings: XML for any spec, widths to scale, skips between the right sites, hostile names."""

import re
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings

from search_space.presets import FAMILIES, WALK, all_named, named_spec, walk_specs
from studies.drawing.arms import arms
from studies.drawing.draw import WIDTH, changed_steps, draw
from studies.drawing.legend import legend
from studies.drawing.svg import document, plain
from tests.search_space.strategies import specs

SVG = "{http://www.w3.org/2000/svg}"


def marks(picture):
    """The drawn blocks by the path of their step."""
    root = ElementTree.fromstring(picture)
    found = {}
    for one in root.iter(f"{SVG}g"):
        title = one.find(f"{SVG}title")
        if title is not None:
            found[title.text.partition(":")[0]] = one
    return found


def bar_width(mark):
    """The width of a resblock's upper edge."""
    numbers = [float(n) for n in re.findall(r"-?[\d.]+", mark.find(f"{SVG}path").get("d"))]
    return numbers[2] - numbers[0]


@pytest.mark.parametrize("name", ["sdxl", "sd15", "dreamlite", "snapgen-t2i", "M/mqa"])
def test_every_block_on_a_feature_map_is_drawn_once(name):
    spec = named_spec(name)
    steps = [path for path, step in spec.plan().steps() if step.leaves == "x"]
    assert sorted(marks(draw(spec))) == sorted(steps)


def test_widths_are_channels_to_scale():
    drawn = marks(draw(named_spec("sdxl")))
    widths = {path: bar_width(drawn[path]) for path in ("down0.res0", "down1.res0", "down2.res0")}
    assert widths["down1.res0"] / widths["down0.res0"] == pytest.approx(2, rel=0.01)
    assert widths["down2.res0"] / widths["down0.res0"] == pytest.approx(4, rel=0.01)


@pytest.mark.parametrize("name", list(all_named()))
def test_as_many_skips_are_drawn_as_the_plan_takes(name):
    spec = named_spec(name)
    taken = sum(step.pop for _, step in spec.plan().steps())
    assert draw(spec).count("<circle") == taken


def test_a_skip_comes_from_the_site_that_the_plan_saved_it_at():
    rows = arms(named_spec("sd15")).rows
    assert [site.takes for site in rows[3].up] == ["down3.res1", "down3.res0", "down2.downsample"]
    assert rows[3].down[0].leaves_skip


def test_a_stack_without_self_attention_has_no_stripe_for_it():
    with_it = marks(draw(named_spec("F/thin")))["down1.stack0"]
    without = marks(draw(named_spec("F/no-high-res-sa")))["down1.stack0"]
    assert len(with_it.findall(f"{SVG}path")) == 3
    assert len(without.findall(f"{SVG}path")) == 2


@pytest.mark.parametrize("family", list(FAMILIES))
def test_every_step_of_the_walk_frames_what_differs_from_the_step_before(family):
    found = list(walk_specs(FAMILIES[family]).values())
    for step, before, after in zip(WALK[1:], found, found[1:], strict=False):
        framed = draw(after, against=before).count('class="differs"')
        on_maps = {p for p, s in after.plan().steps() if s.leaves == "x"}
        assert framed == len(changed_steps(after, before) & on_maps), step.name
        assert framed > 0


def test_a_network_differs_from_itself_in_nothing():
    assert "differs" not in draw(named_spec("sdxl"), against=named_spec("sdxl"))


@settings(max_examples=8, deadline=None)
@given(spec=specs())
def test_any_spec_is_drawn_inside_its_frame(spec):
    root = ElementTree.fromstring(draw(spec))
    _, _, width, height = map(float, root.get("viewBox").split())
    assert width == WIDTH
    for one in root.iter(f"{SVG}g"):
        place = re.match(r"translate\(([\d.]+) ([\d.]+)\)", one.get("transform") or "")
        if place:
            assert 0 <= float(place[1]) <= width and 0 <= float(place[2]) <= height


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", '"onload="x', "a\x00b\ud800", "x" * 500, "]]>&amp;"]
)
def test_a_hostile_name_stays_text(name):
    picture = draw(named_spec("F/mqa"), name, against=named_spec("sd15"), other=name)
    picture.encode()
    root = ElementTree.fromstring(picture)
    assert not list(root.iter(f"{SVG}script")) and "onload" not in root.attrib
    assert root.find(f"{SVG}title").text.replace("\ufffd", "")[:3] == name[:3].replace("\x00", "")


def test_a_part_of_a_page_sets_no_style_for_the_page():
    assert "<style>" not in draw(named_spec("sd15"), alone=False)
    assert "prefers-color-scheme" in draw(named_spec("sd15"))


def test_characters_that_xml_forbids_are_replaced():
    assert plain("a\x0bb\uffff<") == "a\ufffdb\ufffd&lt;"
    assert ElementTree.fromstring(document("", (1, 1), "\x1f", alone=True)) is not None


def test_the_legend_names_only_what_occurs():
    blocks = [step.block for _, step in named_spec("F/mqa").plan().steps()]
    drawn, _ = legend(blocks, 0.1, 0.0, 500.0, False)
    assert "self-attention" in drawn and "dense" not in drawn and "differs" not in drawn
