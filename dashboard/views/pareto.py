"""A study's designs over any two metrics, its front, and one chosen design."""

from typing import Any

import streamlit as st

from dashboard import bound, data, frame
from dashboard.cards import plain, show_card, show_figure, show_notes
from dashboard.trial_view import show_trial
from studies import pareto
from studies.analyses.card import ANALYSES
from studies.analyses.front import front
from studies.figures.axes import usable_metrics
from studies.metrics import METRICS

BARS = {"few": "Front and named", "all": "All", "none": "None"}
ROLE = "role"


def take_click() -> None:
    """Make the clicked point's trial the one that is looked at."""
    points = st.session_state.pareto_chart["selection"]["points"]
    if points and "customdata" in points[0]:
        st.session_state.trial = points[0]["customdata"][0]


def design_label(trial: int) -> str:
    """Name a trial in the list of designs, with a dot for those on the front."""
    return f"{'● ' if trial in on_front else ''}{trial}: {by_number[trial].label}"


url, study = frame.study()
places = st.columns([2, 2, 2], gap="small")
axes = [metric.name for metric in usable_metrics(study.trials)]
if len(axes) < 2:
    st.info(
        f"No trial of {study.name} has its numbers yet; the page fills as trials end. "
        "A study that something else than Walkbench made has no designs to show."
    )
    st.stop()


def default_axis(place: int, wanted: str) -> str:
    """Return ``wanted`` where it is among the axes, else the axis at ``place``."""
    return wanted if wanted in axes else axes[place]


def axis_name(key: str) -> str:
    """Name an axis in a list."""
    return "by role" if key == ROLE else METRICS.get(key).title


names = [name for name in study.objectives if name in axes]
x = places[0].selectbox(
    "X axis",
    axes,
    format_func=axis_name,
    key=bound.start("x", axes, default_axis(1, names[1] if len(names) > 1 else "params")),
    bind=bound.BIND,
)
y = places[1].selectbox(
    "Y axis",
    axes,
    format_func=axis_name,
    key=bound.start("y", axes, default_axis(0, names[0] if names else "macs")),
    bind=bound.BIND,
)
colours = [ROLE, *axes]
colour = places[2].selectbox(
    "Colour",
    colours,
    format_func=axis_name,
    key=bound.start("colour", colours, ROLE),
    bind=bound.BIND,
)
with st.container(horizontal=True, vertical_alignment="bottom", gap="large"):
    bars: Any = st.segmented_control(
        "Intervals",
        list(BARS),
        default="few",
        required=True,
        format_func=BARS.__getitem__,
        key="bars",
    )
    only = st.toggle("Within budget only", key="feasible_only")

trials = [t for t in study.trials if t.spec and (t.feasible is True or not only)]
best = pareto.distinct(pareto.front(trials, study.objectives))
on_front = {trial.number for trial in best}
by_number = {trial.number: trial for trial in trials}
if not trials:
    st.info("No design keeps every budget yet.")
    st.stop()
if st.session_state.get("trial") not in by_number:
    st.session_state.trial = best[0].number if best else trials[0].number

left, right = st.columns([3, 2], gap="large")
with right:
    chosen = st.selectbox("Design", list(by_number), format_func=design_label, key="trial")
    show_trial(by_number[chosen], study, url)
with left:
    shown = front(
        study,
        x,
        y,
        trials=trials,
        colour=None if colour == ROLE else colour,
        bars=bars,
        selected=chosen,
    )
    for card in shown:
        show_figure(
            card.figure,
            "pareto_chart",
            card.title,
            on_select=take_click,
            selection_mode="points",
        )
        show_notes(card)
    if not shown:
        st.info(f"No design has both {axis_name(x)} and {axis_name(y)} yet.")
    st.caption("Click a point to see its design.")
    for card in data.cards(url, study, "overview"):
        st.caption(plain(" ".join(card.words)))
    for card in data.cards(url, study, "progress"):
        show_card(card, "progress_chart")
for name in ANALYSES.names():
    if name in ("overview", "front", "progress"):
        continue
    for number, card in enumerate(data.cards(url, study, name)):
        show_card(card, f"{name}_{number}")
