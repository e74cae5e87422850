"""Proxies: how far short training ranks designs, and what it says of this study's."""

import streamlit as st

from dashboard import bound, frame
from dashboard.cards import plain, show_card, show_figure
from dashboard.found_files import read_validation, runs_root, validations
from dashboard.tables import table
from search_space.errors import WalkbenchError
from studies.analyses.proxy_curves import learning_curves, noise_floor
from studies.figures import proxy_validation as figures
from studies.gallery import read_grid
from studies.proxy_validation.lines import lines

GRIDS = 4  # designs whose pictures are shown
CURVES = 8

url, study = frame.study()
best = study.chosen(study.table.distinct(study.table.front(study.objectives))[:CURVES].tolist())
shown = [*noise_floor(study), *learning_curves(best)]
if not shown:
    st.info(f"{study.name} trained no design, so there is no proxy loss to look at.")
for number, card in enumerate(shown):
    show_card(card, f"proxy_{number}")

pictures = []
for trial in best:
    try:
        pictures.append((trial, read_grid(url, trial, study.trials)))
    except WalkbenchError:
        continue  # drawn by some trials only
if pictures:
    st.subheader("What the front draws, from the same noise", anchor=False)
    for place, (trial, png) in zip(st.columns(2) * GRIDS, pictures[:GRIDS], strict=False):
        place.image(png, caption=plain(f"{trial.label}, trial {trial.number}"))

st.subheader("Validation", anchor=False)
found = validations(runs_root())
if not found:
    st.info(
        f"No validation lies in {runs_root()}. `walkbench proxy validate` makes one: it trains "
        "designs briefly and long, and compares the orders."
    )
    st.stop()
name = st.selectbox(
    "Result", list(found), key=bound.start("validation", list(found), next(iter(found))),
    bind=bound.BIND,
)  # fmt: skip
result = read_validation(found[name])
summary = result["summary"]
drawn = {
    "Short training against long": figures.scatter_figure(result["rows"]),
    "Agreement by length of training": figures.steps_figure(summary),
}
if summary["baselines"]:
    drawn["Short training beside what costs none"] = figures.baselines_figure(summary)
if result["walk"]:
    drawn["Steps of the walk"] = figures.walk_figure(result["walk"])
for title, figure in drawn.items():
    show_figure(figure, title.lower().replace(" ", "_"), title)
st.html(table(("figure", "value"), [[str(c) for c in row] for row in lines(summary)]))
