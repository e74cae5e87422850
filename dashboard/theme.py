"""Light and dark: figures follow the theme that the reader prefers."""

from typing import Any

import plotly.graph_objects as go
import streamlit as st

from studies.figures.style import darkened


def is_dark() -> bool:
    """Whether the reader sees the page in its dark theme."""
    return st.context.theme.type == "dark"


def themed(figure: go.Figure) -> Any:
    """Return ``figure`` in the page's theme."""
    return darkened(figure) if is_dark() else figure
