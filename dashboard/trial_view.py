"""One trial on a page: its numbers beside another design's, their differences, its export."""

import shlex
from functools import lru_cache

import streamlit as st

from dashboard.design_view import show_design
from dashboard.storages import storage_option
from dashboard.tables import table
from latency_db.latency import Latency
from latency_db.sources import source_of
from search_space.cost import cost
from search_space.errors import WalkbenchError
from search_space.presets import all_named, named_spec
from search_space.spec import UNetSpec
from studies.design_tables import changes
from studies.figures.hover import outcome
from studies.formats import percent
from studies.gallery import read_grid
from studies.metrics import all_metrics
from studies.reading import StudyData
from studies.records import LatencyOrigin, TrialRecord

REFERENCE = "snapgen-imagenet"


def show_trial(trial: TrialRecord, study: StudyData, url: str) -> None:
    """Show one ``trial`` of ``study``, which is in the storage at ``url``."""
    st.subheader(f"{trial.name or f'Design {trial.digest}'}, trial {trial.number}")
    st.caption(outcome(trial))
    try:
        spec = trial.network
    except WalkbenchError as error:
        st.error(f"Another version of Walkbench made this design: {error}.")
        return
    names = list(all_named())
    other = st.selectbox("Compare with", names, index=names.index(REFERENCE), key="reference")
    reference = reference_trial(other, study, trial)
    st.html(table(*number_table(trial, reference, other), classes=["", "n", "n", "n"]))
    st.caption("± standard error · ○ estimated, ■ measured, (80 % interval)")
    titles = ["Stages", f"Against {other}", "What its twin draws", "Export"]
    stages, differs, draws, take = st.tabs(titles)
    with stages:
        show_design(spec, key="trial")
    with differs:
        found = [list(line) for line in changes(named_spec(other), spec)]
        if found:
            st.html(table(["", other, f"trial {trial.number}"], found))
        else:
            st.caption(f"This is {other}: nothing differs.")
    with draws:
        _show_samples(trial, study, url)
    with take:
        st.caption("Writes the design and its configuration to a folder:")
        st.code(export_command(trial.number, study.name, url), language="bash", wrap_lines=True)
        if trial.provenance:
            st.caption("Machine and versions that measured it:")
            st.json(dict(trial.provenance), expanded=False)


def _show_samples(trial: TrialRecord, study: StudyData, url: str) -> None:
    """Show the pictures that the trial's twin drew, or why there are none."""
    try:
        png = read_grid(url, trial, study.trials)
    except WalkbenchError as error:
        st.caption(f"{error}.")
        return
    st.image(png)
    st.caption("Drawn by the trained twin; prompts and noise are the same for every trial.")


def number_table(
    trial: TrialRecord, reference: TrialRecord, name: str
) -> tuple[list[str], list[list[str]]]:
    """Return (head, rows): each number of ``trial``, of ``reference`` and their ratio."""
    lines = []
    for metric in all_metrics():
        ours, theirs = trial.measured(metric.name), reference.measured(metric.name)
        if ours is None and theirs is None:
            continue
        delta = percent(ours.value / theirs.value - 1) if ours and theirs and theirs.value else "–"
        if metric.uncertainty != "exact" and delta != "–":
            delta = f"≈ {delta}"  # of two uncertain numbers
        title = metric.title + (", not a ranking" if metric.ranks(trial) is False else "")
        lines.append([title, metric.write(ours), metric.write(theirs), delta])
    return ["", "this design", name, "Δ"], lines


def reference_trial(name: str, study: StudyData, trial: TrialRecord) -> TrialRecord:
    """Return the study's own trial of the named design, else the design priced as ``trial`` was."""
    spec = named_spec(name)
    digest = spec.digest()
    own = [t for t in study.trials if t.digest == digest and t.cost]
    if own:
        return next((t for t in own if t.score), own[0])
    return TrialRecord(
        -1,
        "WAITING",
        name=name,
        digest=digest,
        spec=spec.to_dict(),
        cost=cost(spec),
        latency=_predict(spec, trial.latency_origin) if trial.latency_origin else None,
    )


@lru_cache(maxsize=256)
def _predict(spec: UNetSpec, origin: LatencyOrigin) -> Latency | None:
    """Predict with the source that priced the trial; None where this installation lacks it."""
    try:
        source = source_of(origin.device)
    except WalkbenchError:
        return None  # a device that this installation does not know
    same = source.name == origin.by and origin.revision in (None, source.revision)
    return source.predict(spec) if same else None


def export_command(trial: int, study: str, url: str) -> str:
    """Return the command that exports the trial; a password in ``url`` is left for the user."""
    words = ["walkbench", "export", str(trial), "--study", study, *storage_option(url)]
    words += ["--to", f"exported/{study}-{trial}"]
    return shlex.join(words)
