"""Calibrating one phone: what anchors teach, and every way in which they can be wrong."""

import math

import pytest

from latency_db.calibrate import Anchor, calibrate_chip
from latency_db.calibrated_devices import calibrated_names, read_anchors, save_calibrated
from latency_db.estimate import ChipEstimate
from latency_db.sources import source_of
from search_space.errors import WalkbenchError
from search_space.presets import named_spec

CHIP = "A17 Pro"


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("WALKBENCH_HOME", str(tmp_path / "home"))


def anchor(name, factor=1.5, batch=1):
    ms = ChipEstimate.of(CHIP).predict(named_spec(name)).ms
    return Anchor(name, named_spec(name), factor * ms, batch)


def predicted(model, name="sdxl"):
    return model.latency(model.price_network(named_spec(name), 1))


def test_more_anchors_come_nearer_to_the_truth_and_narrow_the_interval():
    truth = 1.5 * ChipEstimate.of(CHIP).predict(named_spec("sdxl")).ms
    names = ("sd15", "M/mqa", "dreamlite")
    errors, widths = [], []
    for count in (1, 2, 3):
        latency = predicted(calibrate_chip(CHIP, [anchor(name) for name in names[:count]]).model)
        errors.append(abs(math.log(latency.ms / truth)))
        widths.append(latency.high / latency.low)
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.15
    assert widths == sorted(widths, reverse=True)


def test_an_anchor_that_agrees_changes_no_estimate():
    before = ChipEstimate.of(CHIP).predict(named_spec("sdxl")).ms
    assert predicted(calibrate_chip(CHIP, [anchor("sd15", 1.0)]).model).ms == pytest.approx(before)


def test_a_surprising_anchor_is_named_and_counts_for_less():
    surprising = calibrate_chip(CHIP, [anchor("sd15", 12.0)])
    assert "sd15" in surprising.notes[0] and "slower than estimated" in surprising.notes[0]
    assert not calibrate_chip(CHIP, [anchor("sd15")]).notes
    fast = calibrate_chip(CHIP, [anchor("sd15", 1 / 6)])
    assert "faster than estimated" in fast.notes[0]


def test_one_fallback_among_three_anchors_moves_little():
    usual = [anchor("sd15", 1.1), anchor("M/mqa", 1.1)]
    honest = predicted(calibrate_chip(CHIP, usual).model).ms
    fooled = predicted(calibrate_chip(CHIP, [*usual, anchor("F/thin", 4.0)]).model).ms
    assert fooled == pytest.approx(honest, rel=0.05)


def test_an_anchor_outside_the_fitted_range_is_named():
    tiny = named_spec("M/mqa").replace(latent_size=8)
    ms = ChipEstimate.of(CHIP).predict(tiny).ms
    huge = Anchor("sdxl", named_spec("sdxl"), 5000.0, batch=8)
    notes = calibrate_chip(CHIP, [Anchor("tiny", tiny, ms), huge]).notes
    assert any("outside the fitted range" in note for note in notes)


@pytest.mark.parametrize("ms", [0.0, -1.0, math.nan, math.inf])
def test_a_time_that_is_none_is_refused(ms):
    with pytest.raises(WalkbenchError, match="a positive number is needed"):
        calibrate_chip(CHIP, [Anchor("sd15", named_spec("sd15"), ms)])


@pytest.mark.parametrize(("factor", "unit"), [(1e-3, "seconds"), (1e3, "microseconds")])
def test_a_slip_of_units_is_refused_and_named(factor, unit):
    with pytest.raises(WalkbenchError, match=f"seems to be in {unit}, give milliseconds"):
        calibrate_chip(CHIP, [anchor("sd15", factor)])


