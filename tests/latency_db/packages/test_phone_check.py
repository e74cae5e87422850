"""What will not map well is named with its block, its limit and the walk's cure."""

import pytest

from latency_db.packages.phone_check import app_memory, check_phone
from search_space.errors import WalkbenchError
from search_space.presets import named_spec


def kinds(findings, kind):
    return [finding for finding in findings if finding.kind == kind]


def test_removing_high_res_self_attention_cures_the_maps_that_do_not_fit():
    before, after = (
        [f for f in kinds(check_phone(named_spec(name)), "attention map") if "self-" in f.what]
        for name in ("M/thin", "M/no-high-res-sa")
    )
    high = {f.step for f in before if f.step.startswith(("down1", "up1"))}
    assert high == {"down1.stack0", "down1.stack1", "up1.stack0", "up1.stack1", "up1.stack2"}
    assert all(f.cure.startswith("no-high-res-sa") for f in before if f.step in high)
    assert {f.step for f in after} == {f.step for f in before} - high


def test_a_map_is_heads_times_tokens_squared_at_half_precision():
    (found, *_) = kinds(check_phone(named_spec("M/thin")), "attention map")
    assert found.value == pytest.approx(8 * 4096**2 * 2 / 1e6)


def test_grouped_heads_exceed_the_largest_side_and_the_ane_layout_cures_it():
    found = kinds(check_phone(named_spec("snapgen-t2i")), "dimension")
    assert found[0].step == "down0.stack0" and found[0].value == 4 * 128**2
    assert "--layout ane" in found[0].cure
    assert not kinds(check_phone(named_spec("snapgen-t2i"), layout="ane"), "dimension")


def test_weights_above_a_gigabyte_need_a_cut_unless_of_six_bits():
    assert kinds(check_phone(named_spec("sdxl")), "program size")
    assert kinds(check_phone(named_spec("sdxl"), bits=8), "program size")
    assert not kinds(check_phone(named_spec("sdxl"), bits=6), "program size")
    assert not kinds(check_phone(named_spec("snapgen-t2i")), "program size")


def test_sdxl_does_not_fit_an_app_at_16_bits_and_does_at_6():
    assert kinds(check_phone(named_spec("sdxl"), "iPhone 15 Pro"), "memory")
    assert not kinds(check_phone(named_spec("sdxl"), "iPhone 15 Pro", bits=6), "memory")


def test_only_the_embeddings_leave_the_engine_and_rotary_tables_do_not():
    found = kinds(check_phone(named_spec("snapgen-t2i")), "operator")
    assert {f.step for f in found} == {"input.time"}


def test_phones_of_one_chip_differ_in_memory_and_a_chip_has_the_least():
    assert app_memory("iPhone 13") == 2e9 and app_memory("iPhone 14") == 3e9
    assert app_memory("A15") == 2e9
    with pytest.raises(WalkbenchError, match="iPhone 51"):
        app_memory("iPhone 51")
