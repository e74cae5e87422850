"""Networks as Core ML programs: the names of Apple's pipelines, the same numbers, every weight."""

import copy
import logging
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch

from latency_db.backends.coreml_export import coremltools
from latency_db.packages import coreml_package
from latency_db.packages.coreml_convert import EXACT
from latency_db.packages.coreml_part import Settings, convert_part
from latency_db.packages.palettise import compare, correlation, palette, palettise
from latency_db.packages.part_module import part_inputs
from latency_db.packages.parts import OUTPUT, cut_into, sizes_at, whole
from latency_db.packages.weights import InitialWeights
from search_space.errors import WalkbenchError
from tests.latency_db.mil_evaluator import evaluate
from tests.latency_db.packages.tiny import tiny_sdxl

FP16, FP32 = Settings(), Settings(precision="fp32")
# apple/ml-stable-diffusion at e12202c: Unet.swift (what is passed), torch2coreml.py (what is
# declared; the timestep here in single precision, which Core ML converts like the others)
APPLE = {
    "sample": (1, 4, 8, 8),
    "timestep": (1,),
    "encoder_hidden_states": (1, 48, 1, 7),
    "time_ids": (1, 6),
    "text_embeds": (1, 32),
}


@cache
def converted(settings, count=1):
    """Convert once: a conversion takes seconds."""
    parts = cut_into(tiny_sdxl(), count, sizes_at(16))
    return [convert_part(part, InitialWeights(0), settings) for part in parts]


@cache
def palettised(bits):
    (part,) = converted(FP16)
    return palettise(part.model, part.module, bits)


@cache
def inputs_and_wanted():
    """Random inputs at half precision, and what the network makes of them in single."""
    part = whole(tiny_sdxl())
    inputs = part_inputs(part, 1, "channels", torch.Generator().manual_seed(0))
    inputs = {name: t if name in EXACT else t.half().float() for name, t in inputs.items()}
    with torch.no_grad():
        return inputs, converted(FP16)[0].module(**inputs)[0]


def run(models, inputs):
    """Run Core ML models in the MIL evaluator, one after the other."""
    values = dict(inputs)
    for model in models:
        main = model._mil_program.functions["main"]
        got = evaluate(model._mil_program, [values[name] for name in main.inputs])
        values |= dict(zip((output.name for output in main.outputs), got, strict=True))
    return values[OUTPUT]


def relative_rms(got, wanted):
    return float((got - wanted).square().mean().sqrt() / wanted.square().mean().sqrt())


@pytest.mark.slow
def test_names_shapes_and_types_are_those_of_apples_pipelines():
    ports = coreml_package._ports(converted(FP16)[0].model)
    assert {port["name"]: tuple(port["shape"]) for port in ports["inputs"]} == APPLE
    halves = {port["name"] for port in ports["inputs"] if port["dtype"] == "float16"}
    assert halves == {"sample", "encoder_hidden_states", "text_embeds"}
    (output,) = ports["outputs"]  # Swift reads the first output
    assert (output["name"], output["dtype"]) == ("noise_pred", "float32")


@pytest.mark.slow
def test_a_single_precision_program_is_within_1e5_of_the_rms():
    inputs, wanted = inputs_and_wanted()
    assert (
        run([part.model for part in converted(FP32)], inputs) - wanted
    ).abs().max() <= 1e-5 * wanted.square().mean() ** 0.5


@pytest.mark.slow
def test_a_half_precision_program_is_within_half_precision():
    inputs, wanted = inputs_and_wanted()
    assert relative_rms(run([converted(FP16)[0].model], inputs), wanted) <= 2e-3


@pytest.mark.slow
def test_two_programs_compute_what_one_computes_to_the_bit():
    inputs, _ = inputs_and_wanted()
    one, two = ([part.model for part in converted(FP16, count)] for count in (1, 2))
    assert torch.equal(run(two, inputs), run(one, inputs))


def test_sinusoids_of_time_stay_in_single_precision():
    for op in converted(FP16)[0].model._mil_program.functions["main"].operations:
        if op.op_type in ("cos", "sin"):
            assert "fp32" in str(op.outputs[0].dtype.__name__)


@pytest.mark.slow
def test_no_head_is_copied_and_ios18_fuses_attention():
    assert "tile" not in converted(FP16)[0].facts.operators
    facts = converted(Settings("ios18"))[0].facts
    assert facts.operators["scaled_dot_product_attention"] == 6


@pytest.mark.slow
def test_six_bits_correlate_above_0999_and_four_above_099_each_weight():
    for bits, least in ((6, 0.999), (4, 0.99)):
        weights = palettised(bits)[1]
        large = [p for p in converted(FP16)[0].module.parameters() if p.ndim > 1]
        assert len(weights) == sum(p.numel() > 2048 for p in large)
        assert min(weight.correlation for weight in weights) >= least


