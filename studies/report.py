"""A study as one HTML page: the cards of every analysis. The page needs no network.

>>> write_report(StudyData("empty", ("params",), StudyRecord(), ()), Path("report.html"))
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: study 'empty' has no finished trial yet; run it first
"""

from html import escape
from pathlib import Path

import plotly.graph_objects as go

from search_space.errors import WalkbenchError
from studies.analyses.card import Card, cards
from studies.figures.page import html_table, write_page
from studies.reading import StudyData
from studies.records import StudyRecord

__all__ = ["StudyRecord", "write_report"]


def write_report(study: StudyData, path: Path) -> None:
    """Write the page to ``path``; raises :class:`WalkbenchError` when there is nothing to show."""
    if not any(trial.cost for trial in study.trials):
        raise WalkbenchError(f"study {study.name!r} has no finished trial yet; run it first")
    title = f"Study {study.name}"
    parts = [part for card in cards(study) for part in card_html(card, title)]
    write_page(path, title, parts)


def card_html(card: Card, page: str = "") -> list[go.Figure | str]:
    """Return a card as pieces of a page; its title is left out where it is that of the ``page``."""
    parts: list[go.Figure | str] = []
    if card.title != page:
        parts.append(f"<h2>{escape(card.title)}</h2>")
    parts += [f"<p>{escape(text)}</p>" for text in card.words]
    if card.figure is not None:
        parts.append(card.figure)
    if card.table is not None:
        head = [column.heading for column in card.table.columns]
        parts.append(html_table(head, card.table.rows))
    parts += [f'<p class="note">{escape(text)}</p>' for text in card.notes]
    return parts
