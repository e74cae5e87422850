"""Arguments and options that several commands on studies take.

>>> "demo" in CONFIGS
True
"""

from typing import Annotated

import typer

from studies.shipped import shipped_configs

CONFIGS = ", ".join(shipped_configs())

NameArgument = Annotated[str, typer.Argument(metavar="NAME", help="Name of the study.")]
ConfigArgument = Annotated[
    str, typer.Argument(metavar="CONFIG", help=f"A shipped config ({CONFIGS}) or a TOML file.")
]
TrialsOption = Annotated[
    int | None, typer.Option(min=1, help="Trials in total; the config's number by default.")
]
StorageOption = Annotated[
    str | None,
    typer.Option(
        "--storage",
        metavar="URL",
        help="Database URL or SQLite file; else OPTUNA_STORAGE, else runs/walkbench.db.",
    ),
]
