"""`walkbench latency show`: read a table, or the latency of designs by it.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["latency", "show", "no-such-table"]).exit_code
2
"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from studies.cli.latency_options import LatentOption, NarrowOption, SpecOption
from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.formats import count, decimals

if TYPE_CHECKING:
    from search_space.spec import UNetSpec

TableArgument = Annotated[str, typer.Argument(help="A shipped table or a CSV.")]
WhereOption = Annotated[
    list[str] | None,
    typer.Option("--where", help="Keep rows with CONDITION=VALUE, such as precision=fp16."),
]
ContradictionsOption = Annotated[
    bool,
    typer.Option("--allow-contradictions", help="Widen intervals where runs contradict."),
]


def show(
    table: TableArgument,
    spec: SpecOption = None,
    narrow: NarrowOption = None,
    latent: LatentOption = None,
    missing: Annotated[
        str, typer.Option(help="Blocks that were not measured: error, interpolate or estimate.")
    ] = "error",
    where: WhereOption = None,
    allow_contradictions: ContradictionsOption = False,
    format: FormatOption = Format.table,
) -> None:
    """Show a table's blocks, or with --spec the latency of designs by it, in the table's size."""
    from latency_db.builder_designs import designs

    loaded = load_table(table, where, allow_contradictions)
    if spec:
        _show_specs(loaded, designs(spec, width=narrow, latent=latent).named, missing, format)
        return
    rows = [
        {
            "key": entry.key,
            "ms": entry.ms,
            "deviation_ms": entry.deviation_ms,
            "floor_ms": entry.floor_ms,
            "n": entry.n,
            "units_planned": entry.units_planned,
        }
        for entry in loaded.entries.values()
    ]
    columns = [
        Column("key", "block"),
        Column("ms", "ms", decimals(4), right=True),
        Column("deviation_ms", "±", decimals(4), right=True),
        Column("floor_ms", "call ms", decimals(4), right=True),
        Column("n", "n", count, right=True),
        Column("units_planned", "planned"),
    ]
    emit(rows, format, columns)
    c = loaded.conditions
    err.print(
        f"{c.device}, {c.runtime}, {c.units_asked}, {c.precision}, {c.threads} threads, batch "
        f"{c.batch}, {c.options}; {c.versions}; {len(loaded.networks)} whole networks; "
        f"drift of {loaded.drift:.0%} removed",
        soft_wrap=True,
    )
    for contradiction in loaded.contradictions:
        err.print(f"[yellow]runs contradict[/yellow] {contradiction}", soft_wrap=True)


def _show_specs(loaded: Any, designs: "dict[str, UNetSpec]", missing: str, format: Format) -> None:
    from latency_db.table_source import TableSource

    source = TableSource.of(loaded, missing)
    rows = [
        {"spec": name, **vars(source.predict(design)), "device": loaded.device}
        for name, design in designs.items()
    ]
    columns = [
        Column("spec", "spec"),
        Column("ms", "ms", decimals(2), right=True),
        Column("low", "low", decimals(2), right=True),
        Column("high", "high", decimals(2), right=True),
        Column("coverage", "measured", lambda v: f"{v:.0%}", right=True),
        Column("source", "source"),
        Column("device", "device"),
    ]
    emit(rows, format, columns)


def load_table(table: str, where: list[str] | None, widen: bool, keep_drift: bool = False) -> Any:
    """Read a table as the options of a command ask for it."""
    from latency_db.table import Table
    from search_space.errors import WalkbenchError

    pairs = [word.partition("=") for word in where or []]
    for name, sign, _ in pairs:
        if not sign:
            raise WalkbenchError(
                f"--where {name!r} must be CONDITION=VALUE, such as precision=fp16"
            )
    return Table.load(
        table,
        where={name: value for name, _, value in pairs},
        contradictions="widen" if widen else "refuse",
        drift="keep" if keep_drift else "remove",
    )


def register(group: typer.Typer) -> None:
    """Add the command to `walkbench latency`."""
    group.command()(show)
