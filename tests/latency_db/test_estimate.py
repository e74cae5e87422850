"""Estimates of specs, blocks and modules."""

import time

import pytest
import torch
from torch import nn

from latency_db.devices import CHIPS
from latency_db.estimate import (
    ChipEstimate,
    UnknownOperatorWarning,
    estimate,
    estimate_block,
    estimate_operators,
)
from latency_db.evidence import published_evidence
from latency_db.fitted import shipped_fit
from latency_db.roofline import Setting, loads
from search_space.errors import WalkbenchError
from search_space.modules.network import example_inputs
from search_space.plan import plan
from search_space.presets import all_named, named_spec
from search_space.trace import Op
from search_space.unet import UNet


def test_every_named_design_has_an_estimate_with_an_interval_on_every_chip():
    for chip in CHIPS:
        source = ChipEstimate.of(chip)
        for spec in all_named().values():
            latency = source.predict(spec)
            assert latency.low < latency.ms < latency.high
            assert (latency.coverage, latency.source) == (0.0, "estimated")


def test_a_spec_costs_what_its_operators_cost_together():
    ops = published_evidence().networks["spec:snapgen-t2i@128x1"]
    fitted = shipped_fit()
    ms, _ = fitted.fit.predict(loads(ops, CHIPS["A15"].on_chip_mb), "A15")
    # A whole network shares one rotary table per stack; blocks are priced as if it were given.
    own = ChipEstimate.of("A15").predict(named_spec("snapgen-t2i")).ms
    assert own == pytest.approx(ms, rel=2e-3)


def test_blocks_and_the_floor_nearly_add_up_to_the_network():
    spec = named_spec("M/mqa")
    blocks = sum(count * estimate_block(block, "A15").ms for block, count in plan(spec).blocks())
    floor = shipped_fit().fit.parameters["A15"][0]
    whole = ChipEstimate.of("A15").predict(spec).ms
    assert 0.9 * (blocks + floor) < whole <= blocks + floor  # blocks hide each other's weights


@pytest.mark.parametrize(("chip", "model"), [("A14", "SD 2.1"), ("A15", "SDXL")])
def test_a_chip_with_fewer_rows_has_a_wider_interval(chip, model):
    spec = named_spec("sdxl")
    known, guessed = (ChipEstimate.of(c).predict(spec) for c in (chip, "A19 Pro"))
    assert guessed.high / guessed.low > known.high / known.low


def test_a_module_is_estimated_from_its_forward_pass_and_left_as_it_was():
    module = nn.Sequential(nn.Conv2d(3, 32, 3, stride=2), nn.BatchNorm2d(32), nn.ReLU())
    before = {name: t.clone() for name, t in module.state_dict().items()}
    latency = estimate(module, torch.zeros(1, 3, 64, 64), "A15")
    assert latency.low < latency.ms < latency.high
    assert all(torch.equal(t, before[name]) for name, t in module.state_dict().items())
    assert module.training


def test_a_unet_is_estimated_as_its_spec():
    spec = named_spec("sd15")
    with torch.device("meta"):
        unet, inputs = UNet(spec), example_inputs(spec)
    by_module = estimate(unet, inputs, "A15").ms
    assert by_module == pytest.approx(estimate(spec, chip="A15").ms, rel=0.02)


def test_inputs_may_be_a_tensor_a_sequence_or_a_mapping():
    module, x = nn.Linear(8, 8), torch.zeros(4, 8)
    assert len({estimate(module, i, "A15").ms for i in (x, (x,), [x], {"input": x})}) == 1


class Fourier(nn.Module):
    def forward(self, x):
        return torch.fft.fft2(x).real


def test_an_operator_never_seen_is_named_and_widens_the_interval():
    with pytest.warns(UnknownOperatorWarning, match="fft"):
        odd = estimate(Fourier(), torch.zeros(1, 64, 64, 64), "A15")
    known = estimate(nn.ReLU(), torch.zeros(1, 64, 64, 64), "A15")
    assert odd.ms > known.ms
    assert odd.high / odd.low > 1.2 * known.high / known.low


def test_even_a_tiny_unknown_operator_widens():
    ops = [Op("linear", "addmm", 10**9, 10**6, 10**6, 10**6, (1, 10**6))]
    known = estimate_operators(ops, "A15", Setting())
    with pytest.warns(UnknownOperatorWarning, match="mystery"):
        odd = estimate_operators([*ops, Op("other", "mystery", 0, 0, 1, 1, (1,))], "A15", Setting())
    assert odd.high / odd.low > known.high / known.low


class DependsOnValues(nn.Module):
    def forward(self, x):
        return x[x > 0]


class Branches(nn.Module):
    def forward(self, x):
        return x if x.sum() > 0 else -x


@pytest.mark.parametrize("module", [DependsOnValues(), Branches()])
def test_dynamic_shapes_are_refused_in_one_line(module):
    with pytest.raises(WalkbenchError, match="cannot be traced on meta") as error:
        estimate(module, torch.zeros(4), "A15")
    assert "\n" not in str(error.value)


def test_wrong_inputs_are_refused_in_one_line():
    with pytest.raises(WalkbenchError, match="Linear cannot be traced"):
        estimate(nn.Linear(8, 8), torch.zeros(4, 9), "A15")
    with pytest.raises(WalkbenchError, match="needs the inputs"):
        estimate(nn.Linear(8, 8), chip="A15")


def test_an_unknown_chip_names_the_nearest():
    with pytest.raises(WalkbenchError, match="'A17 Pro'"):
        estimate(named_spec("sd15"), chip="A17 Pr0")


def test_a_warm_estimate_takes_less_than_tracing_would():
    spec, source = named_spec("snapgen-t2i"), ChipEstimate.of("A15")
    source.predict(spec)
    begin = time.perf_counter()
    for _ in range(200):
        source.predict(spec)
    warm = (time.perf_counter() - begin) / 200
    begin = time.perf_counter()
    with torch.device("meta"):
        estimate(UNet(spec), example_inputs(spec), "A15")
    assert warm < (time.perf_counter() - begin) / 50
