"""`walkbench cost`: exact params, MACs and bytes of a network, with --blocks block by block.

>>> import json
>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> out = CliRunner().invoke(app, ["cost", "sd15", "--format", "json"]).stdout
>>> json.loads(out)["params"]
859520964
"""

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.formats import count, giga, millions

if TYPE_CHECKING:
    from search_space.network import Network
    from search_space.spec import UNetSpec


def cost(
    spec: Annotated[str, typer.Argument(help="A spec's name, or the path of its JSON file.")],
    latent: Annotated[
        int | None, typer.Option(help="Latent height and width; default: the spec's own.")
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(help="Text tokens; default: the spec's own.")
    ] = None,
    blocks: Annotated[
        bool, typer.Option("--blocks", help="Also one row per distinct block; they sum exactly.")
    ] = False,
    crosscheck: Annotated[
        bool,
        typer.Option(
            "--crosscheck",
            help="Also what torch, fvcore and thop count, and why they differ (takes seconds).",
        ),
    ] = False,
    format: FormatOption = Format.table,
) -> None:
    """Price a network exactly: parameters, MACs, weight and activation bytes at batch 1.

    Bytes are at half precision. One multiply-accumulate is one MAC, attention included.
    """
    from search_space.errors import WalkbenchError
    from search_space.load import load_network
    from search_space.resize import resized

    if format is Format.csv and blocks and crosscheck:
        raise WalkbenchError("csv holds one table: choose --blocks or --crosscheck, or use json")
    priced = resized(load_network(spec), latent, tokens)
    total = _total(spec, priced)
    rows = _block_rows(priced) if blocks else None
    checks = _crosscheck_rows(priced) if crosscheck else None
    if format is Format.csv:
        emit(rows or checks or total, format)
        return
    if format is Format.json:
        nested = {"blocks": rows, "crosscheck": checks}
        emit({**total, **{name: part for name, part in nested.items() if part}}, format)
        return
    emit(total, format, [column for column in _TOTAL if column.key in total])
    if rows:
        emit(rows, format, _BLOCKS, "Where it goes: all occurrences of each distinct block")
    if checks:
        emit(checks, format, _CROSSCHECK, "What other tools count")


def _unet(network: "Network", option: str) -> "UNetSpec":
    """The network as a UNet, the only kind that ``option`` is for."""
    from search_space.errors import WalkbenchError
    from search_space.spec import UNetSpec

    if not isinstance(network, UNetSpec):
        raise WalkbenchError(f"{option} are for UNets; this network is of kind {network.kind}")
    return network


def _total(name: str, network: "Network") -> dict[str, Any]:
    from search_space.cost import cost as price
    from search_space.presets import name_of

    inputs = dict(network.plan().inputs)
    first = next(iter(inputs.values()))
    sizes = {"latent": first.shape[-1]} if len(first.shape) > 1 else {"tokens": first.shape[0]}
    if "context" in inputs:
        sizes["tokens"] = inputs["context"].shape[0]
    return {
        "spec": name_of(network) or name,
        "digest": network.digest(),
        **sizes,
        **asdict(price(network)),
    }


def _block_rows(network: "Network") -> list[dict[str, Any]]:
    from search_space.cost_table import cost_rows

    return [asdict(row) for row in cost_rows(network)]


def _crosscheck_rows(network: "Network") -> list[dict[str, Any]]:
    from search_space.crosscheck import crosscheck

    with err.status("counting with torch, fvcore and thop"):
        return [asdict(row) for row in crosscheck(_unet(network, "cross-checks"))]


def _mebibytes(value: int) -> str:
    return f"{value / 2**20:,.1f} MiB"


def _signed(value: int) -> str:
    return f"{value / 1e9:+,.3f} G".replace("-", "−") if value else "0"


_TOTAL = [
    Column("spec", "spec"),
    Column("digest", "digest"),
    Column("latent", "latent", lambda size: f"{size}×{size}"),
    Column("tokens", "tokens"),
    Column("params", "params", count),
    Column("macs", "MACs", count),
    Column("weight_bytes", "weights", _mebibytes),
    Column("activation_bytes", "activations moved", _mebibytes),
    Column("peak_activation_bytes", "activations at peak", _mebibytes),
]
_BLOCKS = [  # the long key comes last, where it may wrap
    Column("count", "×", right=True),
    Column("params", "params", millions, right=True),
    Column("macs", "MACs", giga, right=True),
    Column("weight_bytes", "weights", _mebibytes, right=True),
    Column("activation_bytes", "moved", _mebibytes, right=True),
    Column("block", "block"),
]
_CROSSCHECK = [
    Column("tool", "tool"),
    Column("version", "version"),
    Column("params", "params", count, right=True),
    Column("macs", "MACs", count, right=True),
    Column("difference", "to ours", _signed, right=True),
    Column("reason", "why"),
]


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(cost)
