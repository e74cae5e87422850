"""What single choices do: paired effects, importance, the front's choices, one factor alone."""

from typing import Any

import streamlit as st

from dashboard import bound, data, frame
from dashboard.cards import plain, show_card, show_cards
from latency_db.devices import device_names
from search_space.errors import WalkbenchError
from studies.analyses.distributions import distributions
from studies.analyses.effects import walk_effects
from studies.importance import LEAST_TRIALS
from studies.summary import front_and_named
from studies.walk import WALK_DEVICE

VIEWS = {
    "effects": "Effects on the loss",
    "importance": "Importance",
    "distributions": "Front against all",
    "factors": "One factor at a time",
}

url, study = frame.study()
view: Any = st.segmented_control(
    "View",
    list(VIEWS),
    required=True,
    format_func=VIEWS.__getitem__,
    key=bound.start("ablation_view", list(VIEWS), "effects", VIEWS.__getitem__),
    bind=bound.BIND,
    label_visibility="collapsed",
)
if view == "effects":
    own = [*data.cards(url, study, "walk"), *data.cards(url, study, "effects")]
    show_cards(own, "effects")
    if not own:
        st.info(
            "No two trained trials of this study differ in one choice alone. "
            "`walkbench ablate --around DESIGN --steps 480` trains such pairs under several seeds."
        )
    show_card(walk_effects(), "walk_effects")
elif view == "importance":
    cards = data.cards(url, study, "importance")
    show_cards(cards, "importance")
    if not cards:
        st.info(f"Importance needs {LEAST_TRIALS} trials of a space with a value; run more trials.")
elif view == "distributions":
    names = data.choices(url, study)
    chosen = st.multiselect(
        "Choices",
        names,
        key=bound.start("choices", names, []),
        bind=bound.BIND,
        placeholder="Those that differ most",
    )
    cards = distributions(study, chosen or None)
    show_cards(cards, "distributions")
    if not cards:
        st.info("There is no front to compare with all designs yet.")
else:
    shown = {
        str(trial.number): f"{trial.number}: {trial.label}"
        for trial in front_and_named(study)
        if trial.params
    }
    if not shown:
        st.info("No design of the space is on the front yet, or has a name.")
        st.stop()
    places = st.columns([2, 2], gap="small")
    number: Any = places[0].selectbox(
        "Around",
        list(shown),
        format_func=shown.__getitem__,
        key=bound.start("around", list(shown), next(iter(shown)), shown.__getitem__),
        bind=bound.BIND,
    )
    names = device_names()
    own_device = study.shared.device if study.shared.device in names else WALK_DEVICE
    device: Any = places[1].selectbox(
        "Phone or chip",
        names,
        key=bound.start("ablation_device", names, own_device),
        bind=bound.BIND,
    )
    try:
        card = data.one_factor(study.shared.space, study.trial(int(number)).spec, device)
    except WalkbenchError as error:
        st.error(plain(f"This design cannot be ablated: {error}."))
        st.stop()
    show_card(card, "one_factor")
