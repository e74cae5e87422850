"""Data of the pages, cached until it changes.

Storages stay open between refreshes. Results computed from a study are cached by its storage, its
name and its last trial. Study objects are never cached: each belongs to one thread.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy
import streamlit as st

from latency_db.sources import source_of
from search_space.errors import WalkbenchError
from search_space.network import network_from_dict
from search_space.space import SearchSpace, shipped_spaces
from search_space.spec import UNetSpec
from studies.ablation import around, costs_of
from studies.analyses import card as analyses
from studies.analyses import latency
from studies.analyses.card import Card
from studies.analyses.effects import one_factor as one_factor_card
from studies.analyses.progress import growth as growth_cards
from studies.figures.progress import Over
from studies.reading import StudyData, open_for_reading, read_names, read_study
from studies.walk import FamilyChoice, walk_rows
from studies.walk_order import StepShare
from studies.walk_order import walk_shares as shares_of


def study_names(url: str) -> list[str]:
    """Return the studies in the storage at ``url``; raises `WalkbenchError` if it has none."""
    return read_names(_storage(url, _file(url)))


def study(url: str, name: str) -> StudyData:
    """Return the study as it stands now; only new trials are read from the database."""
    return read_study(_storage(url, _file(url)), name)


@st.cache_resource(show_spinner=False, max_entries=8)
def _storage(url: str, file: tuple[int, int] | None) -> Any:
    """Keep the storage open; ``file`` is part of the key, so that a replaced file is reopened."""
    return open_for_reading(url)


def _file(url: str) -> tuple[int, int] | None:
    """Return what identifies a SQLite file, even when another takes its name; None otherwise."""
    parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return None
    path = Path(parsed.database)
    if not path.exists():
        return None
    status = path.stat()
    return status.st_dev, status.st_ino


def cards(url: str, found: StudyData, analysis: str) -> list[Card]:
    """Return the cards of one analysis of the study."""
    return _cards(url, found.name, found.stamp, analysis, found)


@st.cache_data(show_spinner=False, max_entries=64)
def _cards(
    url: str,
    name: str,
    stamp: tuple[int, int, float],
    analysis: str,
    _found: StudyData,
) -> list[Card]:
    return analyses.cards(_found, [analysis])


@st.cache_data(show_spinner=False, max_entries=64)
def _choice(
    url: str, name: str, stamp: tuple[int, int, float], choice: str, _found: StudyData
) -> list[Any]:
    return _found.choice(choice)


def choice(url: str, found: StudyData, name: str) -> list[Any]:
    """Return each trial's choice called ``name``, None where it made none."""
    return _choice(url, found.name, found.stamp, name, found)


@st.cache_data(show_spinner=False, max_entries=16)
def _choices(url: str, name: str, stamp: tuple[int, int, float], _found: StudyData) -> list[str]:
    return _found.choices


def choices(url: str, found: StudyData) -> list[str]:
    """Return the names of the choices that trials made."""
    return _choices(url, found.name, found.stamp, found)


@st.cache_data(show_spinner=False, max_entries=16)
def _growth(
    url: str, name: str, stamp: tuple[int, int, float], over: Over, _found: StudyData
) -> list[Card]:
    return growth_cards(_found, over)


def growth(url: str, found: StudyData, over: Over) -> list[Card]:
    """Return the card of the front's growth over trials or seconds."""
    return _growth(url, found.name, found.stamp, over, found)


@st.cache_data(show_spinner="Pricing every step of the walk …", max_entries=64)
def walk(family: FamilyChoice, device: str) -> list[dict[str, Any]]:
    """Return the rows of the design walk; see `studies.walk.walk_rows`."""
    return walk_rows(family, device)


@st.cache_data(show_spinner="Pricing one change at a time …", max_entries=32)
def one_factor(space: str | None, spec: Mapping[str, Any] | None, device: str) -> Card:
    """Return the card of every axis of ``space`` changed alone around a design.

    Only a space that ships is opened: the study's record comes from somebody's database. Raises
    :class:`WalkbenchError` for another space and for a design outside of it.
    """
    if space not in shipped_spaces():
        raise WalkbenchError(
            f"the space {space!r} does not ship; use walkbench ablate --space FILE"
        )
    design = network_from_dict(spec)
    if not isinstance(design, UNetSpec):
        raise WalkbenchError(f"only UNets are ablated, not networks of kind {design.kind}")
    ablation = around(SearchSpace.load(space), design)
    effects = costs_of(ablation, source_of(device))
    return one_factor_card(effects, ablation.title, device)


@st.cache_data(show_spinner="Pricing 512 designs …", max_entries=16)
def walk_shares(family: str, device: str) -> list[StepShare]:
    """Return each step's share; see `studies.walk_order.walk_shares`."""
    return shares_of(family, source_of(device))


def shown_url(url: str) -> str:
    """Return a storage's URL without its password; other text unchanged."""
    try:
        return sqlalchemy.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError:
        return url


@st.cache_data(show_spinner="Estimating every device …", max_entries=32)
def latency_devices(name: str) -> Card:
    """Return the card of the estimated devices for the design called ``name``."""
    return latency.devices(name)


@st.cache_data(show_spinner="Estimating what was published …")
def latency_published() -> Card:
    """Return the card of the estimates beside published times."""
    return latency.against_published()


@st.cache_data(show_spinner="Looking designs up in the tables …", max_entries=16)
def latency_tables(space: str) -> list[Card]:
    """Return the cards of the tables that ship, with their coverage of ``space``."""
    return latency.tables(space)
