"""`walkbench spec`: list, show, compare, draw and import specs.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> run = CliRunner().invoke(app, ["spec", "diff", "F/mqa", "F/ffn-3", "--format", "csv"])
>>> run.stdout.splitlines()[:2]
['field,F/mqa,F/ffn-3', 'stages[1].kv_heads,1,8']
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.formats import count, giga, millions

if TYPE_CHECKING:
    from search_space.decoder import DecoderSpec
    from search_space.spec import UNetSpec

SpecArgument = Annotated[
    str, typer.Argument(metavar="NAME|FILE", help="A named spec or the JSON file of one.")
]


def list_specs(format: FormatOption = Format.table) -> None:
    """List the named specs with their exact cost."""
    from search_space.cost import cost
    from search_space.presets import named_networks

    rows = []
    for name, spec in named_networks().items():
        priced = cost(spec)
        row = {"spec": name, "kind": spec.kind, "digest": spec.digest()}
        rows.append({**row, "params": priced.params, "macs": priced.macs})
    emit(rows, format, _LIST)


def show(spec: SpecArgument, format: FormatOption = Format.table) -> None:
    """Show a spec: its JSON, or a table with one line per stage (and direction)."""
    from search_space.decoder import DecoderSpec
    from search_space.load import load_network
    from search_space.spec import UNetSpec

    loaded = load_network(spec)
    if format is Format.json:
        emit(loaded.to_dict(), format)
        return
    rows: list[dict[str, Any]] = []
    if isinstance(loaded, UNetSpec):
        rows = _unet_rows(loaded)
    elif isinstance(loaded, DecoderSpec):
        rows = _decoder_rows(loaded)
    if rows:
        emit(rows, format, None, f"{spec}, digest {loaded.digest()}")
    if format is Format.table:
        shown = ("kind", "format", "stages") if rows else ()
        emit({k: v for k, v in loaded.to_dict().items() if k not in shown}, format)
        if loaded == _snapgen_decoder():
            emit(_open_choices(), format, None, "What the paper leaves open, and the choice here")


def _unet_rows(spec: "UNetSpec") -> list[dict[str, Any]]:
    return [
        {
            "stage": f"{i} {direction}",
            "channels": stage.channels,
            "sites": _sites(path),
            "attention": _attention(path),
            "heads": f"{stage.heads}×{stage.head_dim}, kv {stage.kv_heads}",
            "ff_ratio": stage.ff_ratio,
            "conv": _conv(stage.conv),
        }
        for i, stage in enumerate(spec.stages)
        for direction, path in (("down", stage.down), ("up", stage.up))
    ]


def _decoder_rows(spec: "DecoderSpec") -> list[dict[str, Any]]:
    last = len(spec.stages) - 1
    return [
        {
            "stage": i,
            "pixels": spec.latent_size << (last - i),
            "channels": stage.channels,
            "blocks": stage.blocks,
            "norms": stage.norms,
            "attention": "yes" if stage.attention else "none",
            "conv": _conv(stage.conv),
        }
        for i, stage in enumerate(spec.stages)
    ]


def _snapgen_decoder() -> "DecoderSpec":
    from search_space.decoder import named_decoder

    return named_decoder("snapgen-decoder")


def _open_choices() -> list[dict[str, Any]]:
    from dataclasses import asdict

    from search_space.decoder.presets import OPEN_CHOICES

    return [asdict(choice) for choice in OPEN_CHOICES]


def diff(a: SpecArgument, b: SpecArgument, format: FormatOption = Format.table) -> None:
    """List the fields in which two specs differ."""
    from search_space.differences import differences
    from search_space.errors import WalkbenchError
    from search_space.load import load_network

    first, second = load_network(a), load_network(b)
    if first.kind != second.kind:
        raise WalkbenchError(
            f"{a} is of kind {first.kind}, {b} of kind {second.kind}; compare two of one kind"
        )
    other = b if b != a else f"{b} (2)"
    rows = [
        {"field": where, a: one, other: two}
        for where, one, two in differences(first.to_dict(), second.to_dict())
    ]
    if not rows and format is Format.table:
        err.print("the same network")
        return
    emit(rows, format)


def draw(
    spec: SpecArgument,
    to: Annotated[Path, typer.Option("--to", metavar="FILE.svg", help="The SVG file to write.")],
    against: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Frame the blocks that differ from this spec's."),
    ] = None,
) -> None:
    """Draw a network: its stages, sites, attention and skips, widths to scale.

    The drawing is readable on light and on dark, and on a phone.
    """
    from search_space.atomic import write_file
    from search_space.errors import WalkbenchError
    from search_space.load import load_network
    from studies.drawing.draw import draw as draw_network

    if to.suffix.lower() != ".svg":
        raise WalkbenchError(f"a drawing is an SVG; {str(to)!r} does not end in .svg")
    other = load_network(against) if against is not None else None
    drawn = draw_network(
        load_network(spec), _title(spec), against=other, other=_title(against or "")
    )
    write_file(to, drawn + "\n")
    err.print(f"wrote {to}")


def _title(spec: str) -> str:
    """Return a spec's name, or the name of its file."""
    from search_space.presets import all_named

    return spec if spec in all_named() else Path(spec).stem


