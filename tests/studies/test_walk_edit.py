"""Edited walks and their figures: whatever somebody types, the path stays a path of networks."""

import math
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latency_db.sources import source_of
from search_space.errors import WalkbenchError
from search_space.presets import FAMILIES, walk_specs
from studies.analyses.design_walk import path_card, shares_card, step_record, steps_card
from studies.figures.walk import walk_figure
from studies.walk import walk_rows
from studies.walk_edit import MOST, edited_path, steps_of, with_axis
from studies.walk_order import StepShare


@pytest.mark.parametrize("family", list(FAMILIES))
def test_the_unedited_path_is_the_walk(family):
    path = edited_path(family, steps_of(family))
    assert {step.name: step.network for step in path} == walk_specs(FAMILIES[family])


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text("=.0189-abthinmq ", max_size=12) | st.sampled_from(steps_of("F"))))
def test_any_text_gives_a_path_of_networks_or_a_reason(names):
    path = edited_path("F", names)
    assert len(path) == 1 + min(len(names), MOST)
    for before, step in pairwise(path):
        assert step.problem is None or step.network == before.network


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("channels.0=abc", "is no int"),
        ("mid=perhaps", "true or false"),
        ("kv_heads.2=all", "changes nothing"),
        ("biases=both", "has no effect"),
        ("nothing=1", "unknown axis"),
        ("ff_ratio=nan", "positive number"),
    ],
)
def test_a_change_that_cannot_be_made_says_why(change, said):
    with pytest.raises(WalkbenchError, match=said):
        with_axis(walk_specs(FAMILIES["F"])["thin"], change)


def test_published_changes_of_another_phone_are_marked_in_figure_and_table():
    card = steps_card(walk_rows("M", "iPhone 16 Pro Max"))
    crossed = [t for t in card.figure.data if t.marker.symbol == "diamond-cross-open"]
    assert [t.name for t in crossed] == ["published change on iPhone 15 Pro, family M"]
    headings = [column.heading for column in card.table.columns]
    cells = {row[0]: row[headings.index("ms published")] for row in card.table.rows}
    assert cells["no-high-res-sa"] == "−24 % stated, iPhone 15 Pro"
    assert cells["snapgen"] == "274 ms stated, iPhone 16 Pro Max"
    assert any("do not compare" in note for note in card.notes)
    own = walk_figure(walk_rows("M", "iPhone 15 Pro"))
    assert not any(trace.marker.symbol == "diamond-cross-open" for trace in own.data)


def test_latency_panels_name_their_device():
    titles = [note.text for note in walk_figure(walk_rows("F", "iPhone 15 Pro")).layout.annotations]
    assert "Latency on iPhone 15 Pro (ms, estimated, bar = 80 % interval)" in titles


def test_a_cloud_of_another_device_does_not_lie_behind_the_path():
    source = source_of("iPhone 15 Pro")
    steps = [step_record("mqa", walk_specs(FAMILIES["F"])["mqa"], source)]
    other = step_record("thin", walk_specs(FAMILIES["F"])["thin"], source_of("iPhone 12"))
    card = path_card({"family F": steps}, [other], "latency_ms", "params", "iPhone 15 Pro")
    assert [trace.name for trace in card.figure.data] == ["family F"]
    assert "1 are left out" in card.words[1]
    sizes = path_card({"family F": steps}, [other], "macs", "params", "iPhone 15 Pro")
    assert [trace.name for trace in sizes.figure.data] == ["searched", "family F"]


def test_a_step_called_like_markup_is_text_in_the_figure():
    spec = walk_specs(FAMILIES["F"])["mqa"]
    steps = [step_record("<b>x</b>", spec, source_of("iPhone 15 Pro"))]
    figure = path_card({"p": steps}, [], "macs", "params", "iPhone 15 Pro").figure
    assert figure.layout.annotations[0].text == "&lt;b>x&lt;/b>"


def test_a_waterfall_begins_at_the_first_design_and_ends_at_the_last():
    shares = [
        StepShare("a", "params", -10e6, -12e6, -20e6, -5e6),
        StepShare("b", "params", 4e6, 6e6, 1e6, 9e6),
    ]
    card = shares_card(shares, 100e6, "F", "iPhone 15 Pro")
    bars, diamonds = card.figure.data
    assert math.fsum(bars.y[:-1]) == pytest.approx(bars.y[-1]) == pytest.approx(94)
    assert list(diamonds.y) == pytest.approx([88, 96])
    assert card.table.rows[0] == ("a", "−10.00 M", "−12.00 M", "−20.00 M", "−5.00 M")
