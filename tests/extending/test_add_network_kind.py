"""A new kind of network is one package: a value with a plan, its blocks, and what it registers.

The toy is a decoder: latents, resblocks without time at each stage, upsamplers, a picture.
"""

import dataclasses
import json
import random
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from typer.testing import CliRunner

from latency_db import source_of
from latency_db.backends.torch import TorchBackend
from latency_db.builder import Effort, measure
from latency_db.table import Table
from proxies.twin import twin
from search_space.axis import AxisField, AxisTable
from search_space.blocks import (
    BLOCK_KINDS,
    Block,
    ConvIn,
    ConvOut,
    Input,
    Norm,
    Resample,
    parse_key,
    register_block,
)
from search_space.codec import digest_of, read_fields
from search_space.conv import Conv, conv3x3
from search_space.cost import BYTES_PER_VALUE, cost
from search_space.errors import SpecError, WalkbenchError
from search_space.frozen import frozen
from search_space.initialise import initialise
from search_space.modules import module_of
from search_space.modules.network import PlannedNetwork, example_inputs
from search_space.modules.registry import MODULES
from search_space.network import (
    NETWORK_KINDS,
    TWINS,
    NetworkKind,
    build_network,
    network_from_dict,
    network_from_json,
    register_kind,
    register_twin,
)
from search_space.plan import Plan, Segment, Step
from search_space.sample import RandomValues
from search_space.space import FixedValues, OutsideSpace, SearchSpace
from search_space.trace import trace
from studies.cli.main import app
from studies.drawing.draw import draw


@frozen
class Plain(Block):
    """A residual convolution that no time embedding reaches."""

    kind: ClassVar[str] = "plain"
    channels: int
    size: int
    conv: Conv

    def inputs(self) -> dict[str, Input]:
        return {"x": Input((self.channels, self.size, self.size))}


class PlainModule(nn.Module):
    def __init__(self, block: Plain):
        super().__init__()
        self.conv = conv3x3(block.channels, block.channels, block.conv)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(F.silu(x))


@frozen
class ToyStage:
    channels: int
    blocks: int = 1


@frozen
class ToyDecoder:
    """Stages from the lowest resolution up; each but the last doubles the map."""

    kind: ClassVar[str] = "toy-decoder"
    stages: tuple[ToyStage, ...]
    conv: Conv = Conv()
    latent_size: int = 8

    def __post_init__(self) -> None:
        for i, stage in enumerate(self.stages):
            if stage.blocks < 1:
                raise SpecError(f"stages[{i}].blocks is {stage.blocks}; 1 or more is needed")

    def digest(self) -> str:
        return digest_of(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, **dataclasses.asdict(self)}

    def plan(self) -> Plan:
        size, width = self.latent_size, self.stages[0].channels
        names, segments = ["input"], [Segment((Step("conv_in", ConvIn(4, width, size), ("z",)),))]
        for i, stage in enumerate(self.stages):
            plain = Plain(width, size, self.conv)
            steps = [Step(f"res{n}", plain) for n in range(stage.blocks)]
            if i + 1 < len(self.stages):
                steps.append(Step("upsample", Resample("up", width, size, Conv())))
                size *= 2
            names.append(f"up{i}")
            segments.append(Segment(tuple(steps)))
        names.append("output")
        last = ConvOut(width, 3, size, Norm(2, 1e-5, "silu"))
        segments.append(Segment((Step("conv_out", last),)))
        inputs = (("z", Input((4, self.latent_size, self.latent_size))),)
        return Plan(tuple(names), tuple(segments), inputs)


def _read(data: Mapping[str, Any]) -> ToyDecoder:
    decoder: ToyDecoder = read_fields(ToyDecoder, data, "decoder")
    return decoder


def _thaw(decoder: ToyDecoder) -> SimpleNamespace:
    stages = [SimpleNamespace(channels=s.channels, blocks=s.blocks) for s in decoder.stages]
    return SimpleNamespace(stages=stages, conv=decoder.conv, latent_size=decoder.latent_size)


def _freeze(draft: SimpleNamespace) -> ToyDecoder:
    stages = tuple(ToyStage(stage.channels, stage.blocks) for stage in draft.stages)
    return ToyDecoder(stages, draft.conv, draft.latent_size)


def _set_blocks(draft: SimpleNamespace, i: int, value: int) -> None:
    draft.stages[i].blocks = value


def _set_conv(draft: SimpleNamespace, value: str) -> None:
    draft.conv = Conv(value)


