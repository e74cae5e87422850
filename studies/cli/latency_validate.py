"""`walkbench latency validate`: do the sums of a table hold for whole networks?

With a space it draws networks, times them among their blocks, and reports; without one it reports
on the networks that a table already holds.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["latency", "validate", "no-such-table"]).exit_code
2
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from studies.cli.latency_options import (
    DEFAULTS,
    Measuring,
    SpaceOption,
    run_measurement,
    with_options,
)
from studies.cli.latency_read import ContradictionsOption, TableArgument, WhereOption, load_table
from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.formats import decimals


@with_options
def validate(
    table: TableArgument,
    space: SpaceOption = None,
    networks: Annotated[
        int, typer.Option(help="Networks to draw from the space, no named design.", min=10)
    ] = 40,
    write: Annotated[
        Path | None, typer.Option("--write", help="Also write the report, a JSON file.")
    ] = None,
    where: WhereOption = None,
    allow_contradictions: ContradictionsOption = False,
    keep_drift: Annotated[
        bool, typer.Option("--keep-drift", help="Judge the times as they were taken.")
    ] = False,
    how: Measuring = DEFAULTS,
    format: FormatOption = Format.table,
) -> None:
    """Compare whole networks of a table with the sum of their blocks.

    With --space, draws --networks from it and first measures what the table lacks of them and
    their blocks; a run that was killed goes on. Options of the measurement are those of `measure`.
    """
    import json

    from latency_db.validate import cases_of, report, rows

    if space is not None:
        _measure(table, space, networks, how)
    elif how != DEFAULTS:
        _say_that_nothing_is_measured()
    loaded = load_table(table, where, allow_contradictions, keep_drift)
    cases = cases_of(loaded)
    found = report(cases)
    if write is not None:
        from search_space.atomic import write_file
        from search_space.provenance import provenance

        result = {
            "summary": found,
            "rows": rows(cases),
            "provenance": {**provenance(), "conditions": vars(loaded.conditions)},
        }
        write_file(write, json.dumps(result, indent=1) + "\n")
        err.print(f"wrote {write}")
    if format is Format.table:
        emit(_report_rows(found), format, _REPORT_COLUMNS, f"{found['n']} whole networks")
    else:
        emit(found if format is Format.json else rows(cases), format)


def _measure(table: str, space: str, networks: int, how: Measuring) -> None:
    """Time networks of ``space`` and their blocks into ``table``, whatever it lacks of them."""
    from latency_db.builder_designs import designs, subjects
    from latency_db.table_file import shipped_tables
    from search_space.errors import WalkbenchError

    if table in shipped_tables():
        raise WalkbenchError(
            f"table {table!r} is shipped and is not measured into; name a CSV of your own, or "
            "leave --space out to see how far the shipped table's sums hold"
        )
    drawn = designs((), space, networks, how.seed, how.narrow, how.latent, named=False)
    run_measurement(subjects(drawn, drawn.sampled), Path(table), how, resume=True)


def _say_that_nothing_is_measured() -> None:
    from search_space.errors import WalkbenchError

    raise WalkbenchError(
        "options of a measurement were given but no --space to draw networks from; name it, or "
        "leave those options out to report on the table as it is"
    )


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


def register(group: typer.Typer) -> None:
    """Add the command to `walkbench latency`."""
    group.command()(validate)
