"""`walkbench`: the command line, one module per command group.

Commands import heavy libraries when they run, so that ``--help`` is fast. A user's mistake prints
one line and exits with 2; an interruption exits with 130.

>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["--version"]).exit_code
0
"""

from importlib.metadata import version
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from search_space.errors import WalkbenchError
from studies.cli import (
    ablate,
    cost,
    dashboard,
    data,
    demo,
    evaluate,
    export,
    image_time,
    latency,
    proxy,
    report,
    space,
    spec,
    study,
    train,
    walk,
)
from studies.cli.exit_codes import INTERRUPTED
from studies.cli.help_text import flow_help
from studies.cli.output import err
from studies.cli.wide import add_wide


class _Group(TyperGroup):
    """Reports a :class:`WalkbenchError` in one line with exit code 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except WalkbenchError as error:
            err.print(f"[red]error:[/red] {_escape(str(error))}", soft_wrap=True)
            ctx.exit(2)
        except KeyboardInterrupt:
            err.print("interrupted; what was finished is kept")
            ctx.exit(INTERRUPTED)


def _escape(text: str) -> str:
    from rich.markup import escape

    return escape(text)


app = typer.Typer(
    cls=_Group,
    name="walkbench",
    help="Search and ablate text-to-image UNets that must run on a phone.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(value: bool) -> None:
    if value:
        print(f"walkbench {version('walkbench')}")
        raise typer.Exit


for _module in (
    demo,
    cost,
    walk,
    ablate,
    spec,
    space,
    data,
    proxy,
    study,
    report,
    latency,
    image_time,
    export,
    train,
    evaluate,
    dashboard,
):
    _module.register(app)
add_wide(app)
flow_help(app)


@app.callback()
def _main(
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    """Search and ablate text-to-image UNets that must run on a phone."""
