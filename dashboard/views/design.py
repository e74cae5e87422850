"""One design: drawn, priced step by step, compared, with its training, its origin, its commands."""

import streamlit as st

from dashboard import bound, frame, writing
from dashboard.cards import plain, show_card, show_cards
from search_space.errors import WalkbenchError
from search_space.presets import all_named
from studies.analyses.design import design_cards, reference
from studies.records import TrialRecord
from studies.summary import front_and_named, one_design

NOTHING = "nothing"

url, study = frame.study()
readable = [row for row, digest in enumerate(study.table.digest) if digest is not None]
if not readable:
    st.info(f"{plain(study.name)} has no design yet; the page fills as trials end.")
    st.stop()
shown = [trial for trial in front_and_named(study) if trial.spec]


def first_design() -> int:
    """Return the trial to show at first: the knee of the front, else the first design."""
    try:
        return one_design(study).number
    except WalkbenchError:
        return readable[0]


def label(trial: TrialRecord | None) -> str:
    """Name a trial in the list of designs."""
    return "" if trial is None else f"{trial.number}: {trial.label}"


def take_choice() -> None:
    """Show the trial that was chosen from the list."""
    chosen = st.session_state["design_of_list"]
    if chosen is not None:
        st.session_state["trial"] = chosen
        st.session_state["design_of_list"] = None


places = st.columns([1, 2, 2], gap="small", vertical_alignment="bottom")
asked = st.query_params.get("trial", "")
is_known = asked.isdigit() and int(asked) < len(study.table) and study.table.digest[int(asked)]
if asked and not is_known and "trial" not in st.session_state:
    st.warning(f"{plain(study.name)} has no design of trial {plain(asked[:40])}.")
    del st.query_params["trial"]
bound.start("trial", readable, first_design())
number = places[0].number_input(
    "Trial", min_value=0, max_value=len(study.trials) - 1, step=1, key="trial", bind=bound.BIND
)
by_number = {trial.number: trial for trial in shown}
places[1].selectbox(
    "On the front, or named",
    [None, *by_number],
    format_func=lambda one: label(by_number.get(one)) if one is not None else "Choose …",
    key="design_of_list",
    on_change=take_choice,
)
others = [NOTHING, *all_named(), *(str(one) for one in by_number)]


def other_label(one: str) -> str:
    """Name what a design is compared with."""
    return label(by_number[int(one)]) if one.isdigit() else one


against = places[2].selectbox(
    "Compare with",
    others,
    format_func=other_label,
    key=bound.start("against", others, "snapgen-t2i", other_label),
    bind=bound.BIND,
)
trial = study.trial(int(number))
try:
    other = None if against == NOTHING else reference(study, against, trial)
    with st.spinner("Drawing and pricing the design …"):
        cards = design_cards(study, trial, url, other)
except WalkbenchError as error:
    st.error(plain(f"This design cannot be shown: {error}."))
    st.stop()
numbers, drawn, *rest = cards
left, right = st.columns([11, 9], gap="large")
with left:
    show_card(drawn, "drawing")
with right:
    show_card(numbers, "numbers")
    writing.note(url, study, trial.number)
titles = [card.title for card in rest]
for tab, card in zip(st.tabs([plain(title) for title in titles]), rest, strict=True):
    with tab:
        show_cards([card], f"design_{titles.index(card.title)}")
