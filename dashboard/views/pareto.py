"""A study's designs over any two of their numbers, its front, and one design looked at closely."""

from typing import Any

import streamlit as st

from dashboard import data
from dashboard.study_choice import choose_study
from dashboard.trial_view import show_trial
from studies import pareto
from studies.figures.axes import AXES, usable_axes
from studies.figures.pareto import pareto_figure, plotted
from studies.summary import STATES

BARS = {"few": "Front and named", "all": "All", "none": "None"}
ROLE = "role"


def take_click() -> None:
    """Make the clicked point's trial the one that is looked at."""
    points = st.session_state.pareto_chart["selection"]["points"]
    if points and "customdata" in points[0]:
        st.session_state.trial = points[0]["customdata"][0]


def design_label(trial: int) -> str:
    """Name a trial in the list of designs, with a dot for those on the front."""
    row = rows[numbers[trial]]
    return f"{'● ' if trial in on_front else ''}{trial}: {row['name'] or row['digest']}"


st.title("Pareto front")
places = st.columns([3, 2, 2, 2, 2], gap="small")
url, study = choose_study(places[0], places[1])
axes = [axis.key for axis in usable_axes(study.rows)]
if len(axes) < 2:
    st.info(
        f"No trial of {study.name} has its numbers yet; the page fills as trials end. "
        "A study that something else than Walkbench made has no designs to show."
    )
    st.stop()


def default_axis(place: int, wanted: str) -> int:
    """Return the index of ``wanted`` among the axes, else of the one at ``place``."""
    return axes.index(wanted) if wanted in axes else place


def axis_name(key: str) -> str:
    """Name an axis in a list."""
    return "by role" if key == ROLE else AXES[key].name


names = [name for name in study.objectives if name in axes]
x = places[2].selectbox(
    "Across",
    axes,
    index=default_axis(1, names[1] if len(names) > 1 else "params"),
    format_func=axis_name,
    key=f"x_{study.name}",
)
y = places[3].selectbox(
    "Up",
    axes,
    index=default_axis(0, names[0] if names else "macs"),
    format_func=axis_name,
    key=f"y_{study.name}",
)
colour = places[4].selectbox(
    "Colour", [ROLE, *axes], format_func=axis_name, key=f"colour_{study.name}"
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
    st.button("Refresh", icon=":material/refresh:", help="Read the trials that ended since.")

rows = [row for row in study.rows if row["spec"] and (row["feasible"] is True or not only)]
best = pareto.distinct(pareto.front(rows, study.objectives))
on_front = {row["trial"] for row in best}
numbers = {row["trial"]: index for index, row in enumerate(rows)}
if not rows:
    st.info("No design keeps every budget yet.")
    st.stop()
if st.session_state.get("trial") not in numbers:
    st.session_state.trial = best[0]["trial"] if best else rows[0]["trial"]

left, right = st.columns([3, 2], gap="large")
with right:
    chosen = st.selectbox("Design", list(numbers), format_func=design_label, key="trial")
    show_trial(rows[numbers[chosen]], study, url)
with left:
    if plotted(rows, x, y):
        figure = pareto_figure(
            rows,
            study.objectives,
            x,
            y,
            colour=None if colour == ROLE else colour,
            budgets=study.about.get("budgets"),
            bars=bars,
            selected=chosen,
        )
        st.plotly_chart(
            figure,
            theme=None,
            key="pareto_chart",
            on_select=take_click,
            selection_mode="points",
            config={"displayModeBar": False, "scrollZoom": False},
            alt=f"{AXES[y].name} over {AXES[x].name} of every design of {study.name}",
        )
    else:
        st.info(f"No design has both {AXES[x].name} and {AXES[y].name} yet.")
    about = study.about
    budgets = ", ".join(
        f"{AXES[key].name} ≤ {limit / AXES[key].unit:,.6g} {AXES[key].suffix}"
        for key, limit in (about.get("budgets") or {}).items()
    )
    counted = {
        word: sum(row["state"] == state for row in study.rows) for state, word in STATES.items()
    }
    ended = ", ".join(
        f"{number} {word.replace('_', ' ')}" for word, number in counted.items() if number
    )
    st.caption(
        f"{len(study.rows)} trials: {ended}. Minimised: "
        f"{', '.join(AXES[n].name if n in AXES else n for n in study.objectives)}. "
        f"Budgets: {budgets or 'none'}. Device: {about.get('device') or 'none'}. "
        "Filled points are exact or measured, hollow ones estimated; bars are 80 % intervals of "
        "latency and standard errors of the proxy loss. The proxy loss comes from a short training "
        "run of a small twin; it ranks designs roughly and is no image quality. Click a point to "
        "see its design."
    )
    st.subheader("How the front grew")
    st.plotly_chart(
        data.progress(url, study),
        theme=None,
        key="progress_chart",
        config={"displayModeBar": False},
        alt="Hypervolume of the front after each trial, as a share of today's",
    )
