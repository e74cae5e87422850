"""The frame of every page: which storage and study it shows, and what to do without one.

`draw` stands above each page and keeps the choice while one goes from page to page. A page asks for
the study; without one, :func:`study` says what to do and ends the page.

    url, found = frame.study()
"""

import os
import shlex
from dataclasses import dataclass
from typing import Any, NoReturn

import streamlit as st

from dashboard import bound, data, storages
from dashboard.pages import PAGES
from search_space.errors import WalkbenchError
from studies.reading import StudyData

STUDY = "WALKBENCH_STUDY"  # set by `walkbench dashboard --study`
WATCHED_EVERY_S = 5.0


@dataclass(frozen=True)
class Choice:
    """The storage and the study of this run, or the problem with them."""

    url: str
    study: str | None = None
    problem: str | None = None


def draw(title: str) -> None:
    """Draw the page's title and the choice of a storage and a study."""
    row = st.container(
        horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
    )
    row.title(title, anchor=False, width="content")
    controls = row.container(horizontal=True, width="content", vertical_alignment="center")
    place = controls.empty()
    controls.button("Refresh", icon=":material/refresh:", help="Read the trials that ended since.")
    st.session_state["choice"] = _choose(place)


def study() -> tuple[str, StudyData]:
    """Return the storage's URL and the study; without one, say what to do and end the page."""
    choice: Choice = st.session_state["choice"]
    if choice.problem is not None or choice.study is None:
        _nothing_yet(choice.url, choice.problem or "No study is chosen.")
    try:
        found = data.study(choice.url, choice.study)
        if found.running:
            _watch(choice.url, choice.study, found.stamp)
        return choice.url, found
    except WalkbenchError as error:
        _nothing_yet(choice.url, str(error))


@st.fragment(run_every=WATCHED_EVERY_S)
def _watch(url: str, name: str, stamp: tuple[int, int, float]) -> None:
    """Draw the page anew when a trial of a running study began or ended."""
    try:
        changed = data.study(url, name).stamp != stamp
    except WalkbenchError:
        return  # the next look at the page says what is wrong
    if changed:
        st.rerun(scope="app")


def study_or_none() -> StudyData | None:
    """Return the study, None without one: for pages that have something to show without it."""
    choice: Choice = st.session_state["choice"]
    if choice.problem is not None or choice.study is None:
        return None
    try:
        return data.study(choice.url, choice.study)
    except WalkbenchError:
        return None


def link(page: str, words: str, **address: str) -> None:
    """Draw a link to another page that keeps the study, where that page is registered."""
    if page in PAGES.names():
        kept = {k: v for k in ("storage", "study") if (v := st.query_params.get(k))}
        found = st.session_state["pages"][page]
        st.page_link(found, label=words, query_params={**kept, **address})


def _choose(place: st.delta_generator.DeltaGenerator) -> Choice:
    """Draw the choice as a button that opens it, named after what is chosen."""
    urls = storages.known_storages()
    labels = list(urls)
    if st.session_state.get("storage") not in urls:
        st.session_state.pop("storage", None)
    names: list[str] = []
    problem: str | None = None
    url = urls[_before("storage", labels, labels[0])]
    try:
        names = data.study_names(url)
    except WalkbenchError as error:
        problem = str(error)
    else:
        problem = None if names else f"{data.shown_url(url)} holds no study yet."
    wanted = os.environ.get(STUDY)
    first = wanted if wanted in names else next(iter(names), None)
    study = _before("study", names, first)
    with place.popover(
        study or "Study",
        icon=":material/database:",
        help="Choose a storage and a study",
        key="choice_of_study",
    ):
        st.selectbox("Storage", labels, key="storage", bind=bound.BIND)
        if names:
            if st.session_state.get("study", first) not in names:
                st.session_state["study"] = first
            index = names.index(str(first))
            st.selectbox("Study", names, index=index, key="study", bind=bound.BIND)
        if storages.may_type():
            _other_storage()
    if wanted and names and wanted not in names and study == first:
        st.warning(f"{data.shown_url(url)} holds no study {wanted!r}; another one is shown.")
    st.session_state[bound.OWNER] = f"{url} {study}"
    return Choice(url, study, problem)


def _before(key: str, options: list[str], first: str | None) -> Any:
    """Return what the widget ``key`` will show, before it is drawn."""
    given = st.session_state.get(key, st.query_params.get(key))
    return given if given in options else first


def _other_storage() -> None:
    st.text_input(
        "Open another storage",
        key="typed_storage",
        placeholder="FILE.db or postgresql://USER@HOST/DATABASE",
        on_change=_open_typed,
    )
    if refused := st.session_state.pop("refused storage", None):
        st.error(refused)


def _open_typed() -> None:
    """Open what somebody typed; keep the storage shown where that fails, and say why."""
    text = st.session_state["typed_storage"].strip()
    if not text:
        return
    try:
        label = storages.add_storage(text)
    except WalkbenchError as error:
        st.session_state["refused storage"] = str(error)
    else:
        st.session_state["storage"] = label
        st.session_state["typed_storage"] = ""


def _nothing_yet(url: str, reason: str) -> NoReturn:
    reason = reason[0].upper() + reason[1:]
    st.info(f"{reason}\n\nRun a study on the command line, then reload this page:")
    command = ["walkbench", "study", "run", "demo", *storages.storage_option(url)]
    st.code(shlex.join(command), language="bash")
    example = storages.example_storage()
    if example is not None and example != url:
        st.button("Open the example study", on_click=_open_example, args=(example,), type="primary")
    st.stop()


def _open_example(url: str) -> None:
    labels = {known: label for label, known in storages.known_storages().items()}
    st.session_state["storage"] = labels[url]
