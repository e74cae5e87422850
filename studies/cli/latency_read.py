"""`walkbench latency show` and `validate`: read a table, and ask whether its sums hold.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["latency", "show", "no-such-table"]).exit_code
2
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from studies.cli.output import Column, Format, FormatOption, count, decimals, emit, err, shortened

SpecOption = Annotated[
    list[str] | None, typer.Option("--spec", help="A named spec or a JSON file; repeatable.")
]
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
    missing: Annotated[
        str, typer.Option(help="Blocks that were not measured: error, interpolate or estimate.")
    ] = "error",
    where: WhereOption = None,
    allow_contradictions: ContradictionsOption = False,
    format: FormatOption = Format.table,
) -> None:
    """Show a table's blocks, or with --spec the latency of designs by it."""
    loaded = _load(table, where, allow_contradictions)
    if spec:
        _show_specs(loaded, spec, missing, format)
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
        Column("key", "block", shortened),
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
        f"{c.batch}, {c.options}; {c.versions}; {len(loaded.networks)} whole networks",
        soft_wrap=True,
    )
    for contradiction in loaded.contradictions:
        err.print(f"[yellow]runs contradict[/yellow] {contradiction}", soft_wrap=True)


def validate(
    table: TableArgument,
    write: Annotated[
        Path | None, typer.Option("--write", help="Also write the report, a JSON file.")
    ] = None,
    where: WhereOption = None,
    allow_contradictions: ContradictionsOption = False,
    format: FormatOption = Format.table,
) -> None:
    """Compare whole networks of a table with the sum of their blocks.

    `walkbench latency measure TABLE --space S --networks 40` times them, interleaved with blocks.
    """
    import json

    from latency_db.validate import cases_of, report, rows

    loaded = _load(table, where, allow_contradictions)
    cases = cases_of(loaded)
    found = report(cases)
    if write is not None:
        from search_space.provenance import provenance

        result = {
            "summary": found,
            "rows": rows(cases),
            "provenance": {**provenance(), "conditions": vars(loaded.conditions)},
        }
        write.parent.mkdir(parents=True, exist_ok=True)
        write.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        err.print(f"wrote {write}")
    if format is Format.table:
        emit(_report_rows(found), format, _REPORT_COLUMNS, f"{found['n']} whole networks")
    else:
        emit(found if format is Format.json else rows(cases), format)


_REPORT_COLUMNS = [
    Column("by", "predicted by"),
    Column("error", "median error %", decimals(1), right=True),
    Column("p90", "p90 %", decimals(1), right=True),
    Column("bias", "bias %", decimals(1), right=True),
    Column("within_5", "within ±5 %", decimals(0), right=True),
    Column("within_10", "within ±10 %", decimals(0), right=True),
    Column("kendall", "Kendall", right=True),
    Column("spearman", "Spearman", decimals(3), right=True),
]


def _report_rows(found: dict[str, Any]) -> list[dict[str, Any]]:
    out = []
    for name, suffix in (("sum of blocks", ""), ("sum, corrected", "_corrected")):
        interval = f"{found[f'kendall{suffix}_low']:.2f}–{found[f'kendall{suffix}_high']:.2f}"
        out.append(
            {
                "by": name,
                "error": found[f"median_abs_error{suffix}_pct"],
                "p90": found[f"p90_abs_error{suffix}_pct"],
                "bias": found[f"bias{suffix}_pct"],
                "within_5": found[f"within_5{suffix}_pct"],
                "within_10": found[f"within_10{suffix}_pct"],
                "kendall": f"{found[f'kendall{suffix}']:.3f} ({interval})",
                "spearman": found[f"spearman{suffix}"],
            }
        )
    for name in ("params", "macs", "bytes"):
        gain = f"sum gains {found[f'{name}_kendall_gain']:+.2f}"
        out.append(
            {
                "by": f"{name}, scaled",
                "error": found[f"{name}_median_abs_error_pct"],
                "kendall": f"{found[f'{name}_kendall']:.3f} ({gain})",
                "spearman": found[f"{name}_spearman"],
            }
        )
    return out


_MISSING = ("error", "interpolate", "estimate")


def _show_specs(loaded: Any, names: list[str], missing: str, format: Format) -> None:
    from latency_db.lookup import predict
    from latency_db.mixed import MixedSource
    from search_space.errors import raise_unknown
    from search_space.load import load_spec

    if missing not in _MISSING:
        raise_unknown("policy for missing entries", missing, _MISSING)
    mixed = MixedSource.of(loaded) if missing == "estimate" else None
    rows = []
    for name in names:
        design = load_spec(name)
        if mixed is not None:
            latency = mixed.predict(design)
        else:
            policy: Any = missing
            latency = predict(design, loaded, policy)
        rows.append({"spec": name, **vars(latency), "device": loaded.device})
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


def _load(table: str, where: list[str] | None, widen: bool) -> Any:
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
    )


def register(group: typer.Typer) -> None:
    """Add the commands to `walkbench latency`."""
    group.command()(show)
    group.command()(validate)
