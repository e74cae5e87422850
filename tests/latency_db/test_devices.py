"""Names of phones and chips."""

import pytest

from latency_db.devices import CHIPS, DEVICES, chip_of, device_names
from latency_db.source import LatencySource
from latency_db.sources import source_of
from search_space.errors import WalkbenchError


@pytest.mark.parametrize("name", ["iPhone 15 Pro", "iphone-15-pro", "IPHONE15PRO", "A17 Pro"])
def test_a_phone_may_be_spelled_as_people_spell_it(name):
    assert chip_of(name) == "A17 Pro"


def test_every_device_has_a_source_that_bears_its_name():
    for name in device_names():
        source = source_of(name)
        assert isinstance(source, LatencySource)
        assert source.device == name


def test_every_phone_has_a_known_chip():
    assert set(DEVICES.values()) <= set(CHIPS)


@pytest.mark.parametrize(
    ("wrong", "near"),
    [("iPhone 15 Prro", "'iPhone 15 Pro'"), ("A17Pr", "'A17 Pro'"), ("", "known:")],
)
def test_an_unknown_device_names_the_nearest(wrong, near):
    with pytest.raises(WalkbenchError) as error:
        source_of(wrong)
    assert near in str(error.value)
    assert "\n" not in str(error.value)


def test_fp16_tops_did_not_double_at_a17_pro():
    assert CHIPS["A17 Pro"].fp16_tops / CHIPS["A16"].fp16_tops < 1.1
