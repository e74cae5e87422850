"""The path of the walk over what a study searched, and the panel that edits the path."""

import numpy as np
import streamlit as st

from dashboard import bound, frame
from dashboard.cards import plain, show_card
from latency_db.sources import source_of
from search_space.axes import UNET_FIELDS
from studies.analyses.design_walk import AXES, path_card, step_record
from studies.figures.thinning import thinned
from studies.metrics import METRICS
from studies.reading import SOME, StudyData
from studies.records import TrialRecord
from studies.walk_edit import PathStep, edited_path, steps_of

STEPS = "walk_steps"  # the state of the panel: names with commas, as they stand in the address


def show_path(family: str, device: str) -> None:
    """Show the walk of ``family`` and the edited path, over the study that is shown, if any."""
    found = frame.study_or_none()
    places = st.columns([1, 1, 3], gap="small", vertical_alignment="bottom")
    x, y = (
        place.selectbox(
            words,
            AXES,
            format_func=_title,
            key=bound.start(key, AXES, first, _title),
            bind=bound.BIND,
        )
        for place, words, key, first in zip(
            places,
            ("X axis", "Y axis"),
            ("walk_x", "walk_y"),
            ("latency_ms", "params"),
            strict=False,
        )
    )
    whole = edited_path(family, steps_of(family))
    path = _panel(family)
    source = source_of(device)
    walks = {f"family {family}": whole}
    if [step.name for step in path] != [step.name for step in whole]:
        walks["edited"] = [step for step in path if step.problem is None]
    records = {
        name: [step_record(step.name, step.network, source, found) for step in steps]
        for name, steps in walks.items()
    }
    show_card(path_card(records, searched(found, x, y), x, y, device), "walk_path")


def searched(found: StudyData | None, x: str, y: str) -> list[TrialRecord]:
    """Return the trials behind the path, of many some from everywhere."""
    if found is None:
        return []
    across, up = found.table.value(x), found.table.value(y)
    rows = np.flatnonzero(~np.isnan(across) & ~np.isnan(up))
    return found.some(rows[thinned(across[rows], up[rows], SOME)])


def _title(metric: str) -> str:
    return METRICS.get(metric).title


def _panel(family: str) -> list[PathStep]:
    """Draw the panel; return the path that it describes."""
    known = steps_of(family)
    bound.start(STEPS, None, ", ".join(known))
    with st.container(border=True):
        st.text_input(
            "Edited path: steps in order, with commas",
            key=STEPS,
            bind=bound.BIND,
            help="Names of steps, or a change of one axis such as kv_heads.2=1. Axes: "
            + plain(", ".join(UNET_FIELDS)),
        )
        names = _names()
        places = st.columns([3, 1, 1, 1, 3, 1], gap="small", vertical_alignment="bottom")
        at = places[0].selectbox(
            "Step to move or drop",
            range(len(names)),
            format_func=lambda i: f"{i + 1}. {names[i]}",
            key="step_to_edit",
        )
        none = at is None
        places[1].button("Earlier", on_click=_move, args=(-1,), disabled=none, width="stretch")
        places[2].button("Later", on_click=_move, args=(1,), disabled=none, width="stretch")
        places[3].button("Drop", on_click=_drop, disabled=none, width="stretch")
        places[4].selectbox(
            "Step to insert after it",
            [name for name in known if name not in names],
            key="step_to_insert",
            accept_new_options=True,
            placeholder="A step, or AXIS=VALUE",
            index=None,
        )
        places[5].button("Insert", on_click=_insert, width="stretch")
        st.button("The walk as published", on_click=_reset, args=(known,))
    path = edited_path(family, names)
    for step in path:
        if step.problem:
            st.warning(plain(f"{step.name[:80]} is left out: {step.problem}."))
    return path


def _names() -> list[str]:
    return [name.strip() for name in st.session_state[STEPS].split(",") if name.strip()]


def _write(names: list[str]) -> None:
    st.session_state[STEPS] = ", ".join(names)


def _at() -> int:
    """Return which step is chosen, one past the last without a choice."""
    at = st.session_state["step_to_edit"]
    return len(_names()) if at is None else int(at)


def _move(by: int) -> None:
    names, at = _names(), _at()
    if at < len(names) and 0 <= at + by < len(names):
        names[at], names[at + by] = names[at + by], names[at]
        _write(names)
        st.session_state["step_to_edit"] = at + by


def _drop() -> None:
    names, at = _names(), _at()
    del names[at : at + 1]
    _write(names)
    st.session_state["step_to_edit"] = min(at, len(names) - 1) if names else None


def _insert() -> None:
    name = st.session_state["step_to_insert"]
    if name:
        names = _names()
        names.insert(_at() + 1, name.replace(",", " "))
        _write(names)
    st.session_state["step_to_insert"] = None


def _reset(known: list[str]) -> None:
    _write(known)
