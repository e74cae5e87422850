"""A study's designs over any two or three metrics: the front, a selection, a comparison."""

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import bound, data, frame
from dashboard.cards import plain, show_card, show_figure
from dashboard.pareto_choices import choices, title_of
from dashboard.selection import parse_region, rows_in, written_region
from dashboard.tables import table as html_table
from studies.analyses.comparison import comparison
from studies.analyses.front import cloud_notes, fidelity_words
from studies.analyses.notes import table_notes
from studies.analyses.overview import budget_words
from studies.figures.cloud import Cloud, cloud_figure, roles, within
from studies.figures.coordinates import coordinates_figure
from studies.figures.hover import outcome
from studies.metrics import METRICS

MOST_LINES = 400  # designs drawn as parallel coordinates

url, study = frame.study()
table = study.table
axes = list(table.metrics)
if len(axes) < 2:
    st.info(
        f"No trial of {study.name} has its numbers yet; the page fills as trials end. "
        "A study that something else than Walkbench made has no designs to show."
    )
    st.stop()


def take_selection() -> None:
    """Mirror what is clicked or boxed into the widgets of the address."""
    selection = st.session_state.pareto_chart["selection"]
    points, boxes = selection["points"], selection["box"]
    if boxes:
        st.session_state["region"] = written_region(boxes[0]["x"], boxes[0]["y"])
    elif len(points) == 1 and "customdata" in points[0]:
        st.session_state["trial"] = str(points[0]["customdata"][0])


def number_in(text: str) -> int | None:
    """Return the trial that somebody wrote, with a message where there is none."""
    if not text.strip():
        return None
    if not text.strip().isdecimal() or int(text) >= len(table):
        last = f"0 … {len(table) - 1}"
        st.warning(plain(f"{study.name} has no trial {text.strip()[:40]!r}; its trials: {last}."))
        return None
    return int(text)


names = [name for name in study.objectives if name in axes]
best = table.front(study.objectives)
first = table.distinct(best)
picks = choices(url, study, axes)
x, y = picks.x, picks.y
kept = within(table, picks.limits)
default = str(first[0]) if len(first) else ""
trial_text = str(st.session_state.get(bound.start("trial", None, default)) or default)
cloud = Cloud(
    x,
    y,
    study.objectives,
    z=picks.z,
    colour=picks.colour,
    bars=picks.bars,
    limits=picks.limits,
    budgets=study.shared.budgets,
    selected=(int(trial_text),) if trial_text.isdecimal() else (),
)
left, right = st.columns([7, 4], gap="large")
with left:
    found = roles(table, cloud)
    if not any(map(len, found.values())):
        st.info(f"No design has both {title_of(x)} and {title_of(y)} within these budgets.")
    else:
        state = show_figure(
            cloud_figure(table, cloud, found),
            "pareto_chart",
            f"{title_of(y)} over {title_of(x)} of {study.name}",
            on_select=take_selection,
            selection_mode=("points", "box", "lasso"),
        )
    words = [f"{len(rows):,} {role}" for role, rows in found.items() if len(rows)]
    marks = " ".join([fidelity_words(study), *cloud_notes(table, cloud.axes)]).strip()
    st.caption(plain(f"{study.name}: {', '.join(words)}. Budgets: {budget_words(study)}. {marks}"))
with right:
    st.subheader("Design", anchor=False)
    text = st.text_input(
        "Trial",
        key="trial",
        bind=bound.BIND,
        help="A trial's number; a click on a point writes it here.",
    )
    number = number_in(text)
    if number is not None:
        trial = study.trial(number)
        st.markdown(f"**{plain(trial.label)}**, trial {number}: {plain(outcome(trial))}")
        lines = [
            [METRICS.get(name).title, METRICS.get(name).write(trial.measured(name))]
            for name in axes
        ]
        st.html(html_table(["", "this design"], lines, classes=["", "n"]))
        frame.link("design", f"All about trial {number}", trial=str(number))

st.subheader("Selection", anchor=False)
region_text = st.text_input(
    "Region",
    key=bound.start("region", None, ""),
    bind=bound.BIND,
    placeholder="x from, x to, y from, y to",
    help="A box drawn in the figure writes its edges here; empty selects the front.",
)
try:
    region = parse_region(region_text)
except ValueError as error:
    st.warning(plain(f"{error}."))
    region = None
lasso = st.session_state.get("pareto_chart", {}).get("selection", {}).get("lasso", [])
places = [table.value(name) / METRICS.get(name).scale for name in (x, y)]
chosen = rows_in(places[0], places[1], region, lasso) if region or lasso else first
chosen = chosen[kept[chosen]]
numbers = {
    f"{METRICS.get(name).title}, {METRICS.get(name).unit}".rstrip(", "): table.value(name)[chosen]
    / METRICS.get(name).scale
    for name in axes
}
rows = pd.DataFrame(
    {
        "trial": table.number[chosen],
        "design": [table.name[r] or table.digest[r] for r in chosen.tolist()],
        "on front": best[chosen],
        **numbers,
    }
)
st.caption(
    f"{len(rows):,} {'designs on the front' if not (region or lasso) else 'trials in the region'}; "
    "a column's head sorts, the table's menu saves it as CSV."
)
formats = {
    column: st.column_config.NumberColumn(format=f"%.{max(METRICS.get(name).digits, 0)}f")
    for column, name in zip(numbers, axes, strict=True)
}
picked = st.dataframe(
    rows,
    hide_index=True,
    column_config=formats,
    key="selected_rows",
    on_select="rerun",
    selection_mode="multi-row",
    height=min(38 + 35 * len(rows), 300) if len(rows) else "auto",
)

st.subheader("Comparison", anchor=False)
ticked = [int(rows["trial"].iloc[row]) for row in picked["selection"]["rows"]][:4]
written = ", ".join(map(str, ticked if len(ticked) > 1 else first[:2].tolist()))
if len(ticked) > 1:
    st.session_state["compare"] = written
compare = st.text_input(
    "Trials to compare, two to four",
    key=bound.start("compare", None, written),
    bind=bound.BIND,
    help="Numbers with commas; ticking two to four rows above writes them here.",
)
several = [one for part in compare.split(",")[:4] if (one := number_in(part)) is not None]
for card in comparison(study, several):
    show_card(card, "comparison")

st.subheader("All choices of the front", anchor=False)
drawn = first[kept[first]][:MOST_LINES]
if len(drawn):
    own = [*names, *(name for name in study.shared.budgets if name in axes and name not in names)]
    params = [trial.params for trial in study.chosen(drawn.tolist())]
    by_choice = {
        name: [own.get(name) for own in params]
        for name in sorted({name for own in params for name in own})
    }
    show_figure(
        coordinates_figure(table, drawn, own or axes[:2], by_choice),
        "coordinates",
        f"Metrics and choices of the front of {study.name}",
    )
    st.caption("A line is a design of the front; drag along an axis to keep some of them.")
over: Any = st.segmented_control(
    "Growth over",
    ["trials", "seconds"],
    required=True,
    key=bound.start("growth", ["trials", "seconds"], "trials"),
    bind=bound.BIND,
)
for card in data.growth(url, study, over):
    show_card(card, "growth_chart")
st.caption(plain(" ".join(table_notes(study))))