@pytest.mark.slow
def test_a_palettised_program_runs_as_the_network_with_its_decompressed_weights():
    inputs, _ = inputs_and_wanted()
    model, _ = palettised(4)
    module = copy.deepcopy(converted(FP16)[0].module)
    held = {
        op.name.removesuffix("_to_fp16_palettized").removeprefix("p_"): op
        for op in model._mil_program.functions["main"].operations
        if op.op_type == "constexpr_lut_to_dense"
    }
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            op = held.get(name.replace(".", "_"))
            if op is not None:
                values = np.asarray(op.materialized_val_inference(), np.float32)
                parameter.copy_(torch.from_numpy(values).reshape(parameter.shape))
        wanted = module(**inputs)[0]
    assert relative_rms(run([model], inputs), wanted) <= 2e-3


def test_rotary_tables_are_not_compressed():
    names = {weight.name for weight in palettised(4)[1]}
    assert names and all(name.startswith("p_") for name in names)  # parameters, nothing else


def test_the_worst_weight_goes_into_the_note():
    part = replace(converted(FP16)[0], weights=tuple(palettised(4)[1]))
    worst = min(part.weights, key=lambda weight: weight.correlation)
    facts = coreml_package._facts(part)
    assert (facts["worst_weight"], facts["worst_correlation"]) == (worst.name, worst.correlation)


@pytest.mark.slow
def test_a_group_of_channels_has_a_palette_each_and_what_it_does_not_divide_is_named():
    part = converted(Settings("ios18"))[0]
    weights = tuple(palettise(part.model, part.module, 4, 24)[1])
    groups = {weight.name: weight.groups for weight in weights}
    assert groups["p_up1_stack0_layers_0_ff_gate_weight_to_fp16"] == 2 * 3 * 64 // 24
    assert groups["p_mid_res0_conv1_weight_to_fp16"] == 1
    assert "p_mid_res0_conv1_weight_to_fp16" in replace(part, weights=weights).undivided


@pytest.mark.slow
def test_a_group_that_divides_no_weight_is_refused_with_one_of_them_named():
    part = converted(Settings("ios18"))[0]
    with pytest.raises(WalkbenchError, match=r"group size 7 divides .* no weight, p_\w+ has \d+"):
        palettise(part.model, part.module, 4, 7)


def test_a_weight_that_stays_uncompressed_is_an_error_that_names_it(monkeypatch):
    ct = coremltools()
    monkeypatch.setattr(ct.optimize.coreml, "palettize_weights", lambda model, _: model)
    with pytest.raises(WalkbenchError, match=r"left p_\w+ .* uncompressed"):
        palettise(converted(FP16)[0].model, converted(FP16)[0].module, 4)


@pytest.mark.slow
def test_a_wrong_palette_is_noticed(monkeypatch):
    def reversed_palette(values, bits):
        table, indices = palette(values, bits)
        return table[::-1].copy(), indices

    monkeypatch.setattr("latency_db.packages.palettise.palette", reversed_palette)
    with pytest.raises(WalkbenchError, match=r"correlates -\d"):
        palettise(converted(FP16)[0].model, converted(FP16)[0].module, 4)


@pytest.mark.parametrize("bits", [3, 4, 6, 8])
def test_palettes_are_as_good_as_those_of_coremltools(bits):
    from coremltools.optimize.coreml._quantization_passes import palettize_weights

    weight = np.random.default_rng(0).normal(0, 0.03, (64, 128)).astype(np.float16)
    table, indices = palette(weight, bits)
    theirs, at = palettize_weights._get_lut_and_indices(weight, "KMEANS", bits, None)
    ours = correlation(table[indices], weight)
    assert ours >= correlation(theirs[at], weight) - 2e-4
    assert len(table) == 1 << bits and table.dtype == np.float16


def test_a_weight_of_few_values_is_kept_exactly():
    weight = np.tile(np.array([-1.0, 0.5, 2.0], np.float16), 1000)
    table, indices = palette(weight, 4)
    assert np.array_equal(table[indices], weight)


def test_compare_reports_a_weight_without_palette():
    program = converted(FP16)[0].model._mil_program
    (found,) = compare({"nowhere": np.ones(3)}, program)
    assert (found.name, found.groups) == ("nowhere", 0)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (
            {"bits": 3},
            "3 bits per weight on ios17; it knows 16, 8, 6, 4; 3 bits need --target",
        ),
        ({"bits": 5}, "5 bits per weight on ios17; it knows 16, 8, 6, 4$"),
        ({"bits": 4, "group": 16}, "need --target ios18"),
        ({"target": "ios18", "group": 16}, "group size 16 needs palettes"),
        ({"target": "ios99"}, "ios99"),
        ({"layout": "wide"}, "wide"),
    ],
)
def test_what_a_target_lacks_is_refused_before_converting(options, words):
    with pytest.raises(WalkbenchError, match=words):
        Settings(**options)


def test_the_level_of_coremltools_log_is_restored(monkeypatch):
    log = logging.getLogger("coremltools")
    before = log.level
    monkeypatch.setattr(coremltools().optimize.coreml, "palettize_weights", lambda model, _: model)
    with pytest.raises(WalkbenchError):
        palettise(converted(FP16)[0].model, converted(FP16)[0].module, 4)
    assert log.level == before
