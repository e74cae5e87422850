"""`--wide`, given to every command that prints a table.

>>> app = typer.Typer()
>>> @app.command()
... def one(format: FormatOption = Format.table) -> None:
...     emit([{"a": 1}], format)
>>> add_wide(app)
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["--wide"]).exit_code
0
"""

import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

from studies.cli.output import Format, FormatOption, emit, show_all_columns

__all__ = ["Format", "FormatOption", "add_wide", "emit"]

WideOption = Annotated[
    bool, typer.Option("--wide", help="All columns of a table side by side, however wide.")
]


def add_wide(app: typer.Typer) -> None:
    """Give ``--wide`` to all commands of ``app`` and its groups that take ``--format``."""
    for command in app.registered_commands:
        if command.callback and "format" in inspect.signature(command.callback).parameters:
            command.callback = _with_wide(command.callback)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            add_wide(group.typer_instance)


def _with_wide(command: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(command)
    def call(*args: Any, wide: bool = False, **options: Any) -> Any:
        show_all_columns(wide)
        return command(*args, **options)

    signature = inspect.signature(command)
    option = inspect.Parameter(
        "wide", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=WideOption
    )
    call.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=[*signature.parameters.values(), option]
    )
    call.__annotations__ = {**command.__annotations__, "wide": WideOption}
    return call