def _shrink(
    decoder: ToyDecoder, width: int, latent: int, *, channels: int, tokens: int
) -> ToyDecoder:
    stages = tuple(ToyStage(s.channels * width // 256, s.blocks) for s in decoder.stages)
    return dataclasses.replace(decoder, stages=stages, latent_size=latent)


AXES = AxisTable(
    {
        "conv": AxisField("conv", "network", "convs", lambda n: n.conv.kind, _set_conv),
        "blocks": AxisField(
            "blocks", "stage", "blocks", lambda n, i: n.stages[i].blocks, _set_blocks, kind=int
        ),
    },
    _thaw,
    _freeze,
)
TOY = ToyDecoder((ToyStage(16, 2), ToyStage(16)))


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    register_block(Plain)
    module_of(Plain)(PlainModule)
    register_kind(NetworkKind("toy-decoder", "toy decoder", _read, PlannedNetwork, AXES))
    register_twin("toy-decoder", _shrink)
    yield
    del BLOCK_KINDS["plain"], MODULES["plain"]
    NETWORK_KINDS.unregister("toy-decoder")
    TWINS.unregister("toy-decoder")


def test_it_survives_json_and_its_errors_name_the_field() -> None:
    assert network_from_json(json.dumps(TOY.to_dict())) == TOY
    with pytest.raises(SpecError, match="decoder has no field 'size'"):
        network_from_dict({**TOY.to_dict(), "size": 3})
    with pytest.raises(WalkbenchError, match="unknown kind of network 'toy-encoder'"):
        network_from_dict({**TOY.to_dict(), "kind": "toy-encoder"})


def test_it_runs_from_its_plan() -> None:
    decoder = initialise(build_network(TOY), seed=0).eval()
    assert decoder(**example_inputs(TOY, batch=2)).shape == (2, 3, 16, 16)
    for shape in ((2, 5, 8, 8), (2, 4, 8)):
        with pytest.raises(WalkbenchError, match=r"z has shape .*; \(B, 4, 8, 8\) is needed"):
            decoder(torch.zeros(shape))
    with pytest.raises(WalkbenchError, match="input 'x' is not known; this network needs z"):
        decoder(z=torch.zeros(1, 4, 8, 8), x=torch.zeros(1))


def test_it_costs_what_a_trace_of_the_whole_network_costs() -> None:
    with torch.device("meta"):
        decoder, inputs = build_network(TOY), example_inputs(TOY)
    whole, priced = trace(decoder, **inputs), cost(TOY)
    assert priced.params == sum(p.numel() for p in decoder.parameters())
    assert priced.macs == whole.macs
    assert priced.activation_bytes == BYTES_PER_VALUE * whole.moved_values
    assert priced.peak_activation_bytes == BYTES_PER_VALUE * whole.peak_values


def test_the_cost_command_prices_its_file(tmp_path: Path) -> None:
    path = tmp_path / "toy.json"
    path.write_text(json.dumps(TOY.to_dict()))
    done = CliRunner().invoke(app, ["cost", str(path), "--blocks", "--format", "json"])
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert (shown["digest"], shown["params"]) == (TOY.digest(), cost(TOY).params)
    keys = [row["block"] for row in shown["blocks"]]
    assert [parse_key(key).key for key in keys] == keys


def test_it_is_drawn_as_a_column_of_its_segments() -> None:
    picture = draw(TOY, "toy")
    for name in TOY.plan().names:
        assert f">{name}</text>" in picture
    assert picture.count("<title>") == 1 + len(list(TOY.plan().steps()))


def test_it_is_measured_and_estimated(tmp_path: Path) -> None:
    path = tmp_path / "toy.csv"
    blocks = [block for block, _ in TOY.plan().blocks()]
    measure([*dict.fromkeys(blocks), TOY], TorchBackend(), path, Effort(passes=1, rounds=2))
    (known,) = Table.load(path).networks
    assert known.spec == TOY
    assert source_of(tables=[path]).predict(TOY).coverage == 1
    assert source_of("iPhone 15 Pro").predict(TOY).ms > 0


def test_a_space_searches_it(tmp_path: Path) -> None:
    base = tmp_path / "toy.json"
    base.write_text(json.dumps(TOY.to_dict()))
    space = SearchSpace.from_toml(
        f'base = "{base}"\n[axes]\nconv = ["dense", "separable"]\n"blocks.0" = [1, 2, 3]'
    )
    source = random.Random(0)
    found = {space.suggest(RandomValues(source)) for _ in range(60)}
    assert len(found) == space.size() == 6 and TOY in found
    assert all(space.suggest(FixedValues(space.params_of(toy))) == toy for toy in found)
    with pytest.raises(OutsideSpace, match="allowed: 1, 2, 3"):
        space.params_of(ToyDecoder((ToyStage(16, 4), ToyStage(16))))


def test_a_proxy_has_its_twin() -> None:
    wide = ToyDecoder((ToyStage(256), ToyStage(512)))
    small = twin(wide, width=16, latent=4)
    assert [stage.channels for stage in small.stages] == [16, 32]
