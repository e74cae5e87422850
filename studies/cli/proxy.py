"""`walkbench proxy`: score designs by short training, or without any.

One module per command; each is added to the group here.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["proxy", "run", "sdxll"]).exit_code
2
"""

import typer

from studies.cli import proxy_run, proxy_validate, proxy_zero_cost


def register(app: typer.Typer) -> None:
    """Add the group to ``app``."""
    group = typer.Typer(help="Score designs by short training.", no_args_is_help=True)

    @group.callback()
    def _group() -> None:
        """Score designs by short training."""

    proxy_run.register(group)
    proxy_validate.register(group)
    proxy_zero_cost.register(group)
    app.add_typer(group, name="proxy")
