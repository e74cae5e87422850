"""`walkbench latency export`: blocks as Core ML packages, checked, with a manifest."""

import typer


def register(group: typer.Typer) -> None:
    """Add the command to `walkbench latency`."""
