"""Cards on a page: the words, figures and tables of `studies.analyses`."""

from collections.abc import Iterable
from typing import Any

import plotly.graph_objects as go
import streamlit as st

from dashboard.saving import save_buttons
from dashboard.tables import table
from dashboard.theme import is_dark, themed
from studies.analyses.card import Card
from studies.drawing.svg import as_image

CONFIG = {
    "displaylogo": False,
    "displayModeBar": True,
    "scrollZoom": False,
    "modeBarButtonsToRemove": ["autoScale2d", "zoomIn2d", "zoomOut2d"],
}


def show_cards(cards: Iterable[Card], key: str) -> None:
    """Show ``cards`` one below the other; ``key`` tells their figures from those of other pages."""
    for number, card in enumerate(cards):
        show_card(card, f"{key}_{number}")


def show_card(card: Card, key: str) -> None:
    """Show ``card``; ``key`` tells its figure from those of other cards."""
    st.subheader(card.title, anchor=False)
    for text in card.words:
        st.markdown(plain(text))
    show_pictures(card)
    if card.figure is not None:
        show_figure(card.figure, key, card.title)
    if card.table is not None:
        columns = card.table.columns
        classes = ["n" if column.right else "" for column in columns]
        st.html(table([column.heading for column in columns], card.table.rows, classes=classes))
    for command in card.commands:
        st.code(command, language="bash", wrap_lines=True)
    show_notes(card)


def show_pictures(card: Card) -> None:
    """Show the drawings and pictures of ``card``, as many side by side as there is room for."""
    if not card.pictures:
        return
    with st.container(horizontal=True, gap="large"):
        for picture in card.pictures:
            if picture.svg:
                st.image(as_image(picture.svg, dark=is_dark()), width=520)
            else:
                st.image(picture.png, caption=plain(picture.title), width=520)


def show_figure(figure: go.Figure, key: str, title: str, **options: Any) -> Any:
    """Show ``figure`` with buttons that save it; return its selection where ``options`` ask so.

    ``title`` says what it shows, to readers that do not see it, and names the saved files.
    """
    shown = st.plotly_chart(
        themed(figure), theme=None, key=key, config=CONFIG, alt=title, **options
    )
    save_buttons(key, title)
    return shown


def show_notes(card: Card) -> None:
    """Show what the signs of ``card`` mean."""
    if card.notes:
        st.caption(plain(" ".join(card.notes)))


def plain(text: str) -> str:
    """Escape text for widgets that read Markdown."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()#+-.!~$<>|" else sign for sign in text)
