"""The design walk: step by step beside what is published, its path, its shares, its decoder."""

from typing import Any

import streamlit as st

from dashboard import bound, data
from dashboard.cards import show_card, show_figure
from dashboard.design_view import show_design
from dashboard.tables import table
from dashboard.walk_path import show_path
from dashboard.walk_table import published_lines, walk_table
from latency_db.devices import device_names
from search_space.presets import FAMILIES, walk_specs
from studies.analyses.design_walk import decoder_card, shares_card
from studies.decoder_walk import decoder_walk_rows
from studies.design_tables import changes
from studies.figures.walk import walk_figure
from studies.formats import giga, millions, percent
from studies.verdict import WORDS
from studies.walk import WALK_DEVICE

FAMILY_WORDS = {"M": "M: published percentages", "F": "F: published totals", "both": "Both"}

VIEWS = {
    "steps": "Step by step",
    "path": "Path and edits",
    "shares": "Shares of each step",
    "decoder": "Decoder",
}


def take_click() -> None:
    """Make the clicked point's step the chosen one."""
    points = st.session_state.walk_chart["selection"]["points"]
    if points and "customdata" in points[0]:
        st.session_state.walk_step = points[0]["customdata"][1]


first, second, third = st.columns([3, 2, 2], gap="medium", vertical_alignment="bottom")
with first:
    family: Any = st.segmented_control(
        "Reconstruction",
        list(FAMILY_WORDS),
        required=True,
        format_func=FAMILY_WORDS.__getitem__,
        key=bound.start("walk_family", list(FAMILY_WORDS), "M", FAMILY_WORDS.__getitem__),
        bind=bound.BIND,
        help="The paper leaves details open. Family M reproduces its percentages within a point, "
        "family F its parameter totals; neither is the paper's own table.",
    )
with second:
    names = device_names()
    device = st.selectbox(
        "Phone or chip",
        names,
        key=bound.start("walk_device", names, WALK_DEVICE),
        bind=bound.BIND,
    )
rows = data.walk(family, device)
by_step = {f"{row['family']}/{row['step']}": row for row in rows}
bound.start("walk_step", list(by_step), next(s for s in by_step if s.endswith("/mqa")))
with third:
    chosen = st.selectbox("Step", list(by_step), key="walk_step", bind=bound.BIND)
    row = by_step[chosen]

view = st.segmented_control(
    "View",
    list(VIEWS),
    required=True,
    format_func=VIEWS.__getitem__,
    key=bound.start("walk_view", list(VIEWS), "steps", VIEWS.__getitem__),
    bind=bound.BIND,
    label_visibility="collapsed",
)
families = [family] if family in FAMILIES else list(FAMILIES)
if view == "path":
    show_path(families[-1], device)
    st.stop()
if view == "shares":
    for name in families:
        shares = data.walk_shares(name, device)
        begins = next(one for one in rows if one["family"] == name)
        for metric in dict.fromkeys(share.metric for share in shares):
            of_metric = [share for share in shares if share.metric == metric]
            card = shares_card(of_metric, begins[metric], name, device)
            show_card(card, f"share_{name}_{metric}")
    st.stop()
if view == "decoder":
    show_card(decoder_card(decoder_walk_rows(device)), "decoder_walk")
    st.stop()

left, right = st.columns([3, 2], gap="large")
with left:
    figure = walk_figure(rows)
    figure.add_vline(row["step"], line={"width": 16, "color": "rgba(11, 110, 153, 0.10)"})
    show_figure(
        figure,
        "walk_chart",
        "Parameters, MACs and estimated latency of every step of the walk",
        on_select=take_click,
        selection_mode="points",
    )
    st.caption(
        "Params and MACs are exact, at a 128×128 latent and 77 tokens. Hollow points are "
        f"estimates for {device} with their 80 % interval, never measurements. An open diamond "
        "is where the published change leads from our step before. Click a step to see it."
    )
with right:
    spec = walk_specs(FAMILIES[row["family"]])[row["step"]]
    st.subheader(f"{chosen}: {row['change']}")
    latency = (
        f"{row['latency_ms']:,.0f} ({row['latency_low_ms']:,.0f}–{row['latency_high_ms']:,.0f})"
    )
    cells = [
        ["params", millions(row["params"]), percent(row["params_delta"]), "exact"],
        ["MACs", giga(row["macs"]), percent(row["macs_delta"]), "exact"],
        ["latency", f"○ {latency} ms", f"≈ {percent(row['latency_delta'])}", "estimated"],
    ]
    head = ["ours", "", f"against {row['against']}" if row["against"] else "", ""]
    st.html(table(head, cells, classes=["", "n", "n", "p"]))
    published = published_lines(row)
    if published:
        lines = [list(line[:3]) for line in published]
        st.html(table(["◇ published", "", "confidence"], lines))
        st.caption(f"Source: {'; '.join(dict.fromkeys(line[3] for line in published))}.")
    else:
        st.html(table(["◇ published", ""], [["params, MACs, latency, FID", "not published"]]))
    st.subheader("What changed")
    if row["against"]:
        before = walk_specs(FAMILIES[row["family"]])[row["against"]]
        found = [list(line) for line in changes(before, spec)]
        st.html(table(["", row["against"], row["step"]], found))
    else:
        st.caption("The walk begins here.")
    show_design(spec, key="walk")

for name in dict.fromkeys(row["family"] for row in rows):
    own = [r for r in rows if r["family"] == name]
    st.subheader(f"Family {name}, step by step")
    st.html(walk_table(own, row["step"] if row["family"] == name else None))
st.caption(
    "Δ is against the step before; expanded-separable is against no-high-res-sa, as published. "
    "Published figures: SnapGen, arXiv 2412.09619, with a word for how sure they are: stated is "
    "printed in a source, derived is computed from stated figures. The published latencies are of "
    "an iPhone 15 Pro. What the paper does not print stays “not published”. Proxy loss: how much "
    "the step changes the loss of a narrow twin after short training. " + WORDS
)
