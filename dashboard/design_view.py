"""One design on a page: its stages as a table, what they share, its JSON to take along."""

import streamlit as st

from dashboard.design_tables import shared_facts, stage_table
from dashboard.tables import table
from search_space.spec import UNetSpec


def show_design(spec: UNetSpec, key: str) -> None:
    """Show ``spec``; ``key`` tells this view's button from those of other views."""
    st.subheader("The design")
    head, rows = stage_table(spec)
    st.html(table(head, rows, classes=["k", *("" for _ in head[1:])]))
    st.caption(
        " · ".join(shared_facts(spec))
        + ". res: resblock, SA and CA: layers with self- and cross-attention and an FFN."
    )
    digest = spec.digest()
    st.download_button(
        f"Spec as JSON ({digest})",
        spec.to_json(indent=2),
        file_name=f"{digest}.json",
        mime="application/json",
        icon=":material/download:",
        key=f"{key}_json",
        on_click="ignore",
    )
