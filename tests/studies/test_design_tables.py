"""Specs and their differences in words."""

import pytest

from dashboard.tables import table
from search_space.presets import all_named, named_spec
from studies.design_tables import changes, shared_facts, stage_table


@pytest.mark.parametrize("name", all_named())
def test_every_named_design_has_a_rectangular_table(name: str):
    head, rows = stage_table(named_spec(name))
    assert all(len(row) == len(head) for row in rows)
    assert all(cell for row in rows for cell in row)


def test_sites_alike_are_written_together_and_uneven_ones_apart():
    _, rows = stage_table(named_spec("snapgen-t2i"))
    down = next(row for row in rows if row[0] == "down")
    assert down[1:3] == ["2× (1× CA)", "2× (res + 2× CA)"]  # stage 1 has no resblocks there


def test_the_mid_block_may_be_absent():
    spec = named_spec("F/mqa").replace(mid=None)
    assert stage_table(spec)[0][-1] == "stage 3"


def test_what_stages_share_is_said_once():
    facts = shared_facts(named_spec("sdxl"))
    assert "text 77 × 2048" in facts and "pooled text 1280" in facts
    assert "text 77 × 2048, projected to 2304" in shared_facts(named_spec("dreamlite"))


def test_a_change_in_all_stages_is_one_line():
    lines = changes(named_spec("F/no-high-res-sa"), named_spec("F/separable"))
    assert lines == [("stages 1, 2, 3 · convs · kind", "dense", "separable")]


def test_designs_with_other_numbers_of_stages_still_compare():
    lines = changes(named_spec("sd15"), named_spec("snapgen-t2i"))
    assert lines[0] == ("number of stages", "4", "3")
    assert max(len(text) for line in lines for text in line) < 60


def test_equal_designs_differ_in_nothing():
    assert changes(named_spec("snapgen-imagenet"), named_spec("F/qk-norm-rope")) == []


def test_cells_are_text_not_markup():
    assert "<script>" not in table(["<b>"], [["<script>"]], groups=[("<i>", 1)])
