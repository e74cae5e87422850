"""Every sampler that ships passes the suite."""

import pytest

from studies.samplers import SAMPLERS
from studies.testing import SamplerSuite


class TestTpe(SamplerSuite):
    name = "tpe"


class TestNsga2(SamplerSuite):
    name = "nsga2"


class TestRandom(SamplerSuite):
    name = "random"


class TestGp(SamplerSuite):
    name = "gp"


@pytest.mark.parametrize("name", SAMPLERS.names())
def test_every_sampler_without_needs_of_its_own_has_a_suite(name):
    suites = {suite.name for suite in SamplerSuite.__subclasses__()}
    assert name in suites or SAMPLERS.get(name).informed is not None
