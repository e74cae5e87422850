"""Cutting a network changes nothing of what it computes, and parts stay below the limit."""

import pytest
import torch

from latency_db.packages.part_module import PartModule, part_inputs, run_by_step
from latency_db.packages.parts import OUTPUT, cut, cut_into, dataflow, sizes_at, whole
from latency_db.packages.weights import FolderWeights, InitialWeights, fill
from search_space.errors import WalkbenchError
from search_space.initialise import initialise
from search_space.network import build_network
from search_space.presets import all_named, named_spec
from studies.export import export
from studies.export_design import Exportable
from studies.export_weights import SeededWeights
from tests.latency_db.packages.tiny import small, tiny, tiny_projected, tiny_sdxl

NAMES = {
    "latents": "sample",
    "timesteps": "timestep",
    "context": "encoder_hidden_states",
    "pooled": "text_embeds",
    "size_ids": "time_ids",
}


def chained(parts, values, **options):
    """Run parts one after the other, every value at hand."""
    for part in parts:
        module = fill(PartModule(part, "tokens", **options), part.network, InitialWeights(0))
        with torch.no_grad():
            outputs = module(**{name: values[name] for name in part.inputs})
        values = {**values, **dict(zip(part.outputs, outputs, strict=True))}
    return values[OUTPUT]


def reference(spec, batch=2):
    """Random inputs by their outside names, and what the network makes of them."""
    inputs = part_inputs(whole(spec), batch, "tokens", torch.Generator().manual_seed(0))
    network = initialise(build_network(spec), 0).eval()
    ours = {ours: inputs[theirs] for ours, theirs in NAMES.items() if theirs in inputs}
    with torch.no_grad():
        return inputs, network(**ours)


@pytest.mark.parametrize("count", [1, 2, 5])
@pytest.mark.parametrize("make", [tiny, tiny_sdxl, tiny_projected])
def test_parts_one_after_the_other_compute_the_network_to_the_bit(make, count):
    spec = make()
    inputs, wanted = reference(spec)
    assert torch.equal(chained(cut_into(spec, count, sizes_at(16)), inputs), wanted)


@pytest.mark.thinned
@pytest.mark.parametrize("name", ["sdxl", "dreamlite", "M/early-condition"])
def test_published_topologies_survive_three_cuts(name):
    spec = small(name)
    inputs, wanted = reference(spec, batch=1)
    assert torch.equal(chained(cut_into(spec, 3, sizes_at(16)), inputs), wanted)


def test_every_named_design_is_cut_below_a_gigabyte_with_no_part_to_spare():
    for name, spec in all_named().items():
        sizes = sizes_at(16)
        parts = cut(spec, sizes)
        total = whole(spec, sizes).weight_bytes
        assert sum(part.weight_bytes for part in parts) == total, name
        assert max(part.weight_bytes for part in parts) <= 10**9, name
        assert len(parts) <= -(-total // 10**9) + 1, name
        assert [node for part in parts for node in part.nodes] == list(dataflow(spec)), name


def test_sdxl_is_six_programs_at_16_bits_and_two_at_6():
    assert len(cut(named_spec("sdxl"), sizes_at(16))) == 6
    assert len(cut(named_spec("sdxl"), sizes_at(6))) == 2


def test_a_part_reads_only_what_parts_before_it_give():
    spec, known = tiny_sdxl(), set()
    parts = cut_into(spec, 6, sizes_at(16))
    for part in parts:
        assert set(part.inputs) - known <= set(whole(spec).inputs)
        known |= set(part.outputs)
    assert parts[-1].outputs == (OUTPUT,)


def test_a_step_above_the_limit_is_named():
    with pytest.raises(WalkbenchError, match=r"step up1\.res0 alone has .* 2e-05 GB"):
        cut(tiny(), sizes_at(16), limit=20_000)


def test_more_parts_than_steps_are_refused():
    with pytest.raises(WalkbenchError, match="1 to"):
        cut_into(tiny(), 999, sizes_at(16))


def test_weights_of_one_step_at_a_time_compute_the_network_to_the_bit():
    part, weights = whole(tiny_sdxl()), InitialWeights(0)
    inputs = part_inputs(part, 2, "tokens", torch.Generator().manual_seed(0))
    module = fill(PartModule(part, "tokens", 3.0), part.network, weights)
    with torch.no_grad():
        (wanted,) = module(**inputs)
    assert torch.equal(run_by_step(part, weights, inputs, "tokens", 3.0)[OUTPUT], wanted)


@pytest.mark.parametrize("t", [1.0, 500.0, 999.0])
def test_a_shift_built_in_equals_the_shifted_time_outside(t):
    spec = tiny()
    inputs, _ = reference(spec)
    inputs["timestep"] = torch.full((2,), t)
    got = chained([whole(spec)], inputs, shift=3.0)
    u = t / 1000
    inputs["timestep"] = torch.full((2,), 1000 * 3 * u / (1 + 2 * u))
    assert torch.allclose(got, chained([whole(spec)], inputs), atol=1e-5)


def test_text_as_channels_equals_text_as_tokens():
    part = whole(tiny())
    inputs = part_inputs(part, 1, "tokens", torch.Generator().manual_seed(0))
    text = inputs["encoder_hidden_states"].transpose(1, 2).unsqueeze(2)  # (B, D, 1, T)
    one, other = (
        fill(PartModule(part, layout), part.network, InitialWeights(0))
        for layout in ("tokens", "channels")
    )
    with torch.no_grad():
        assert torch.equal(one(**inputs)[0], other(**{**inputs, "encoder_hidden_states": text})[0])


@pytest.mark.parametrize("make", [tiny, lambda: small("sd15")])
def test_the_weights_of_an_export_are_those_of_its_seed(make, tmp_path):
    spec = make()
    export(Exportable(spec), tmp_path / "out", weights=SeededWeights(3))
    module = PartModule(cut_into(spec, 3, sizes_at(16))[1])
    drawn = InitialWeights(3).read(spec, module)
    stored = FolderWeights(tmp_path / "out").read(spec, module)
    assert drawn.keys() == stored.keys()
    assert all(torch.equal(drawn[name], stored[name]) for name in drawn)


def test_the_revision_of_stored_weights_follows_their_content(tmp_path):
    spec = tiny()
    export(Exportable(spec), tmp_path / "a", weights=SeededWeights(0))
    export(Exportable(spec), tmp_path / "b", weights=SeededWeights(1))
    one, other = FolderWeights(tmp_path / "a"), FolderWeights(tmp_path / "b")
    assert one.revision == FolderWeights(tmp_path / "a").revision != other.revision


def test_missing_weights_say_where_they_should_be(tmp_path):
    with pytest.raises(WalkbenchError, match="export them again"):
        _ = FolderWeights(tmp_path).revision
