"""A study's designs over any two or three metrics: the front, a selection, a comparison."""

from typing import Any

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import bound, data, frame
from dashboard.cards import plain, show_card, show_figure
from dashboard.selection import parse_region, rows_in, written_region
from dashboard.tables import table as html_table
from studies.analyses.comparison import comparison
from studies.analyses.front import CLOUD_MARKS
from studies.analyses.notes import table_notes
from studies.analyses.overview import budget_words
from studies.figures.cloud import Cloud, cloud_figure, roles, within
from studies.figures.cloud_colour import Colour, colour_of
from studies.figures.coordinates import coordinates_figure
from studies.figures.hover import outcome
from studies.metrics import METRICS
from studies.reading import StudyData

BARS = {"few": "Front and named", "all": "All", "none": "None"}
ROLE, NONE = "role", "none"
MOST_LINES = 400  # designs drawn as parallel coordinates
SLIDES = 200  # steps of a budget's slider

url, study = frame.study()
table = study.table
axes = list(table.metrics)
if len(axes) < 2:
    st.info(
        f"No trial of {study.name} has its numbers yet; the page fills as trials end. "
        "A study that something else than Walkbench made has no designs to show."
    )
    st.stop()


def title_of(name: str) -> str:
    """Name an axis, a colour or a choice in a list."""
    if name in (ROLE, NONE):
        return {"role": "by role", "none": "–"}[name]
    return METRICS.get(name).title if name in METRICS.names() else name.removeprefix("choice ")


def choose(label: str, options: list[str], key: str, default: str) -> str:
    """Draw a list bound to the address."""
    chosen: str = st.selectbox(
        label,
        options,
        format_func=title_of,
        key=bound.start(key, options, default, title_of),
        bind=bound.BIND,
    )
    return chosen


def default_axis(place: int, wanted: str, taken: str | None = None) -> str:
    """Return ``wanted`` where it is an axis, else the one at ``place``, never the one taken."""
    free = [name for name in axes if name != taken]
    return wanted if wanted in free else free[min(place, len(free) - 1)]


def limits_of(study: StudyData) -> dict[str, float]:
    """Draw a slider for each budget and return those that cut the cloud."""
    found = {}
    for name, limit in study.shared.budgets.items():
        metric, values = METRICS.get(name), table.value(name) / METRICS.get(name).scale
        values = values[~np.isnan(values)]
        if not len(values):
            continue
        low, high = float(values.min()), max(float(values.max()), limit / metric.scale)
        minimised = metric.goal == "minimise"
        step = max((high - low) / SLIDES, 10**-metric.digits)
        low, high = np.floor(low / step) * step, np.ceil(high / step) * step
        low, high = float(low), float(high)
        key = f"budget_{name}"
        _keep(key, low, high, end=high if minimised else low)
        chosen = st.slider(
            f"{metric.title} {'at most' if minimised else 'at least'}, {metric.unit}".rstrip(", "),
            low,
            high,
            step=float(step),
            format=f"%.{metric.digits}f",
            key=key,
            bind=bound.BIND,
        )
        if chosen < high if minimised else chosen > low:
            found[name] = chosen * metric.scale
    return found


def _keep(key: str, low: float, high: float, end: float) -> None:
    """Keep a slider's place when its range grows; at the ``end`` of it nothing is cut."""
    bound.start(key, None, end)
    former = st.session_state.get(f"{key} end")
    st.session_state[f"{key} end"] = end
    if key in st.session_state:
        value = st.session_state[key]
        st.session_state[key] = end if value == former else min(max(value, low), high)


def colour_by(name: str) -> Colour | None:
    """Return the colours of a metric or a choice, None for those of roles."""
    if name == ROLE:
        return None
    if name in METRICS.names():
        metric = METRICS.get(name)
        return colour_of(metric.title, (table.value(name) / metric.scale).tolist())
    choice = name.removeprefix("choice ")
    return colour_of(choice, data.choice(url, study, choice))


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
with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
    with st.container(width=165):
        x = choose("X axis", axes, "x", default_axis(1, names[1] if len(names) > 1 else "params"))
    with st.container(width=165):
        others = [name for name in axes if name != x]
        y = choose("Y axis", others, "y", default_axis(0, names[0] if names else "macs", taken=x))
    with st.container(width=165):
        choices = [f"choice {name}" for name in data.choices(url, study)]
        colour = choose("Colour", [ROLE, *axes, *choices], "colour", ROLE)
    with st.popover("More", icon=":material/tune:", key="more"):
        thirds = [NONE, *(name for name in axes if name not in (x, y))]
        default = names[2] if len(names) > 2 and names[2] in thirds else NONE
        z = choose("Z axis", thirds, "z", default)
        bars: Any = st.segmented_control(
            "Intervals",
            list(BARS),
            required=True,
            format_func=BARS.__getitem__,
            key=bound.start("bars", list(BARS), "few", BARS.__getitem__),
            bind=bound.BIND,
        )
        limits = limits_of(study)

kept = within(table, limits)
default = str(first[0]) if len(first) else ""
trial_text = str(st.session_state.get(bound.start("trial", None, default)) or default)
cloud = Cloud(
    x,
    y,
    study.objectives,
    z=None if z == NONE else z,
    colour=colour_by(colour),
    bars=bars,
    limits=limits,
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
            cloud_figure(table, cloud),
            "pareto_chart",
            f"{title_of(y)} over {title_of(x)} of {study.name}",
            on_select=take_selection,
            selection_mode=("points", "box", "lasso"),
        )
    words = [f"{len(rows):,} {role}" for role, rows in found.items() if len(rows)]
    st.caption(
        plain(f"{study.name}: {', '.join(words)}. Budgets: {budget_words(study)}. {CLOUD_MARKS}")
    )
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
picked = st.dataframe(
    rows,
    hide_index=True,
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
    by_choice = {name: data.choice(url, study, name) for name in data.choices(url, study)}
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
