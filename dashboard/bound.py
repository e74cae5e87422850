"""Widgets bound to the page's address: every view is a link, and a reload keeps it.

A widget's key is its name in the address. What belongs to one study starts anew when another study
is chosen; :func:`start` does that, before the widget is drawn.

    key = bound.start("x", metrics, default="params")
    chosen = st.selectbox("X axis", metrics, key=key, bind=bound.BIND)
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal

import streamlit as st

BIND: Literal["query-params"] = "query-params"
OWNER = "study shown"  # the state that says whose widgets these are: storage and study


def start(
    key: str,
    options: Sequence[Any] | None = None,
    default: Any = None,
    words: Callable[[Any], str] = str,
) -> str:
    """Set the widget ``key`` to ``default`` where it lacks a value, and return ``key``.

    It lacks one at first, after a change of study, and where its value is none of ``options``. An
    address that names a value wins at first; it names one of ``options`` by its ``words``.
    """
    owner, held = st.session_state.get(OWNER), f"{key} is of"
    changed = held in st.session_state and st.session_state[held] != owner
    st.session_state[held] = owner
    if changed or (key not in st.session_state and not _asked(key, options, words)):
        st.session_state[key] = default
    elif key in st.session_state and options is not None:
        value = st.session_state[key]
        several = isinstance(value, list)
        if not set(value if several else [value]) <= set(options):
            st.session_state[key] = default
    return key


def _asked(key: str, options: Sequence[Any] | None, words: Callable[[Any], str]) -> bool:
    """Whether the address says what the widget ``key`` shows."""
    asked = st.query_params.get_all(key)
    return bool(asked) and (options is None or set(asked) <= {words(one) for one in options})
