"""Overview: one study in one screen, live while it runs."""

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import data, frame, writing
from dashboard.cards import plain, show_card, show_cards, show_figure
from dashboard.last_look import changes_since_last_look
from studies.analyses.card import ANALYSES
from studies.analyses.overview import overview, time_left
from studies.figures.cloud import Cloud, cloud_figure, roles
from studies.metrics import METRICS
from studies.study_table import STATES

FAILURES = 200  # newest failures that are listed
SMALL = 2_000  # trials up to which analyses that read every record are shown
# Analyses that stand above, or on a page of their own.
ELSEWHERE = (
    "overview", "front", "progress", "designs", "importance", "walk", "architectures", "effects",
    "distributions", "provenance",
)  # fmt: skip

url, study = frame.study()
table = study.table
for card in overview(study):
    st.markdown(plain(card.words[0]))
if not len(table):
    st.info(f"{study.name} has no trial yet; the page fills as trials begin.")
    st.stop()
if study.target:
    share = min(table.done / study.target, 1.0)
    said = [f"{table.done:,} of {study.target:,} trials", time_left(study)]
    st.progress(share, text=", ".join(filter(None, said)))
counts = np.bincount(table.state, minlength=len(STATES)).tolist()
words = dict(zip(("complete", "over budget", "failed", "running", "waiting"), counts, strict=True))
numbers = {"on the front": len(table.distinct(table.front(study.objectives))), **words}
with st.container(horizontal=True):
    for name, count in numbers.items():
        st.metric(name, f"{count:,}", width=110)
st.caption(changes_since_last_look(url, study))
writing.steering(url, study)

names = [name for name in study.objectives if name in table.metrics]
axes = list(dict.fromkeys([*names, *table.metrics]))[:2]
left_side, right_side = st.columns([3, 2], gap="large")
if len(axes) == 2:
    y, x = axes
    cloud = Cloud(x, y, study.objectives, budgets=study.shared.budgets)
    if any(map(len, roles(table, cloud).values())):
        with left_side:
            st.subheader("The front so far", anchor=False)
            title = f"{METRICS.get(y).title} over {METRICS.get(x).title} of {study.name}"
            show_figure(cloud_figure(table, cloud), "front_so_far", title)
            frame.link("pareto", "Explore the front")
with right_side:
    for card in data.growth(url, study, "trials"):
        show_card(card, "overview_growth")
if len(table) <= SMALL:
    for name in ANALYSES.names():
        if name not in ELSEWHERE:
            show_cards(data.cards(url, study, name), name)
if table.failed:
    st.subheader(f"Failures ({len(table.failed):,})", anchor=False)
    newest = list(table.failed.items())[-FAILURES:][::-1]
    failures = pd.DataFrame(
        {
            "trial": [number for number, _ in newest],
            "design": [table.name[n] or table.digest[n] for n, _ in newest],
            "message": [reason for _, reason in newest],
        }
    )
    st.dataframe(failures, hide_index=True, key="failures")
if len(table) <= SMALL:
    with st.expander("Settings, machines and versions"):
        show_cards(data.cards(url, study, "provenance"), "provenance")
