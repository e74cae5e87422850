"""Designs of a study as a table on the terminal."""

from typing import Any


def print_designs(study: Any, trials: Any, title: str) -> None:
    """Print the table of ``trials`` to stdout and the meaning of its signs to stderr."""
    from studies.analyses.designs import designs_table
    from studies.cli.cards import print_card

    print_card(designs_table(study, trials, title))
