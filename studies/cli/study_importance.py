"""`walkbench study importance`: the choices that decide each objective.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> words = ["study", "importance", "demo", "--storage", "nowhere.db"]
>>> CliRunner().invoke(app, words).exit_code
2
"""

from pathlib import Path
from typing import Annotated

import typer

from studies.cli.output import Format, FormatOption, emit, err
from studies.cli.study_options import NameArgument, StorageOption


def importance_command(
    name: NameArgument,
    storage: StorageOption = None,
    html: Annotated[Path | None, typer.Option(help="Also write the plot to this page.")] = None,
    format: FormatOption = Format.table,
) -> None:
    """Show how much every axis of the space decides every objective."""
    from dataclasses import asdict

    from studies.analyses.importance import importance
    from studies.cli.cards import print_card
    from studies.figures.importance import importance_figure
    from studies.figures.page import write_page
    from studies.importance import importances, usable_of
    from studies.reading import open_for_reading, read_study
    from studies.store import storage_url

    study = read_study(open_for_reading(storage_url(storage)), name)
    shares = {one: importances(usable_of(study, one), one) for one in study.objectives}
    if html is not None:
        write_page(html, f"Importance in {name}", [importance_figure(shares)])
        err.print(f"wrote {html}")
    if format is not Format.table:
        rows = [
            {"objective": objective, **asdict(one)}
            for objective, found in shares.items()
            for one in found
        ]
        emit(rows, format)
        return
    for card in importance(study):
        print_card(card)
