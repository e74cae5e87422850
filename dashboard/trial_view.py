"""One trial on a page: its numbers beside another design's, what differs, how to take it along."""

import dataclasses
import shlex
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import streamlit as st

from dashboard import data
from dashboard.design_tables import changes
from dashboard.design_view import show_design
from dashboard.tables import table
from latency_db.sources import source_of
from search_space.cost import cost
from search_space.errors import WalkbenchError
from search_space.presets import all_named, named_spec
from search_space.spec import UNetSpec
from studies.figures.axes import AXES
from studies.figures.pareto import verdict
from studies.formats import percent
from studies.gallery import read_grid
from studies.reading import StudyData

REFERENCE = "snapgen-imagenet"


def show_trial(row: Mapping[str, Any], study: StudyData, url: str) -> None:
    """Show the trial ``row`` of ``study``, which is in the storage at ``url``."""
    st.subheader(f"{row['name'] or 'Design ' + row['digest']}, trial {row['trial']}")
    st.caption(verdict(row))
    try:
        spec = UNetSpec.from_dict(row["spec"])
    except WalkbenchError as error:
        st.error(f"Another version of Walkbench made this design: {error}.")
        return
    names = list(all_named())
    other = st.selectbox("Compare with", names, index=names.index(REFERENCE), key="reference")
    reference = reference_row(other, study, row)
    st.html(table(*number_table(row, reference, other), classes=["", "n", "n", "n"]))
    st.caption("± standard error · ○ estimated, ■ measured, (80 % interval)")
    titles = ["Stages", f"Against {other}", "What its twin draws", "Take it along"]
    stages, differs, draws, take = st.tabs(titles)
    with stages:
        show_design(spec, key="trial")
    with differs:
        found = [list(line) for line in changes(named_spec(other), spec)]
        if found:
            st.html(table(["", other, f"trial {row['trial']}"], found))
        else:
            st.caption(f"This is {other}: nothing differs.")
    with draws:
        _show_samples(row, study, url)
    with take:
        st.caption("Writes the design and its configuration to a folder:")
        st.code(export_command(row["trial"], study.name, url), language="bash", wrap_lines=True)
        if row.get("provenance"):
            st.caption("Where its numbers were made:")
            st.json(row["provenance"], expanded=False)


def _show_samples(row: Mapping[str, Any], study: StudyData, url: str) -> None:
    """Show the pictures that the trial's twin drew, or why there are none."""
    try:
        png = read_grid(url, row, study.rows)
    except WalkbenchError as error:
        st.caption(f"{error}.")
        return
    st.image(png)
    st.caption("Drawn by the trained twin; prompts and noise are the same for every trial.")


def number_table(
    row: Mapping[str, Any], reference: Mapping[str, Any], name: str
) -> tuple[list[str], list[list[str]]]:
    """Return (head, rows): each number of ``row``, of ``reference`` and their ratio."""
    lines = []
    for axis in AXES.values():
        ours, theirs = axis.value(row), axis.value(reference)
        if ours is None and theirs is None:
            continue
        delta = percent(ours / theirs - 1) if ours is not None and theirs else "–"
        if axis.kind != "exact" and delta != "–":
            delta = f"≈ {delta}"  # of two uncertain numbers
        lines.append([axis.name, axis.write(row), axis.write(reference), delta])
    return ["", "this design", name, "Δ"], lines


def reference_row(name: str, study: StudyData, row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the named design as a row: the study's own trial of it, else priced as ``row`` was."""
    spec = named_spec(name)
    digest = spec.digest()
    own = [r for r in study.rows if r["digest"] == digest and r["cost"]]
    if own:
        return next((r for r in own if r["score"]), own[0])
    latency = row.get("latency") or {}
    device, by = latency.get("device"), latency.get("by")
    return {
        "values": {},
        "score": None,
        "cost": dataclasses.asdict(cost(spec)),
        "latency": _predict(spec, device, by) if device else None,
    }


@lru_cache(maxsize=256)
def _predict(spec: UNetSpec, device: str, by: str | None) -> dict[str, Any] | None:
    """Predict on the trial's device, if by the source that the trial was priced with."""
    try:
        source = source_of(device)
    except WalkbenchError:
        return None  # a device that this installation does not know
    return dataclasses.asdict(source.predict(spec)) if source.name == by else None


def export_command(trial: int, study: str, url: str) -> str:
    """Return the command that exports the trial; a password in ``url`` is left for the user."""
    words = ["walkbench", "export", str(trial), "--study", study, *data.storage_option(url)]
    words += ["--to", f"exported/{study}-{trial}"]
    return shlex.join(words)
