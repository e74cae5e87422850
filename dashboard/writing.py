"""What `walkbench dashboard --write` may change: notes on trials, the next design, when to stop.

Without the option nothing is written, whatever a page asks for.
"""

import os
from collections.abc import Callable

import streamlit as st

from dashboard.cards import plain
from search_space.errors import WalkbenchError
from search_space.presets import all_named
from studies.kept_notes import LONGEST, keep_note
from studies.reading import StudyData
from studies.steering import ask_to_stop, enqueue_design
from studies.trial_notes import note_of
from studies.writing import opened_to_write

WRITE = "WALKBENCH_WRITE"  # set by `walkbench dashboard --write`
_SAID = "said of writing"


def may_write() -> bool:
    """Whether this server was started with `--write`."""
    return os.environ.get(WRITE) == "1"


def note(url: str, study: StudyData, number: int) -> None:
    """Show the note on a trial; let it be changed where the server may write."""
    text = study.note(number)
    if not may_write():
        if text and text != note_of(study.trial(number)):  # which says what the page shows
            st.markdown(f"Note: {plain(text)}")
        return
    key = f"note_{number}_{hash((url, study.name))}"  # a key shows in the page, a URL must not
    st.text_area("Note on this trial", text, key=key, max_chars=LONGEST, height=90)

    def save() -> str:
        with opened_to_write(url, study.name) as stored:
            keep_note(stored, number, st.session_state[key].strip(), before=text)
        return f"The note on trial {number} is saved."

    st.button("Save the note", on_click=_written, args=(save,), key="save_note")
    _say()


def steering(url: str, study: StudyData) -> None:
    """Draw what a person may ask of the study's workers, where the server may write."""
    if not may_write():
        return

    def stop() -> str:
        with opened_to_write(url, study.name) as stored:
            ask_to_stop(stored)
        return "The workers end after the trials that they run; running the study again goes on."

    def enqueue() -> str:
        name = str(st.session_state["design_to_run"])
        with opened_to_write(url, study.name) as stored:
            number = enqueue_design(stored, name)
        return f"{name} waits as trial {number}; the next free worker runs it."

    with st.container(horizontal=True, vertical_alignment="bottom", border=True):
        st.selectbox("A named design", list(all_named()), key="design_to_run", width=260)
        st.button("Run it next", on_click=_written, args=(enqueue,))
        st.button(
            "Stop after the running trials",
            on_click=_written,
            args=(stop,),
            disabled=not study.running,
        )
    _say()


def _written(write: Callable[[], str]) -> None:
    """Write, and keep what is to be said of it for when the page is drawn."""
    try:
        if not may_write():
            raise WalkbenchError("this server writes nothing; start it with --write")
        st.session_state[_SAID] = True, write()
    except WalkbenchError as error:
        st.session_state[_SAID] = False, str(error)


def _say() -> None:
    good, text = st.session_state.pop(_SAID, (True, ""))
    if text:
        (st.success if good else st.error)(plain(text[:1].upper() + text[1:]))