def import_spec(
    config: Annotated[
        Path,
        typer.Argument(
            metavar="FILE|DIR",
            help="An export, a config.json, or a folder with one, unet/ or vae/.",
        ),
    ],
    to: Annotated[
        Path | None, typer.Option("--to", metavar="FILE", help="Write here, not to stdout.")
    ] = None,
    tokens: Annotated[
        int | None, typer.Option(min=1, help="Text tokens; a config has none: 77 by default.")
    ] = None,
    latent: Annotated[
        int | None, typer.Option(min=1, help="Latent size; the config's sample_size by default.")
    ] = None,
    size_ids: Annotated[
        int | None, typer.Option(min=0, help="Size numbers of an SDXL-like added embedding.")
    ] = None,
) -> None:
    """Read the design of an export, or turn a diffusers config into a spec.

    The spec of an export has the digest that was exported. Configs are those of UNets and, of
    AutoencoderKL and AutoencoderTiny, the decoder; fields with no place in a spec are listed.
    """
    from search_space.atomic import write_file
    from search_space.presets import name_of

    spec = _imported(config, tokens, latent, size_ids)
    text = spec.to_json(indent=2)
    if to is None:
        print(text)
    else:
        write_file(to, text + "\n")
    name = name_of(spec)
    err.print(f"digest {spec.digest()}{f', the named spec {name}' if name else ''}", style="dim")


def _imported(path: Path, tokens: int | None, latent: int | None, size_ids: int | None) -> Any:
    from search_space.diffusers_bridge import network_from_config
    from search_space.diffusers_bridge.carried import CLASS_NAME
    from search_space.errors import WalkbenchError
    from search_space.exported import read_facts, read_spec
    from search_space.resize import resized
    from search_space.spec import UNetSpec

    spec = None
    if path.is_dir() and (facts := read_facts(path)) is not None:
        spec = read_spec(path)
        if spec.digest() != facts.get("digest"):
            raise WalkbenchError(
                f"{path}: spec.json is the design {spec.digest()}, export.json of "
                f"{facts.get('digest')}; export it again"
            )
    else:
        path, content = _read_config(path)
        try:
            if isinstance(content, dict) and content.get("_class_name") == CLASS_NAME:
                spec = UNetSpec.from_dict(content.get("spec"))
            else:
                return network_from_config(
                    content, tokens=tokens or 77, latent_size=latent, size_ids=size_ids
                )
        except WalkbenchError as error:
            raise WalkbenchError(f"{path}: {error}") from None
    if size_ids is not None:
        raise WalkbenchError(f"{path} says its size numbers itself; leave --size-ids out")
    return resized(spec, latent, tokens)


def _read_config(path: Path) -> tuple[Path, Any]:
    from search_space.errors import WalkbenchError

    if path.is_dir():
        inside = [path / part / "config.json" for part in ("", "unet", "vae")]
        path = next((p for p in inside if p.is_file()), inside[0])
    try:
        return path, json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise WalkbenchError(
            f"config {str(path)!r}: {error.strerror}; name a diffusers config.json or its folder"
        ) from None
    except (ValueError, RecursionError):  # malformed JSON, or bytes that are no text
        raise WalkbenchError(
            f"config {str(path)!r} is not JSON; name a diffusers config.json"
        ) from None


def _sites(path: Any) -> str:
    """Depth of each site, in brackets where a transformer stands without its resblock."""
    return " ".join(str(s.depth) if s.resblock else f"[{s.depth}]" for s in path.sites)


def _attention(path: Any) -> str:
    kinds = (("self", path.self_attention), ("cross", path.cross_attention))
    return " + ".join(name for name, has in kinds if has) or "none"


def _conv(conv: Any) -> str:
    if conv.kind == "dense" and conv.expansion == 1:
        return "dense"
    biases = [n for n in ("depthwise", "pointwise") if getattr(conv, f"{n}_bias")]
    with_bias = f", {' and '.join(biases)} bias" if biases else ""
    return f"{conv.kind}, {conv.expansion:g} × {conv.base}{with_bias}"


_LIST = [
    Column("spec", "spec"),
    Column("digest", "digest"),
    Column("params", "params", millions, right=True),
    Column("macs", "MACs", giga, right=True),
    Column("params", "exactly", count, right=True),
]


def register(app: typer.Typer) -> None:
    """Add the group to ``app``."""
    group = typer.Typer(help="List, show, compare, draw and import specs.", no_args_is_help=True)
    group.command("list")(list_specs)
    group.command()(show)
    group.command()(diff)
    group.command()(draw)
    group.command("import")(import_spec)
    app.add_typer(group, name="spec")
