"""Where studies live: opening a storage, finding a study in it, reading its trials as rows.

A storage is what SQLAlchemy calls a database URL: SQLite under ``runs/`` by default, PostgreSQL for
several machines. ``--storage`` wins over ``OPTUNA_STORAGE``, which wins over the study's config; a
plain file name means SQLite. Optuna's own command line and optuna-dashboard open the same URL.

Everything that shows trials reads them through :func:`rows`.

>>> storage_url("runs/mine.db")
'sqlite:///runs/mine.db'
>>> storage_url("postgresql://me@db/studies")
'postgresql+psycopg://me@db/studies'
"""

import os
import warnings
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.trial import FrozenTrial, TrialState

from search_space.errors import WalkbenchError, raise_unknown
from studies import pareto

DEFAULT_STORAGE = "sqlite:///runs/walkbench.db"
HEARTBEAT_S = 60  # shorter ones have failed live workers
GRACE_S = 120  # after so long without a heartbeat a running trial counts as abandoned

ABOUT = "walkbench"  # the study attribute that says what its trials share
_SQLITE_WAIT_S = 60  # how long a worker waits for another one's write


def storage_url(given: str | None = None, configured: str | None = None) -> str:
    """Return the URL to open: ``given``, else ``OPTUNA_STORAGE``, else ``configured``, else ours.

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

    Only ``create`` makes a SQLite file (and its folder) that is not there; readers never leave an
    empty one behind. Raises :class:`WalkbenchError` when it cannot be opened, saying why.
    """
    parsed = sqlalchemy.make_url(url)
    shown = shown_url(url)
    options: dict[str, Any] = {}
    if parsed.get_backend_name() == "sqlite":
        options["connect_args"] = {"timeout": _SQLITE_WAIT_S}
        _check_file(parsed.database, shown, create)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            return optuna.storages.RDBStorage(
                url, engine_kwargs=options, heartbeat_interval=HEARTBEAT_S, grace_period=GRACE_S
            )
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
        raise WalkbenchError(f"storage {shown}: {' '.join(str(error).split())}") from None


def _check_file(database: str | None, shown: str, create: bool) -> None:
    if not database or database == ":memory:":
        raise WalkbenchError(f"storage {shown} would be lost at the end; name a file")
    path = Path(database)
    if path.is_dir():
        raise WalkbenchError(f"storage {shown}: {database} is a folder; name a file inside it")
    if not create and not path.exists():
        raise WalkbenchError(
            f"storage {shown} does not exist; `walkbench study run` or `walkbench demo` makes one, "
            "--storage names another"
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WalkbenchError(
            f"storage {shown}: {path.parent} cannot be made ({error.strerror}); "
            "name a folder you can write to"
        ) from None
    target = path if path.exists() else path.parent
    if create and not os.access(target, os.W_OK):
        raise WalkbenchError(
            f"storage {shown}: {target} cannot be written; name a folder you can write to"
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
                f"unknown study {name!r}; the storage holds none, `walkbench study run` makes one"
            ) from None
        raise_unknown("study", name, known)


def about(study: optuna.Study) -> dict[str, Any]:
    """Return what all trials of the study share: space, objectives, budgets, device, proxy.

    Empty for a study that something else made; its rows then have the values alone.
    """
    found = study.user_attrs.get(ABOUT)
    return dict(found) if isinstance(found, Mapping) else {}


def objectives(study: optuna.Study) -> tuple[str, ...]:
    """Return the study's objectives in the order of its values."""
    names = about(study).get("objectives") or study.metric_names
    return tuple(names) if names else tuple(f"value_{i}" for i in range(len(study.directions)))


def rows(study: optuna.Study) -> list[dict[str, Any]]:
    """Return every trial as plain JSON types, in order.

    Each row has ``trial``, ``state`` (Optuna's: COMPLETE, PRUNED for a candidate over budget that
    was not trained, FAIL, RUNNING, WAITING), ``name`` (of a named design, else None), ``digest``,
    ``spec``, ``params`` (of the search), ``values`` (objective → number, empty unless COMPLETE),
    ``cost`` (params, macs, …), ``latency`` (ms, low, high, coverage, source), ``score`` (value,
    stderr, n, fidelity, …, and ``reused_from``: the trial that trained this design, or None),
    ``samples`` (artifact, folder and count of what its twin drew, see :mod:`studies.gallery`),
    ``constraints`` (budget → violation, feasible up to 0), ``feasible`` (None: not known),
    ``failed`` (why, or None), ``provenance``, ``started`` and ``ended`` (ISO dates or None). What a
    trial does not have is None.
    """
    names = objectives(study)
    budgets = tuple(about(study).get("budgets") or ())
    return [_row(t, names, budgets) for t in study.get_trials(deepcopy=False)]


def row(study: optuna.Study, number: int) -> dict[str, Any]:
    """Return the row of one trial; raises :class:`WalkbenchError` when there is none."""
    found = rows(study)
    if not 0 <= number < len(found):
        last = f"0 … {len(found) - 1}" if found else "none yet"
        raise WalkbenchError(
            f"study {study.study_name!r} has no trial {number}; its trials: {last}"
        )
    return found[number]


def _row(trial: FrozenTrial, names: tuple[str, ...], budgets: tuple[str, ...]) -> dict[str, Any]:
    attrs = trial.user_attrs
    complete, failed = trial.state is TrialState.COMPLETE, trial.state is TrialState.FAIL
    constraints = dict(attrs.get("constraints") or {})
    return {
        "trial": trial.number,
        "state": trial.state.name,
        "name": attrs.get("name") or attrs.get("enqueued"),
        "digest": attrs.get("digest"),
        "spec": attrs.get("spec"),
        "params": dict(trial.params),
        "values": dict(zip(names, trial.values, strict=True)) if complete else {},
        "cost": attrs.get("cost"),
        "latency": attrs.get("latency"),
        "score": attrs.get("score"),
        "samples": attrs.get("samples"),
        "constraints": constraints,
        "feasible": pareto.feasible(constraints, budgets) if attrs.get("cost") else None,
        "failed": attrs.get("failed") or ("interrupted" if failed else None),
        "provenance": attrs.get("provenance"),
        "started": _iso(trial.datetime_start),
        "ended": _iso(trial.datetime_complete),
    }


def _iso(date: datetime | None) -> str | None:
    return None if date is None else date.isoformat(timespec="seconds")
