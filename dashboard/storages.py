"""The storages that the dashboard's pages may open, by the label that stands in their address.

A page's address names a storage by its label and nothing else: a path or URL in it opens nothing.
Labels are those of the storages given at the start, of the example, and of those typed into the
page, which is possible only where the server listens to its own machine.

>>> label("sqlite:///runs/mine.db"), label("postgresql+psycopg://me:secret@db/studies")
('runs/mine.db', 'postgresql+psycopg://me:***@db/studies')
"""

import json
import os
from importlib.resources import files

import sqlalchemy
import streamlit as st

from search_space.errors import WalkbenchError
from studies.store import DEFAULT_STORAGE, shown_url, storage_url

STORAGES = "WALKBENCH_STORAGES"  # set by `walkbench dashboard --storage`, a JSON list
EXAMPLE = "the example study"
_LOOPBACK = ("localhost", "127.0.0.1", "::1")


def known_storages() -> dict[str, str]:
    """Return the URLs of the storages that may be opened, by label; the first is the default."""
    given = json.loads(os.environ.get(STORAGES, "[]")) or [storage_url()]
    urls = {label(url): url for url in (*given, *_typed(), *_own())}
    example = example_storage()
    if example is not None and example not in urls.values():
        urls[EXAMPLE] = example
    return urls


def may_type() -> bool:
    """Whether the page may open what somebody types: only on the server's own machine."""
    return st.get_option("server.address") in _LOOPBACK


def add_storage(text: str) -> str:
    """Let pages open the storage that somebody typed; return its label.

    One with a password stays with this browser, others are known to the server until it ends.
    Raises :class:`WalkbenchError` where it is not allowed or ``text`` is no storage.
    """
    if not may_type():
        raise WalkbenchError("this server opens the storages of its --storage options only")
    url = storage_url(text)
    place = _own() if sqlalchemy.make_url(url).password else _typed()
    if url not in place:
        place.append(url)
    return label(url)


def label(url: str) -> str:
    """Return a storage's label: a file's path, else the URL without its password."""
    return shown_url(url).removeprefix("sqlite:///")


def storage_option(url: str) -> list[str]:
    """Return the option that makes a command use the storage at ``url``; empty for the default.

    The shell that a command is pasted into may lack this process's environment, so only the
    built-in default needs no option.
    """
    return [] if url == DEFAULT_STORAGE else ["--storage", shown_url(url)]


def example_storage() -> str | None:
    """Return the URL of the example study; None in an installation without it."""
    folder = files("studies") / "example"
    if not folder.is_dir():
        return None
    databases = sorted(str(path) for path in folder.iterdir() if path.name.endswith(".db"))
    return f"sqlite:///{databases[0]}" if databases else None


@st.cache_resource(show_spinner=False)
def _typed() -> list[str]:
    """Return the server's list of storages that somebody typed."""
    return []


def _own() -> list[str]:
    """Return this browser's list of storages that somebody typed."""
    own: list[str] = st.session_state.setdefault("own_storages", [])
    return own
