"""`walkbench report`: a study as one HTML page.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> words = ["report", "demo", "--to", "demo.html", "--storage", "nowhere.db"]
>>> CliRunner().invoke(app, words).exit_code
2
"""

from pathlib import Path
from typing import Annotated

import typer

from studies.cli.output import err
from studies.cli.study_options import StorageOption


def report(
    name: Annotated[str, typer.Argument(metavar="STUDY", help="Name of the study.")],
    to: Annotated[Path, typer.Option("--to", metavar="FILE.html", help="The HTML file to write.")],
    storage: StorageOption = None,
) -> None:
    """Write a study as one HTML page: its fronts, designs, walk, choices and settings.

    The page is one file that opens without a network, on a phone too, and is light or dark as its
    reader prefers.
    """
    from studies.reading import open_for_reading, read_study
    from studies.report import write_report
    from studies.store import storage_url

    write_report(read_study(open_for_reading(storage_url(storage)), name), to)
    err.print(f"wrote {to}")


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(report)
