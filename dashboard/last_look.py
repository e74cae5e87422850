"""What changed in a study since this server last showed it to somebody."""

import time
from dataclasses import dataclass

import streamlit as st

from studies.reading import StudyData


@dataclass(frozen=True)
class Look:
    """A study as somebody saw it."""

    when: float
    trials: int
    done: int
    failed: int
    front: frozenset[str | None]


def changes_since_last_look(url: str, study: StudyData) -> str:
    """Say what changed since the last look before this browser's; remember this one."""
    table = study.table
    rows = table.distinct(table.front(study.objectives)).tolist()
    front = frozenset(table.digest[row] for row in rows)
    now = Look(time.time(), len(table), table.done, len(table.failed), front)
    key = f"{url} {study.name}"
    before: dict[str, Look | None] = st.session_state.setdefault("looks before", {})
    if key not in before:
        before[key] = _looks().get(key)
    _looks()[key] = now
    old = before[key]
    if old is None:
        return "This is the first look at the study since the server started."
    parts = [
        f"{count:,} more {what}"
        for count, what in (
            (now.done - old.done, "done"),
            (now.failed - old.failed, "failed"),
            (len(now.front - old.front), "on the front"),
        )
        if count > 0
    ]
    gone = len(old.front - now.front)
    parts += [f"{gone} left it"] if gone else []
    minutes = (now.when - old.when) / 60
    return f"Since the last look, {minutes:,.0f} minutes ago: {', '.join(parts) or 'nothing new'}."


@st.cache_resource(show_spinner=False)
def _looks() -> dict[str, Look]:
    return {}
