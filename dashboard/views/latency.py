"""Latencies: which devices are known, how well, and what the tables measured."""

import streamlit as st

from dashboard import bound, data
from dashboard.cards import show_card
from search_space.presets import all_named

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
for number, card in enumerate(data.latency_tables()):
    show_card(card, f"table_{number}")
