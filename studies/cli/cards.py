"""Cards on a terminal: words and tables to stdout, notes on signs to stderr.

>>> from studies.analyses.card import Card
>>> print_card(Card("Growth of the front", ("The front grew at trials 0, 3.",)))
Growth of the front
The front grew at trials 0, 3.
"""

from studies.analyses.card import Card
from studies.cli.output import Column, Format, emit, err


def print_card(card: Card) -> None:
    """Print ``card``; figures and pictures are only in reports and on the dashboard."""
    if card.table is None:
        print(card.title)
    for text in card.words:
        print(text)
    if card.table is not None:
        columns = [
            Column(c.heading, c.heading, right=c.right, optional=c.optional, under=c.under)
            for c in card.table.columns
        ]
        headings = [column.heading for column in card.table.columns]
        rows = [dict(zip(headings, row, strict=True)) for row in card.table.rows]
        emit(rows, Format.table, columns, card.title)
    for command in card.commands:
        print(f"    {command}")
    if card.notes and (card.table is not None):
        err.print("\n".join(card.notes), style="dim", soft_wrap=True)