def test_two_times_of_one_network_must_agree():
    with pytest.raises(WalkbenchError, match="contradict each other by more than 15%"):
        calibrate_chip(CHIP, [anchor("sd15", 1.0), anchor("sd15", 1.5)])
    once = calibrate_chip(CHIP, [anchor("sd15", 1.05)])
    twice = calibrate_chip(CHIP, [anchor("sd15", 1.0), anchor("sd15", 1.05**2)])
    assert predicted(twice.model).ms == pytest.approx(predicted(once.model).ms)


def test_no_anchor_is_no_calibration():
    with pytest.raises(WalkbenchError, match="one anchor or more"):
        calibrate_chip(CHIP, [])


def write(path, text):
    path.write_text(text)
    return path


def test_a_file_of_anchors_is_read_at_its_sizes(tmp_path):
    text = "spec,latent,batch,ms\nsd15,64,2,300\nM/mqa,,,210.5\n"
    first, second = read_anchors(write(tmp_path / "a.csv", text), "iPhone 15 Pro")
    assert (first.network.latent_size, first.batch, first.ms) == (64, 2, 300.0)
    assert second == Anchor("M/mqa", named_spec("M/mqa"), 210.5, 1)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("spec,ms\nsd15,\n", "line 2: ms of sd15 is ''"),
        ("spec,ms\nsd15,0.4 s\n", "ms of sd15 is '0.4 s'"),
        ("spec,ms,batch\nsd15,4,1.5\n", "batch of sd15 is '1.5'; a positive whole number"),
        ("spec,device,ms\nsd15,iPhone 13,300\n", "timed on iPhone 13 .A15., not on"),
        ("spec,ms\nsd155,300\n", "did you mean 'sd15'"),
        ("spec\nsd15\n", "no column 'ms'"),
        ("spec,ms,phase\nsd15,300,1\n", "an unknown column 'phase'"),
    ],
)
def test_a_bad_line_is_named(tmp_path, text, words):
    with pytest.raises(WalkbenchError, match=words):
        read_anchors(write(tmp_path / "a.csv", text), "iPhone 15 Pro")


def test_a_calibrated_phone_is_a_device_by_its_name():
    save_calibrated("My phone", "iPhone 15 Pro", [anchor("sd15")])
    assert calibrated_names() == ["My phone"]
    source, plain = source_of("my-phone"), source_of("iPhone 15 Pro")
    assert (source.device, source.name) == ("My phone", "estimate calibrated by 1 measured anchor")
    assert source.revision != plain.revision
    assert source.predict(named_spec("sdxl")).ms > plain.predict(named_spec("sdxl")).ms
    save_calibrated("My phone", "iPhone 15 Pro", [anchor("sd15", 1.4)])
    assert source_of("My phone").revision != source.revision


def test_an_unknown_device_suggests_calibrated_ones_too():
    save_calibrated("My phone", "A15", [anchor("sd15")])
    with pytest.raises(WalkbenchError, match="did you mean 'My phone'"):
        source_of("My phon")


@pytest.mark.parametrize("name", ["iPhone 15", "A15", "--"])
def test_a_calibration_cannot_take_the_name_of_a_phone(name):
    with pytest.raises(WalkbenchError, match="cannot be called"):
        save_calibrated(name, "A15", [anchor("sd15")])
    assert calibrated_names() == []


def test_a_calibration_of_another_phone_is_not_replaced():
    save_calibrated("mine", "iPhone 15 Pro", [anchor("sd15")])
    with pytest.raises(WalkbenchError, match="of iPhone 15 Pro, not of iPhone 13; choose another"):
        save_calibrated("mine", "iPhone 13", [anchor("sd15")])
    assert source_of("mine").name == "estimate calibrated by 1 measured anchor"


def test_a_damaged_file_says_to_calibrate_again(tmp_path):
    save_calibrated("mine", "A15", [anchor("sd15")])
    (tmp_path / "home" / "devices" / "mine.json").write_text("{}")
    with pytest.raises(WalkbenchError, match="calibrate again"):
        source_of("mine")
    save_calibrated("mine", "A16", [anchor("sd15")])
    assert source_of("mine").device == "mine"
