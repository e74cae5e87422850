"""Cards on a page: the words, figures and tables of `studies.analyses`."""

import streamlit as st

from dashboard.tables import table
from studies.analyses.card import Card


def show_card(card: Card, key: str) -> None:
    """Show ``card``; ``key`` tells its figure from those of other cards."""
    st.subheader(card.title)
    for text in card.words:
        st.markdown(plain(text))
    if card.figure is not None:
        show_figure(card, key)
    if card.table is not None:
        columns = card.table.columns
        classes = ["n" if column.right else "" for column in columns]
        st.html(table([column.heading for column in columns], card.table.rows, classes=classes))
    show_notes(card)


def show_figure(card: Card, key: str) -> None:
    """Show the figure of ``card``."""
    st.plotly_chart(
        card.figure, theme=None, key=key, config={"displayModeBar": False}, alt=card.title
    )


def show_notes(card: Card) -> None:
    """Show what the signs of ``card`` mean."""
    if card.notes:
        st.caption(plain(" ".join(card.notes)))


def plain(text: str) -> str:
    """Escape text for widgets that read Markdown."""
    return "".join(f"\\{sign}" if sign in "\\`*_{}[]()#+-.!~$<>|" else sign for sign in text)
