"""Where studies live: opening a storage and finding a study in it.

A storage is what SQLAlchemy calls a database URL: SQLite under ``runs/`` by default, PostgreSQL for
several machines. ``--storage`` wins over ``OPTUNA_STORAGE``, which wins over the study's config; a
plain file name means SQLite. Optuna's own command line and optuna-dashboard open the same URL.

:mod:`studies.reading` reads a study's trials.

>>> storage_url("runs/mine.db")
'sqlite:///runs/mine.db'
>>> storage_url("postgresql://me@db/studies")
'postgresql+psycopg://me@db/studies'
"""

import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages._rdb.models import SCHEMA_VERSION

from search_space.errors import WalkbenchError, raise_unknown
from studies.claim import ClaimingStorage
from studies.trial_rows import read_only_engine

DEFAULT_STORAGE = "sqlite:///runs/walkbench.db"
HEARTBEAT_S = 60  # shorter ones have failed live workers
GRACE_S = 120  # after so long without a heartbeat a running trial counts as abandoned

# Few connections, as many workers share one server; each is tested, as a restart closes them all.
_SERVER = {"pool_size": 2, "max_overflow": 2, "pool_pre_ping": True}
_SQLITE_WAIT_S = 60  # how long a worker waits for another one's write


def storage_url(given: str | None = None, configured: str | None = None) -> str:
    """Return the first of ``given``, ``OPTUNA_STORAGE``, ``configured`` and the default, as a URL.

    Raises :class:`WalkbenchError` for text that is neither a URL nor a file name.
    """
    text = given or os.environ.get("OPTUNA_STORAGE") or configured or DEFAULT_STORAGE
    if "://" not in text:
        if Path(text).suffix not in (".db", ".sqlite", ".sqlite3"):
            raise WalkbenchError(
                f"storage {text!r} is no database URL; "
                "give sqlite:///FILE.db, postgresql://USER@HOST/DATABASE or FILE.db"
            )
        text = f"sqlite:///{text}"
    scheme, rest = text.split("://", 1)
    if scheme in ("postgres", "postgresql"):
        scheme = "postgresql+psycopg"  # the driver of the extra `postgres`
    url = f"{scheme}://{rest}"
    try:
        sqlalchemy.make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise WalkbenchError(
            f"storage {text!r} is malformed; "
            "give sqlite:///FILE.db or postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        ) from None
    return url


def shown_url(url: str) -> str:
    """Return ``url`` without its password, for messages and pages."""
    return sqlalchemy.make_url(url).render_as_string(hide_password=True)


def open_storage(url: str, *, create: bool = False) -> optuna.storages.RDBStorage:
    """Open the storage at ``url``, with heartbeats, so that abandoned trials are found.

    Only ``create`` creates a missing SQLite file and its folder; readers never leave an empty one
    behind. Raises :class:`WalkbenchError` when it cannot be opened, saying why.
    """
    parsed = sqlalchemy.make_url(url)
    shown = shown_url(url)
    options: dict[str, Any] = dict(_SERVER)
    if parsed.get_backend_name() == "sqlite":
        options = {"connect_args": {"timeout": _SQLITE_WAIT_S}}
        _check_file(parsed.database, shown, create)
    with _opening(parsed, shown), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return ClaimingStorage(
            url, engine_kwargs=options, heartbeat_interval=HEARTBEAT_S, grace_period=GRACE_S
        )


def read_only(url: str) -> sqlalchemy.Engine:
    """Return a connection to the storage at ``url`` that creates and changes nothing.

    Raises :class:`WalkbenchError` when it cannot be opened, or has tables of another version.
    """
    parsed = sqlalchemy.make_url(url)
    shown = shown_url(url)
    if parsed.get_backend_name() == "sqlite":
        _check_file(parsed.database, shown, False)
    with _opening(parsed, shown):
        engine = read_only_engine(url)
        try:
            with engine.connect() as connection:
                query = sqlalchemy.text("SELECT schema_version FROM version_info")
                version = connection.execute(query).scalar()
        except (sqlalchemy.exc.OperationalError, sqlalchemy.exc.ProgrammingError) as error:
            if "version_info" not in str(error.orig):
                raise
            raise WalkbenchError(
                f"storage {shown} holds no studies; `walkbench study run` creates one"
            ) from None
    if version != SCHEMA_VERSION:
        raise WalkbenchError(
            f"storage {shown} has tables of version {version}, this Optuna has version "
            f"{SCHEMA_VERSION}; `optuna storage upgrade --storage URL` brings them up to date"
        )
    return engine


@contextmanager
def _opening(parsed: sqlalchemy.URL, shown: str) -> Iterator[None]:
    """Turn what opening a database raises into errors that say why."""
    try:
        yield
    except sqlalchemy.exc.NoSuchModuleError:
        raise WalkbenchError(
            f"storage {shown}: no driver for {parsed.drivername!r}; use sqlite or postgresql"
        ) from None
    except ImportError:
        raise WalkbenchError(
            f"storage {shown}: the driver for {parsed.drivername!r} is not installed; "
            "for PostgreSQL: pip install 'walkbench[postgres]'"
        ) from None
    except sqlalchemy.exc.SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        raise WalkbenchError(f"storage {shown} cannot be opened: {reason}") from None
    except RuntimeError as error:  # Optuna: tables of another version, with the command that helps
        if isinstance(error, WalkbenchError):
            raise
        raise WalkbenchError(f"storage {shown}: {' '.join(str(error).split())}") from None


def _check_file(database: str | None, shown: str, create: bool) -> None:
    if not database or database == ":memory:":
        raise WalkbenchError(f"storage {shown} would be lost at the end; name a file")
    path = Path(database)
    if path.is_dir():
        raise WalkbenchError(f"storage {shown}: {database} is a folder; name a file inside it")
    if not create and not path.exists():
        raise WalkbenchError(
            f"storage {shown} does not exist; `walkbench study run` or `walkbench demo` creates "
            "one, --storage names another"
        )
    _check_content(path, shown)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WalkbenchError(
            f"storage {shown}: {path.parent} cannot be created ({error.strerror}); "
            "name a folder you can write to"
        ) from None
    target = path if path.exists() else path.parent
    if create and not os.access(target, os.W_OK):
        raise WalkbenchError(
            f"storage {shown}: {target} cannot be written; name a folder you can write to"
        )


def _check_content(path: Path, shown: str) -> None:
    """Raise for a file that is no database, or another program's, before tables are added to it."""
    if not path.exists():
        return
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True)) as opened:
            rows = opened.execute("select name from sqlite_master where type = 'table'")
            tables = {name for (name,) in rows}
    except sqlite3.DatabaseError as error:
        raise WalkbenchError(f"storage {shown} cannot be opened: {error}") from None
    if tables and not {"studies", "trials", "version_info"} <= tables:
        raise WalkbenchError(
            f"storage {shown} is the database of another program (its tables: "
            f"{', '.join(sorted(tables)[:5])}); name another file"
        )


def study_names(storage: optuna.storages.BaseStorage) -> list[str]:
    """Return the names of the storage's studies, sorted."""
    return sorted(study.study_name for study in storage.get_all_studies())


def open_study(storage: optuna.storages.BaseStorage, name: str) -> optuna.Study:
    """Return the study called ``name``; raises :class:`WalkbenchError` listing the known ones."""
    try:
        return optuna.load_study(study_name=name, storage=storage)
    except KeyError:
        known = study_names(storage)
        if not known:
            raise WalkbenchError(
                f"unknown study {name!r}; the storage holds none, `walkbench study run` creates one"
            ) from None
        raise_unknown("study", name, known)
