"""Widgets that choose a storage and a study, and the help shown when there is none yet."""

import os
import shlex
from typing import Any, NoReturn

import streamlit as st

from dashboard import data
from search_space.errors import WalkbenchError
from studies.reading import StudyData
from studies.store import storage_url

STUDY = "WALKBENCH_STUDY"  # set by `walkbench dashboard --study`


def choose_study(storage_place: Any, study_place: Any) -> tuple[str, StudyData]:
    """Draw both choices in their containers; return the storage's URL and the study.

    Stops the page with an explanation when there is nothing to choose from.
    """
    url = _choose_storage(storage_place)
    try:
        names = data.study_names(url)
        if not names:
            _nothing_yet(url, f"{data.shown_url(url)} holds no study yet.")
        wanted = os.environ.get(STUDY)
        first = names.index(wanted) if wanted in names else 0
        if wanted and wanted not in names:
            st.warning(f"{data.shown_url(url)} holds no study {wanted!r}; another one is shown.")
        if st.session_state.get("study") not in names:
            st.session_state.study = names[first]
        name = study_place.selectbox("Study", names, key="study")
        return url, data.study(url, name)
    except WalkbenchError as error:
        _nothing_yet(url, str(error))


def _choose_storage(place: Any) -> str:
    known = [storage_url()]
    example = data.example_storage()
    if example is not None and example not in known:
        known.append(example)
    given = st.session_state.get("storage")
    if given is not None and given not in known:
        known.insert(0, given)
    text = place.selectbox(
        "Storage",
        known,
        format_func=_storage_label,
        accept_new_options=True,
        key="storage",
        help="A database URL or a SQLite file; type to enter another one.",
    )
    try:
        return storage_url(text)
    except WalkbenchError as error:
        st.error(str(error))
        st.stop()


def _storage_label(text: str) -> str:
    return "the example study" if text == data.example_storage() else data.shown_url(text)


def _nothing_yet(url: str, reason: str) -> NoReturn:
    reason = reason[0].upper() + reason[1:]
    st.info(f"{reason}\n\nRun a study on the command line, then reload this page:")
    command = ["walkbench", "study", "run", "demo", *data.storage_option(url)]
    st.code(shlex.join(command), language="bash")
    example = data.example_storage()
    if example is not None and example != url:
        st.button("Open the example study", on_click=_open, args=(example,), type="primary")
    st.stop()


def _open(url: str) -> None:
    st.session_state.storage = url
