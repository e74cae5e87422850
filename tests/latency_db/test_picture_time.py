"""Programs of one picture on one phone: their times add up as what they have in common says."""

import dataclasses
import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latency_db.device_model import chip_model
from latency_db.estimate import ChipEstimate
from latency_db.fitted import NETWORK_VARIANCE
from latency_db.latency import Latency
from latency_db.latency_sum import added_up, independent
from latency_db.packages.parts import sizes_at, whole
from latency_db.packages.stored import (
    loaded_bytes,
    packages_needed,
    resident_bytes,
    stored_bytes,
)
from latency_db.picture_time import OVERHEAD, picture_time
from latency_db.published.pictures import published_pictures
from latency_db.roofline import Setting
from latency_db.sources import source_of
from search_space.cost import cost
from search_space.errors import SpecError, WalkbenchError
from search_space.network import network_from_json
from search_space.picture import PictureSpec, check_text, named_texts, text_encoders_for
from search_space.presets import named_spec
from search_space.program import Program, programs_of
from search_space.text_encoder import TEXT_ENCODERS, text_encoder

UNET, OTHER = named_spec("snapgen-t2i"), named_spec("F/thin")
PICTURE = PictureSpec(UNET, OTHER, 4, texts=named_texts(text_encoders_for(UNET), UNET))
SOURCE = ChipEstimate.of("A18 Pro")


def test_a_picture_takes_its_calls_and_the_overhead():
    timed = picture_time(SOURCE, PICTURE)
    assert [(part.program.name, part.program.calls) for part in timed.parts] == [
        ("text", 1),
        ("unet", 4),
        ("decoder", 1),
    ]
    assert timed.computing.ms == pytest.approx(sum(part.ms for part in timed.parts), rel=1e-12)
    assert timed.total.ms == pytest.approx(timed.computing.ms + OVERHEAD.ms, rel=1e-12)


def test_one_call_of_a_program_is_one_forward_pass_to_the_last_digit():
    assert SOURCE.predict(Program("unet", UNET)) == SOURCE.predict(UNET)


def test_guidance_doubles_the_steps_and_the_text():
    with_guidance = dataclasses.replace(PICTURE, guidance=True)
    assert [one.calls for one in with_guidance.programs()] == [2, 8, 1]


def test_the_interval_is_narrower_than_end_to_end_and_wider_than_independent():
    timed = picture_time(SOURCE, PICTURE)
    ends = added_up([(part.call, part.program.calls) for part in timed.parts])
    shares = [part.ms**2 * math.log(part.call.high / part.call.ms) ** 2 for part in timed.parts]
    independent_width = math.sqrt(sum(shares)) / timed.computing.ms
    width = math.log(timed.computing.high / timed.computing.ms)
    assert independent_width < width < math.log(ends.high / ends.ms)


def test_the_interval_is_that_of_drawn_phones():
    """Draw phones and networks from the fit; the sum's spread is what the closed form says."""
    model = chip_model("A18 Pro")
    parts = [(UNET, 4), (OTHER, 1), (text_encoder("gemma-2-2b"), 1)]
    found = [(*model.prediction(model.price_network(n, 1)), calls) for n, calls in parts]
    random = np.random.default_rng(0)
    phones = random.multivariate_normal(np.zeros(14), model.covariance, 200_000)
    own = random.normal(0.0, math.sqrt(NETWORK_VARIANCE), (200_000, len(parts)))
    drawn = sum(
        calls * ms * np.exp(phones @ slope + own[:, i])
        for i, (ms, slope, calls) in enumerate(found)
    )
    latency = model.latency_together([(model.price_network(n, 1), calls) for n, calls in parts])
    sd = math.log(latency.high / latency.ms) / model.interval.high_z
    assert sd == pytest.approx(float(np.std(np.log(drawn))), rel=0.06)  # linear in logarithms


def test_two_programs_of_one_network_err_alike():
    twice = PictureSpec(UNET, UNET, 1)
    alike = SOURCE.predict(twice)
    once = SOURCE.predict(UNET)
    assert alike.high / alike.ms == pytest.approx(once.high / once.ms, rel=1e-12)


@given(st.integers(1, 50), st.booleans())
def test_more_steps_take_longer_and_are_as_uncertain_in_the_limit(steps, guidance):
    fewer, more = (
        SOURCE.predict(dataclasses.replace(PICTURE, steps=n, guidance=guidance))
        for n in (steps, steps + 1)
    )
    assert fewer.ms < more.ms
    assert more.high / more.ms <= SOURCE.predict(UNET).high / SOURCE.predict(UNET).ms + 1e-9


