"""Conversion to Core ML: the same numbers, no copied heads, every weight, every MAC."""

import copy
import errno
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch

from latency_db.backends import coreml_export
from latency_db.backends.backend import CannotRun
from latency_db.backends.coreml_check import OPERATORS, check_program, missing_parameters
from latency_db.backends.coreml_export import (
    Recipe,
    convert,
    export_one,
    export_packages,
    write_manifest,
)
from latency_db.builder_width import with_first_width
from search_space.blocks import Norm, Resample, ResBlock, TransformerLayer, TransformerStack
from search_space.errors import WalkbenchError
from search_space.presets import named_spec
from search_space.spec import Conv, Site
from tests.latency_db import small_blocks
from tests.latency_db.mil_evaluator import HANDLERS, evaluate

MHA = TransformerLayer(4, 8, 4, 4, 24, 7, True, True, 4.0, "none", False, "skip")
GQA = TransformerLayer(4, 8, 2, 4, 24, 7, True, True, 3.0, "layer", False, "skip")
CROSS = TransformerLayer(4, 8, 1, 4, 24, 7, False, True, 3.0, "none", True, "norm")
WITH_MAX_NORM = Conv("separable", 2.0, "max", True)
BLOCKS = small_blocks.BLOCKS | {
    "resblock_max_norm": ResBlock(16, 0, 32, 8, 32, WITH_MAX_NORM, small_blocks.NORM),
    **{
        f"resblock_{name}": ResBlock(16, 0, 16, 8, 32, Conv(), Norm(4, 1e-5, name))
        for name in ("hardswish", "mish", "gelu", "relu")
    },
    "layer_gqa_layer_norm": GQA,
    "layer_cross_only": CROSS,
    "stack_mha": TransformerStack(small_blocks.BLOCKS["projection"], MHA, 1),
    "down_pool": Resample("down", 16, 8, None),
    "up_separable": Resample("up", 16, 8, Conv("separable")),
}
MQA = small_blocks.MQA
ONCE = [  # of what differs in an activation, a shape or a part of another block: single precision
    "resblock_skip",
    "resblock_max_norm",
    "resblock_hardswish",
    "resblock_mish",
    "resblock_gelu",
    "resblock_relu",
    "projection",
    "layer_gqa_layer_norm",
    "layer_cross_only",
    "down_pool",
    "up_separable",
]
IOS17, IOS18 = Recipe("ios17", "fp16"), Recipe("ios18", "fp32")
ANE = Recipe("ios17", "fp16", "ane")
TOLERANCE = {"fp32": 1e-3, "fp16": 2e-2}


@cache
def converted(subject, recipe):
    """Convert once: a conversion takes about a second."""
    return convert(subject, 1, recipe)


def error_of(subject, recipe):
    """Run block and program, return the largest difference relative to the largest value."""
    model, program, facts = converted(subject, recipe)
    with torch.no_grad():
        wanted = program.module(*program.inputs)
    (wanted,) = (wanted,) if isinstance(wanted, torch.Tensor) else wanted
    (got,) = evaluate(model._mil_program, list(program.inputs))
    assert got.shape == wanted.shape
    return float((got.float() - wanted).abs().max() / wanted.abs().max()), facts


def test_the_evaluator_knows_every_operator_that_a_program_may_have():
    assert set(HANDLERS) == OPERATORS - {"const"}


def test_an_operator_that_copies_heads_is_not_among_them():
    assert not OPERATORS & {"tile", "tile_by_index"}  # so no conversion below can hold one


@pytest.mark.thinned
@pytest.mark.parametrize("name", [name for name in BLOCKS if name not in ONCE])
def test_a_half_precision_program_computes_what_the_block_computes(name):
    worst, _ = error_of(BLOCKS[name], IOS17)
    assert worst <= TOLERANCE["fp16"]


@pytest.mark.thinned
@pytest.mark.parametrize("name", BLOCKS)
def test_a_single_precision_program_computes_what_the_block_computes(name):
    worst, _ = error_of(BLOCKS[name], IOS18)
    assert worst <= TOLERANCE["fp32"]


@pytest.mark.thinned
@pytest.mark.parametrize("name", ["stack_mha", "layer_mqa_rms_rope", "resblock"])
def test_the_neural_engine_layout_computes_what_the_block_computes(name):
    worst, facts = error_of(BLOCKS[name], ANE)
    assert worst <= TOLERANCE["fp16"]
    assert name == "resblock" or "linear" not in facts.operators


