"""A study as one HTML page: the cards of every analysis. The page needs no network.

It shows what the dashboard shows, as it stood when it was written.

>>> write_report(StudyData("empty", ("params",), StudyRecord(), ()), Path("report.html"))
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: study 'empty' has no finished trial yet; run it first
"""

from base64 import b64encode
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from search_space.errors import WalkbenchError
from studies.analyses.card import Card, Picture, cards
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
    if card.pictures:
        shown = "".join(map(_picture, card.pictures))
        parts.append(f'<div class="drawings">{shown}</div>')
    if card.figure is not None:
        parts.append(card.figure)
    if card.table is not None:
        head = [column.heading for column in card.table.columns]
        right = [column.right for column in card.table.columns]
        parts.append(html_table(head, card.table.rows, right))
    parts += [f"<pre><code>{escape(command)}</code></pre>" for command in card.commands]
    parts += [f'<p class="note">{escape(text)}</p>' for text in card.notes]
    return parts


def _picture(picture: Picture) -> str:
    """Return a drawing as it is, which escapes its own text, or a picture inside the page."""
    if picture.svg:
        return f"<figure>{picture.svg}</figure>"
    data = b64encode(picture.png).decode()
    title = escape(picture.title)
    image = f'<img src="data:image/png;base64,{data}" alt="{title}">'
    return f"<figure>{image}<figcaption>{title}</figcaption></figure>"
