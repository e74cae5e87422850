"""A decoder is a value like any network: JSON, digest, plan, cost, and the same axes both ways."""

import dataclasses
import random
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings

from latency_db import source_of
from search_space.conv import Conv
from search_space.cost import BYTES_PER_VALUE, cost
from search_space.decoder import DecoderMid, DecoderSpec, DecoderStage, all_decoders, named_decoder
from search_space.decoder.axes import DECODER_AXES
from search_space.errors import SpecError, WalkbenchError
from search_space.load import load_decoder, load_spec
from search_space.modules.network import example_inputs
from search_space.network import build_network, network_from_json
from search_space.resize import resized
from search_space.sample import RandomValues
from search_space.space import FixedValues, SearchSpace
from search_space.trace import trace
from tests.search_space.decoder.strategies import decoders

SD = named_decoder("sd-decoder")
SNAPGEN = named_decoder("snapgen-decoder")


@settings(max_examples=40, deadline=None)
@given(decoders())
def test_any_decoder_survives_json_and_its_draft(spec: DecoderSpec) -> None:
    again = network_from_json(spec.to_json())
    assert (again, again.digest()) == (spec, spec.digest())
    draft = DECODER_AXES.thaw(spec)
    DECODER_AXES.settle(draft, len(spec.stages))
    assert DECODER_AXES.freeze(draft) == spec


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(decoders())
def test_any_decoder_costs_what_a_trace_of_the_whole_network_costs(spec: DecoderSpec) -> None:
    with torch.device("meta"):
        decoder, inputs = build_network(spec), example_inputs(spec)
    whole, priced = trace(decoder, **inputs), cost(spec)
    assert priced.params == sum(p.numel() for p in decoder.parameters())
    assert priced.macs == whole.macs
    assert priced.activation_bytes == BYTES_PER_VALUE * whole.moved_values
    assert priced.peak_activation_bytes == BYTES_PER_VALUE * whole.peak_values
    assert decoder(**inputs).shape == (1, 3, spec.picture_size, spec.picture_size)


def test_named_decoders_have_their_published_parameters() -> None:
    published = {
        "sd-decoder": 49_490_199,  # decoder and post_quant_conv of AutoencoderKL
        "sdxl-decoder": 49_490_199,
        "sd3-decoder": 49_545_475,
        "taesd-decoder": 1_222_531,
    }
    assert {name: cost(named_decoder(name)).params for name in published} == published


def test_the_sd_decoder_at_512_pixels_has_the_1257_gmac_that_a_phone_was_published_with() -> None:
    assert round(cost(SD).macs / 1e9) == 1257


def test_snapgens_decoder_is_within_a_percent_of_1_38m_and_36_times_smaller() -> None:
    params = cost(SNAPGEN).params
    assert params == pytest.approx(1.38e6, rel=0.01)
    assert cost(named_decoder("sdxl-decoder")).params / params >= 36


def test_every_step_of_the_walk_saves_parameters_or_memory_traffic() -> None:
    names = [n for n in all_decoders() if n.startswith("decoder/")]
    costs = [cost(named_decoder("sdxl-decoder")), *(cost(named_decoder(n)) for n in names)]
    for before, after in pairwise(costs):
        assert after.params < before.params and after.macs <= before.macs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"stages": ()}, "stages is empty"),
        ({"reduction": "upsampler", "sampler": "none"}, "sampler is none and has no conv"),
        ({"latent_size": 0}, "latent_size is 0; a positive number is needed"),
        ({"latent_size": 9000}, "give a picture of 72000 pixels"),
        ({"mid": DecoderMid(0, False)}, "use null for no mid"),
        ({"form": "tiny"}, "mid is set, but form is tiny"),
        ({"form": "vq"}, "form is 'vq'; allowed: resnet, tiny"),
        ({"norm_groups": 48}, "norm_groups 48 does not divide the resblock input 512"),
        ({"stages": (DecoderStage(128, 0),)}, r"stages\[0\].blocks is 0"),
        ({"stages": (DecoderStage(128, norms=3),)}, r"norms is 3; allowed: 0, 1, 2"),
        ({"stages": (DecoderStage(128, conv=Conv("dense", 0.0)),)}, "expansion is 0"),
        ({"out_norm": False, "out_activation": "relu"}, "leave it at silu"),
    ],
)
def test_a_contradiction_is_named(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        SD.replace(**changes)


def test_fields_without_effect_must_be_neutral() -> None:
    flat = (DecoderStage(32), DecoderStage(32))
    with pytest.raises(SpecError, match="all stages have the same channels"):
        DecoderSpec(flat, reduction="upsampler")
    bare = tuple(dataclasses.replace(stage, norms=0) for stage in flat)
    with pytest.raises(SpecError, match="the decoder has no norm; leave them at 32"):
        DecoderSpec(bare, out_norm=False, norm_groups=8)


def test_json_errors_name_the_field() -> None:
    with pytest.raises(SpecError, match="decoder has no field 'widths'"):
        DecoderSpec.from_dict({**SD.to_dict(), "widths": 3})
    with pytest.raises(SpecError, match="kind is 'unet'; a decoder is needed"):
        DecoderSpec.from_dict({**SD.to_dict(), "kind": "unet"})
    with pytest.raises(SpecError, match="format 2 is not known"):
        DecoderSpec.from_dict({**SD.to_dict(), "format": 2})


def test_each_kind_is_loaded_where_it_is_needed() -> None:
    assert load_decoder("snapgen-decoder") == SNAPGEN
    with pytest.raises(WalkbenchError, match="sdxl is a network of kind unet; a decoder is needed"):
        load_decoder("sdxl")
    with pytest.raises(WalkbenchError, match="of kind decoder; a UNet is needed"):
        load_spec("sd-decoder")
    assert resized(SD, latent=128) == named_decoder("sdxl-decoder")
    with pytest.raises(WalkbenchError, match="a decoder reads no text"):
        resized(SD, tokens=77)


def test_a_phone_estimates_a_decoder() -> None:
    phone = source_of("iPhone 16 Pro Max")
    small, large = phone.predict(SNAPGEN), phone.predict(named_decoder("sdxl-decoder"))
    assert small.low < 119 < small.high  # ms at 1024 px, published; see OPEN_CHOICES
    assert large.ms > 5 * small.ms


def test_a_space_over_a_decoder_finds_every_step_of_its_walk() -> None:
    space = SearchSpace.from_toml(
        """
        base = "snapgen-decoder"
        [axes]
        sampler = ["dense", "separable"]
        reduction = ["resblock", "upsampler"]
        mid_attention = [false, true]
        "channels.0" = [64, 128]
        "channels.1" = [128, 256]
        "channels.2" = [192, 512]
        "channels.3" = [320, 512]
        "blocks.0" = [1, 3]
        "blocks.1" = [1, 3]
        "blocks.2" = [2, 3]
        "blocks.3" = [3]
        norms = [0, 1, 2]
        conv = ["dense", "separable"]
        """
    )
    for name, spec in all_decoders().items():
        if name == "sdxl-decoder" or name.startswith("decoder/"):
            assert space.suggest(FixedValues(space.params_of(spec))) == spec, name
    source = random.Random(0)
    assert all(space.suggest(RandomValues(source)) in space for _ in range(20))
