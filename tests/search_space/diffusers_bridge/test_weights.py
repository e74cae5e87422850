import pytest
import torch

from search_space.diffusers_bridge import (
    parameter_names,
    spec_from_config,
    state_dict_to_diffusers,
    state_dict_to_walkbench,
)
from search_space.errors import WalkbenchError
from search_space.presets import named_spec
from search_space.unet import UNet


@pytest.mark.parametrize("name", ["sdxl", "sd15", "dreamlite"])
def test_every_parameter_has_one_name_on_each_side(name):
    spec = named_spec(name)
    names = parameter_names(spec)
    with torch.device("meta"):
        assert list(names) == list(UNet(spec).state_dict())
    assert len(set(names.values())) == len(names)


@pytest.mark.parametrize("linear", [True, False])
def test_weights_survive_both_ways_to_the_last_bit(linear, shrunk):
    spec = spec_from_config(shrunk("sdxl"))
    state = UNet(spec).state_dict()
    theirs = state_dict_to_diffusers(spec, state, use_linear_projection=linear)
    projection = theirs["mid_block.attentions.0.proj_in.weight"]
    assert projection.ndim == (2 if linear else 4)
    back = state_dict_to_walkbench(spec, theirs)
    assert list(back) == list(state)
    assert all(torch.equal(back[name], state[name]) for name in state)


def test_missing_and_unexpected_parameters_are_named(shrunk):
    spec = spec_from_config(shrunk("sd15"))
    state = state_dict_to_diffusers(spec, UNet(spec).state_dict())
    state["conv_inn.weight"] = state.pop("conv_in.weight")
    with pytest.raises(WalkbenchError) as caught:
        state_dict_to_walkbench(spec, state)
    assert "missing conv_in.weight; unexpected conv_inn.weight" in str(caught.value)
    with pytest.raises(WalkbenchError, match=r"missing input\.time.* and \d+ more"):
        state_dict_to_diffusers(spec, {})


def test_a_network_that_diffusers_cannot_build_has_no_names_there():
    with pytest.raises(WalkbenchError, match="no stock diffusers class"):
        parameter_names(named_spec("snapgen-t2i"))
