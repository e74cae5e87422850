"""What the Pareto page lets one choose: axes, colours, budgets, intervals; all in the address."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from dashboard import bound, data
from studies.figures.cloud_colour import Colour, colour_of
from studies.figures.cloud_roles import Bars
from studies.metrics import METRICS
from studies.reading import StudyData

BARS = {"few": "Front and named", "all": "All", "none": "None"}
ROLE, NONE, RUNG = "role", "none", "rung"
SLIDES = 200  # steps of a budget's slider
WIDTH = 165  # pixels of a list, two of which fit a phone


@dataclass(frozen=True)
class Choices:
    """What is chosen; ``limits`` are the budgets that cut the cloud."""

    x: str
    y: str
    z: str | None
    colour: Colour | None
    bars: Bars
    limits: dict[str, float]


def choices(url: str, study: StudyData, axes: list[str]) -> Choices:
    """Draw the lists and return what is chosen of them; ``axes`` are the metrics with values."""
    names = [name for name in study.objectives if name in axes]
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        with st.container(width=WIDTH):
            wanted = names[1] if len(names) > 1 else "params"
            x = _choose("X axis", axes, "x", _default(axes, 1, wanted))
        with st.container(width=WIDTH):
            others = [name for name in axes if name != x]
            y = _choose("Y axis", others, "y", _default(others, 0, names[0] if names else "macs"))
        with st.container(width=WIDTH):
            rungs = [RUNG] * bool(study.table.rungs.any())
            made = [f"choice {name}" for name in data.choices(url, study)]
            colour = _choose("Colour", [ROLE, *rungs, *axes, *made], "colour", ROLE)
        with st.popover("More", icon=":material/tune:", key="more"):
            thirds = [NONE, *(name for name in axes if name not in (x, y))]
            third = names[2] if len(names) > 2 and names[2] in thirds else NONE
            z = _choose("Z axis", thirds, "z", third)
            bars: Any = st.segmented_control(
                "Intervals",
                list(BARS),
                required=True,
                format_func=BARS.__getitem__,
                key=bound.start("bars", list(BARS), "few", BARS.__getitem__),
                bind=bound.BIND,
            )
            limits = _limits(study)
    paint = _colour_by(url, study, colour)
    return Choices(x, y, None if z == NONE else z, paint, bars, limits)


def title_of(name: str) -> str:
    """Name an axis, a colour or a choice in a list."""
    if name in (ROLE, NONE, RUNG):
        return {ROLE: "by role", NONE: "–", RUNG: "Rung"}[name]
    return METRICS.get(name).title if name in METRICS.names() else name.removeprefix("choice ")


def _choose(label: str, options: list[str], key: str, default: str) -> str:
    """Draw a list bound to the address."""
    chosen: str = st.selectbox(
        label,
        options,
        format_func=title_of,
        key=bound.start(key, options, default, title_of),
        bind=bound.BIND,
    )
    return chosen


def _default(free: list[str], place: int, wanted: str) -> str:
    """Return ``wanted`` where it is free, else the axis at ``place``."""
    return wanted if wanted in free else free[min(place, len(free) - 1)]


def _limits(study: StudyData) -> dict[str, float]:
    """Draw a slider for each budget and return those that cut the cloud."""
    found = {}
    for name, limit in study.shared.budgets.items():
        metric, values = METRICS.get(name), study.table.value(name) / METRICS.get(name).scale
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


def _colour_by(url: str, study: StudyData, name: str) -> Colour | None:
    """Return the colours of a metric or a choice, None for those of roles."""
    table = study.table
    if name == ROLE:
        return None
    if name == RUNG:
        return colour_of("Rung", [str(rung + 1) for rung in table.rungs.tolist()])
    if name in METRICS.names():
        metric = METRICS.get(name)
        return colour_of(metric.title, (table.value(name) / metric.scale).tolist())
    choice = name.removeprefix("choice ")
    return colour_of(choice, data.choice(url, study, choice))
