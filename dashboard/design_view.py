"""One design on a page: its stages as a table, what they share, and its JSON."""

import json

import streamlit as st

from dashboard.tables import table
from search_space.network import Network
from search_space.spec import UNetSpec
from studies.design_tables import shared_facts, stage_table


def show_design(network: Network, key: str) -> None:
    """Show ``network``; ``key`` tells this view's button from those of other views."""
    st.subheader("The design")
    if isinstance(network, UNetSpec):
        head, rows = stage_table(network)
        st.html(table(head, rows, classes=["k", *("" for _ in head[1:])]))
        st.caption(
            " · ".join(shared_facts(network))
            + ". res: resblock, SA and CA: layers with self- and cross-attention and an FFN."
        )
    else:  # another kind of network, which has no stages
        st.json(network.to_dict(), expanded=2)
    digest = network.digest()
    st.download_button(
        f"Spec as JSON ({digest})",
        json.dumps(network.to_dict(), indent=2),
        file_name=f"{digest}.json",
        mime="application/json",
        icon=":material/download:",
        key=f"{key}_json",
        on_click="ignore",
    )