def test_fewer_bits_read_fewer_weights_as_the_fit_counts_them():
    model, gemma = SOURCE.model, text_encoder("gemma-2-2b")
    four = SOURCE.predict(Program("text", gemma, bits=4))
    assert four.ms < 0.5 * SOURCE.predict(gemma).ms  # bound by its weights
    from latency_db.operators import operators
    from search_space.cost import block_cost

    ops = sum((operators(block_cost(b).ops) for b, n in gemma.plan().blocks() for _ in range(n)),
              start=type(operators(()))())  # fmt: skip
    price = model.price_operators(ops, Setting(weight_bits=4))
    assert four.ms == pytest.approx(model.latency(price).ms, rel=1e-9)


def test_a_table_adds_ends_and_knows_no_bits():
    source = source_of(tables=["cpu-onnxruntime-narrow"])
    small = next(iter(source.table.networks)).spec
    picture = PictureSpec(small, small, 3)
    once, several = source.predict(small), source.predict(picture)
    assert several.ms == pytest.approx(4 * once.ms) and several.high == pytest.approx(4 * once.high)
    assert several.coverage == once.coverage
    with pytest.raises(WalkbenchError, match="not at 6 bits; leave the bits at 16"):
        source.predict(dataclasses.replace(picture, bits=6))


def test_independent_parts_are_narrower_than_their_ends():
    a = Latency(100.0, 80.0, 130.0, 1.0, "measured")
    b = Latency(50.0, 40.0, 65.0, 0.0, "estimated")
    together = independent(a, b)
    assert (together.ms, together.source) == (150.0, "mixed")
    assert together.coverage == pytest.approx(2 / 3)
    assert together.high - 150 == pytest.approx(math.hypot(30, 15))


def test_costs_of_a_picture_are_those_of_its_calls():
    parts = [cost(one.network) for one in PICTURE.programs()]
    whole_cost = cost(PICTURE)
    assert whole_cost.params == sum(part.params for part in parts)
    assert whole_cost.macs == parts[0].macs + 4 * parts[1].macs + parts[2].macs
    assert whole_cost.peak_activation_bytes == max(p.peak_activation_bytes for p in parts)


@pytest.mark.parametrize("bits", (16, 8, 6, 4))
def test_stored_bytes_are_those_of_the_packages(bits):
    for name in ("sd15", "snapgen-t2i"):
        spec = named_spec(name)
        assert stored_bytes(spec, bits) == whole(spec, sizes_at(bits)).weight_bytes


def test_memory_keeps_all_programs_loaded_and_one_running():
    weights = [stored_bytes(one.network, 16) for one in PICTURE.programs()]
    peaks = [cost(one.network).peak_activation_bytes for one in PICTURE.programs()]
    assert resident_bytes(PICTURE) == sum(weights) + max(peaks)
    unet = PICTURE.programs()[1]
    assert loaded_bytes(unet) == weights[1] + peaks[1] and packages_needed(unet) == 1
    sdxl = Program("unet", named_spec("sdxl"))
    assert packages_needed(sdxl) == 6 and packages_needed(dataclasses.replace(sdxl, bits=6)) == 1
    assert packages_needed(Program("text", TEXT_ENCODERS["gemma-2-2b"])) is None  # its word table


def test_a_picture_survives_json_and_is_its_digest():
    again = network_from_json(json.dumps(PICTURE.to_dict()))
    assert again == PICTURE and again.digest() == PICTURE.digest()
    assert programs_of(again) == PICTURE.programs()
    assert dataclasses.replace(PICTURE, steps=5).digest() != PICTURE.digest()


def test_parts_that_do_not_fit_together_say_why():
    with pytest.raises(SpecError, match="steps is 0; 1 or more is needed"):
        dataclasses.replace(PICTURE, steps=0)
    with pytest.raises(SpecError, match="bits is 5; weights are stored at 16, 8, 6, 4, 3"):
        dataclasses.replace(PICTURE, bits=5)
    with pytest.raises(SpecError, match="reads latents of 4×64×64, the UNet gives 4×128×128"):
        dataclasses.replace(PICTURE, decoder=named_spec("sd15"))
    with pytest.raises(WalkbenchError, match="give 768 numbers per token, the UNet reads 2304"):
        check_text(UNET, named_texts(["clip-l"], UNET))
    with pytest.raises(SpecError, match="picture has no field 'seps'"):
        network_from_json(json.dumps({**PICTURE.to_dict(), "seps": 3}))


def test_published_pictures_have_their_source_and_snapgens_sum():
    everything = published_pictures()
    assert {one.name for one in everything} >= {"SnapGen", "SD 1.5", "SDXL-base", "SD 2.1-base"}
    assert all(one.source and one.url.startswith("https://") for one in everything)
    four, stated, eight = published_pictures("snapgen-t2i")
    assert (four.total_s, stated.total_s, eight.total_s) == (1.215, 1.4, 2.311)
    (fast,) = [one for one in published_pictures("sdxl") if one.chip == "A17 Pro"]
    assert (fast.steps, fast.total_s, fast.guidance, fast.reduced) == (20, 31.0, True, False)
    assert published_pictures("dreamlite") == []