@pytest.mark.slow
def test_the_neural_engine_layout_is_the_same_function_as_the_standard_one():
    standard, ane = converted(MQA, IOS17)[1], converted(MQA, ANE)[1]
    with torch.no_grad():
        one = standard.module(*standard.inputs)  # (B, S, C)
        other = ane.module(*ane.inputs)  # (B, C, 1, S)
    assert torch.allclose(one, other.squeeze(2).transpose(1, 2), atol=1e-4)


def small_unet():
    """Two stages of SnapGen's last step, each site with one layer: every kind of block is in it."""
    spec = with_first_width(named_spec("F/qk-norm-rope"), width=32, latent=4)
    stages = []
    for stage in spec.stages[1:]:
        down = replace(stage.down, sites=(Site(1),))
        up = replace(stage.up, sites=(Site(1), Site(1, resblock=False)))
        stages.append(replace(stage, down=down, up=up))
    return spec.replace(stages=tuple(stages), mid=replace(spec.mid, depth=1, resblocks=1))


@pytest.mark.parametrize("precision", ["fp32", "fp16"])
@pytest.mark.slow
def test_a_whole_small_unet_computes_what_the_network_computes(precision):
    worst, facts = error_of(small_unet(), Recipe("ios17", precision))
    assert worst <= TOLERANCE[precision]
    assert "tile" not in facts.operators


def test_ios18_keeps_attention_as_one_operator_and_ios17_does_not():
    assert converted(MQA, IOS18)[2].operators["scaled_dot_product_attention"] == 2
    assert "scaled_dot_product_attention" not in converted(MQA, IOS17)[2].operators


@pytest.mark.slow
def test_four_copies_have_four_times_the_operators_and_none_is_merged():
    one = converted(BLOCKS["resblock"], IOS17)[2]
    four = convert(BLOCKS["resblock"], 4, IOS17)[2]
    assert four.operators["conv"] == 4 * one.operators["conv"]
    assert four.macs == 4 * one.macs


def test_a_lost_weight_is_noticed_by_name():
    model, program, facts = converted(BLOCKS["fuse"], IOS17)
    module = copy.deepcopy(program.module)
    with torch.no_grad():
        module.copies[0].conv.weight.mul_(1.5)
    assert missing_parameters(model._mil_program, module) == ["copies.0.conv.weight"]
    with pytest.raises(CannotRun, match=r"copies\.0\.conv\.weight"):
        check_program(model._mil_program, module, facts.macs, "fuse")


def test_a_program_with_other_macs_is_refused():
    model, program, facts = converted(BLOCKS["fuse"], IOS17)
    with pytest.raises(CannotRun, match="MACs"):
        check_program(model._mil_program, program.module, facts.macs + 1, "fuse")


def test_an_export_resumes_and_leaves_finished_packages_alone(tmp_path):
    assert export_one(BLOCKS["fuse"], 1, tmp_path, Recipe()) is None
    (package,) = write_manifest(tmp_path)
    weights = next((tmp_path / package.file).rglob("weight.bin"))
    before = weights.stat().st_mtime_ns
    assert export_one(BLOCKS["fuse"], 1, tmp_path, Recipe()) is None
    assert weights.stat().st_mtime_ns == before
    assert export_one(BLOCKS["fuse"], 1, tmp_path, Recipe("ios18")) is None
    manifest = write_manifest(tmp_path)
    assert {p.target for p in manifest} == {"ios17", "ios18"}
    assert len(json.loads((tmp_path / "manifest.json").read_text())) == 2


def test_a_full_disk_leaves_nothing_half_written(tmp_path, monkeypatch):
    class Half:
        def save(self, path):
            Path(path).mkdir()
            (Path(path) / "weight.bin").write_text("half")
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(coreml_export, "convert", lambda *_: (Half(), None, None))
    with pytest.raises(OSError, match="No space"):
        export_one(BLOCKS["fuse"], 1, tmp_path, Recipe())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_packages_are_made_in_processes_of_their_own_and_listed(tmp_path):
    packages, refused = export_packages([BLOCKS["fuse"]], tmp_path, Recipe(), workers=2)
    assert not refused
    (package,) = packages
    assert (tmp_path / package.file).is_dir() and package.bytes > 0


def test_unknown_target_precision_and_layout_are_named():
    for change in ({"target": "ios99"}, {"precision": "int3"}, {"layout": "wide"}):
        with pytest.raises(WalkbenchError, match=str(next(iter(change.values())))):
            replace(Recipe(), **change)
