"""Latencies: which devices are known, how well, and what the tables measured."""

import streamlit as st

from dashboard import bound, data, frame
from dashboard.cards import show_card
from search_space.presets import all_named
from search_space.space import shipped_spaces

SPACE = "snapgen"

names = list(all_named())
name = st.selectbox(
    "Design",
    names,
    key=bound.start("design", names, "snapgen-t2i" if "snapgen-t2i" in names else names[0]),
    bind=bound.BIND,
    help="The design whose time is estimated on every device.",
)
show_card(data.latency_devices(name), "devices")
show_card(data.latency_published(), "published")
study, spaces = frame.study_or_none(), shipped_spaces()
own = study.shared.space if study and study.shared.space in spaces else SPACE
space = st.selectbox(
    "Search space",
    spaces,
    key=bound.start("space", spaces, own),
    bind=bound.BIND,
    width=320,
    help="The space whose designs are looked up in the tables.",
)
for number, card in enumerate(data.latency_tables(space)):
    show_card(card, f"table_{number}")
