"""`walkbench space`: look at a search space before spending time in it.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["space", "list", "--format", "csv"]).stdout.splitlines()[0]
'space,axes,designs,digest'
"""

from typing import Annotated, Any

import typer

from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.cli.space_sweep import sweep_command
from studies.formats import count, giga, millions

SpaceArgument = Annotated[str, typer.Argument(help="A shipped space or a TOML file.")]


def list_spaces(format: FormatOption = Format.table) -> None:
    """List the spaces that come with Walkbench."""
    from search_space.load_space import load_space, shipped_picture_spaces
    from search_space.space import shipped_spaces

    names = [*shipped_spaces(), *shipped_picture_spaces()]
    rows = [_summary(load_space(name)) for name in names]
    columns = [
        Column("space", "space"),
        Column("axes", "axes", count, right=True),
        Column("designs", "designs", _power, right=True),
        Column("digest", "digest"),
    ]
    emit(rows, format, columns)


def show(space: SpaceArgument, format: FormatOption = Format.table) -> None:
    """Show a space: its axes with their bounds, its size, the named designs it holds."""
    from search_space.load_space import load_space
    from search_space.presets import named_networks

    loaded = load_space(space)
    named = [name for name, spec in named_networks().items() if spec in loaded]
    if format is Format.json:
        emit({**_summary(loaded), **loaded.to_dict(), "named": named}, format)
        return
    rows = [
        {"axis": axis.name, "values": len(bounds), "allowed": str(bounds)}
        for axis, bounds in loaded.axes
    ]
    columns = [
        Column("axis", "axis"),
        Column("values", "values", count, right=True),
        Column("allowed", "allowed"),
    ]
    emit(rows, format, columns, f"Space {loaded.name}: {_power(loaded.size())} designs")
    err.print(f"named designs inside: {', '.join(named) or 'none'}", style="dim", soft_wrap=True)


def sample(
    space: SpaceArgument,
    number: Annotated[int, typer.Option("--number", "-n", min=1, help="How many designs.")] = 5,
    seed: Annotated[int, typer.Option(help="The same seed gives the same designs.")] = 0,
    format: FormatOption = Format.table,
) -> None:
    """Draw designs at random, each axis uniformly, with their exact cost."""
    from search_space.cost import cost
    from search_space.load_space import load_space
    from search_space.sample import draw

    rows: list[dict[str, Any]] = []
    for spec in draw(load_space(space), number, seed):
        priced = cost(spec)
        row = {"digest": spec.digest(), "params": priced.params, "macs": priced.macs}
        rows.append({**row, "spec": spec.to_dict()})
    columns = [
        Column("digest", "digest"),
        Column("params", "params", millions, right=True),
        Column("macs", "MACs", giga, right=True),
    ]
    emit(rows, format, columns)


def _summary(space: Any) -> dict[str, Any]:
    return {
        "space": space.name,
        "axes": len(space.axes),
        "designs": space.size(),
        "digest": space.digest(),
    }


def _power(value: int) -> str:
    """Write a count that may have twenty digits."""
    return f"{value:,}" if value < 10**7 else f"{value:.2e}"


def register(app: typer.Typer) -> None:
    """Add the group to ``app``."""
    group = typer.Typer(help="Look at search spaces.", no_args_is_help=True)
    group.command("list")(list_spaces)
    group.command()(show)
    group.command()(sample)
    group.command("sweep")(sweep_command)
    app.add_typer(group, name="space")
