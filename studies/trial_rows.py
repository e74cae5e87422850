"""`TrialRows`: a study's trials straight from the tables of Optuna's storage, column by column.

Optuna builds an object for every trial, with every attribute; 100,000 of them take half a minute
and gigabytes. Most looks at a study need a few short attributes of each. The connection is read
only: SQLite files are opened so, and nothing but SELECT is sent.

`studies.study_table` makes columns of numbers of it, `studies.reading` records.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy
from optuna.distributions import json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Engine, bindparam, text

BATCH = 500  # identifiers in one IN clause; SQLite allows 999 parameters
_FINITE, _INFINITE = "FINITE", {"INF_POS": float("inf"), "INF_NEG": float("-inf")}
_SCORE = ("value", "stderr", "failed", "fidelity", "reused_from", "cached_from")


def read_only_engine(url: str) -> Engine:
    """Return a connection to the database at ``url`` that cannot write to a SQLite file."""
    parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() != "sqlite":
        return sqlalchemy.create_engine(parsed)
    file = f"{Path(parsed.database or '').resolve().as_uri()}?mode=ro&uri=true"
    return sqlalchemy.create_engine(f"sqlite:///{file}", connect_args={"timeout": 10})


class TrialRows:
    """The rows of one study in the database behind ``engine``."""

    def __init__(self, engine: Engine, name: str) -> None:
        self.engine, self.name = engine, name
        found = self._select("SELECT study_id FROM studies WHERE study_name = :name", name=name)
        if not found:
            raise KeyError(name)
        self.study_id: int = found[0][0]

    def study_attributes(self) -> dict[str, Any]:
        """Return what is stored of the study itself, Optuna's own attributes included.

        Notes on its trials, which may be many, are left out.
        """
        rows: list[Any] = []
        for table in ("study_system_attributes", "study_user_attributes"):
            query = (
                f"SELECT key, value_json FROM {table} WHERE study_id = :study "
                "AND key NOT LIKE 'dashboard:%'"
            )
            rows += self._select(query, study=self.study_id)
        return {key: json.loads(value) for key, value in rows}

    def notes(self, trial: int) -> dict[str, Any]:
        """Return the study's attributes that hold the note on one trial."""
        query = (
            "SELECT key, value_json FROM study_system_attributes WHERE study_id = :study "
            "AND key LIKE :keys"
        )
        rows = self._select(query, study=self.study_id, keys=f"dashboard:{trial}:%")
        return {key: json.loads(value) for key, value in rows}

    def directions(self) -> int:
        """Return how many objectives the study has."""
        query = "SELECT count(*) FROM study_directions WHERE study_id = :study"
        return int(self._select(query, study=self.study_id)[0][0])

    def stamp(self) -> tuple[Any, ...]:
        """Return what changes whenever a trial begins or ends: counts by state, the last end."""
        query = (
            "SELECT state, count(*), max(datetime_complete) FROM trials WHERE study_id = :study "
            "GROUP BY state ORDER BY state"
        )
        return tuple(tuple(row) for row in self._select(query, study=self.study_id))

    def trials(self, since: int, unfinished: Sequence[int]) -> list[Any]:
        """Return (trial_id, number, state, start, end) of trials after ``since`` and of some more.

        The more are those with the identifiers ``unfinished``.
        """
        columns = "SELECT trial_id, number, state, datetime_start, datetime_complete FROM trials"
        rows = self._select(
            f"{columns} WHERE study_id = :study AND trial_id > :since ORDER BY trial_id",
            study=self.study_id,
            since=since,
        )
        return [*self._of(f"{columns} WHERE trial_id IN :ids", unfinished), *rows]

    def values(self, since: int, more: Sequence[int]) -> Iterator[tuple[int, int, float]]:
        """Yield (trial_id, objective, value) of finished trials."""
        columns = "SELECT v.trial_id, v.objective, v.value, v.value_type FROM trial_values v"
        for trial, objective, value, kind in self._both(columns, "v", "", since, more):
            yield trial, objective, value if kind == _FINITE else _INFINITE.get(kind, float("nan"))

    def attributes(
        self, keys: Sequence[str], since: int, more: Sequence[int]
    ) -> dict[str, dict[int, Any]]:
        """Return for each of ``keys`` the attribute's value by identifier, where a trial has it."""
        columns = "SELECT a.trial_id, a.key, a.value_json FROM trial_user_attributes a"
        named = ", ".join(f":key{i}" for i in range(len(keys)))
        condition = f"AND a.key IN ({named})"
        values = {f"key{i}": key for i, key in enumerate(keys)}
        texts: dict[str, tuple[list[int], list[str]]] = {key: ([], []) for key in keys}
        for trial, key, value in self._both(columns, "a", condition, since, more, **values):
            ids, found = texts[key]
            ids.append(trial)
            found.append(value)
        return {
            key: dict(zip(ids, json.loads(f"[{','.join(found)}]"), strict=True))
            for key, (ids, found) in texts.items()
        }

    def having(self, key: str, since: int, more: Sequence[int]) -> list[int]:
        """Return identifiers of the trials that have the attribute ``key``."""
        columns = "SELECT a.trial_id FROM trial_user_attributes a"
        return [
            row[0] for row in self._both(columns, "a", "AND a.key = :key", since, more, key=key)
        ]

    def scores(self, since: int, more: Sequence[int]) -> tuple[list[int], list[dict[str, Any]]]:
        """Return identifiers and scores without their hundreds of single losses."""
        if self.engine.dialect.name == "sqlite":
            paths = ", ".join(f"'$.{name}'" for name in _SCORE)
            short = f"json_extract(a.value_json, {paths})"
        else:
            parts = ", ".join(f"a.value_json::json->'{name}'" for name in _SCORE)
            short = f"json_build_array({parts})::text"
        columns = f"SELECT a.trial_id, {short} FROM trial_user_attributes a"
        rows = self._both(columns, "a", "AND a.key = :key", since, more, key="score")
        found = json.loads(f"[{','.join(value for _, value in rows)}]")
        return [trial for trial, _ in rows], [dict(zip(_SCORE, one, strict=True)) for one in found]

    def param_names(self) -> list[str]:
        """Return the names of the parameters that the study's first trials chose."""
        query = (
            "SELECT DISTINCT p.param_name FROM trial_params p JOIN trials t ON "
            "t.trial_id = p.trial_id WHERE t.study_id = :study AND t.number < 500"
        )
        return sorted(name for (name,) in self._select(query, study=self.study_id))

    def param(self, name: str) -> dict[int, Any]:
        """Return the value of one parameter by trial number, where a trial chose it."""
        query = (
            "SELECT t.number, p.param_value, p.distribution_json FROM trial_params p JOIN trials t "
            "ON t.trial_id = p.trial_id WHERE t.study_id = :study AND p.param_name = :name"
        )
        read: dict[str, Any] = {}
        found = {}
        for number, internal, kind in self._select(query, study=self.study_id, name=name):
            if kind not in read:
                read[kind] = json_to_distribution(kind)
            found[number] = read[kind].to_external_repr(internal)
        return found

    def frozen(self, numbers: Iterable[int] | None = None) -> list[FrozenTrial]:
        """Return the trials called ``numbers``, by default all, as Optuna's objects."""
        where = "" if numbers is None else " AND number IN :ids"
        columns = "SELECT trial_id, number, state, datetime_start, datetime_complete FROM trials"
        query = f"{columns} WHERE study_id = :study{where} ORDER BY number"
        if numbers is None:
            rows = self._select(query, study=self.study_id)
        else:
            rows = self._of(query, sorted(numbers), study=self.study_id)
        ids = [row[0] for row in rows]
        everything = numbers is None
        attributes = self._grouped("key, value_json", "trial_user_attributes", ids, everything)
        params = self._grouped(
            "param_name, param_value, distribution_json", "trial_params", ids, everything
        )
        values = self._grouped("objective, value, value_type", "trial_values", ids, everything)
        read: dict[str, Any] = {}  # distributions by their JSON: a study has a few, trials many
        return [
            _frozen(row, attributes.get(row[0], []), params.get(row[0], []), values, read)
            for row in rows
        ]

    def _grouped(
        self, columns: str, table: str, ids: Sequence[int], everything: bool
    ) -> dict[int, list[Any]]:
        """Return rows of ``table`` by the identifier of their trial."""
        if everything:
            query = (
                f"SELECT a.trial_id, {columns} FROM {table} a JOIN trials t ON "
                "t.trial_id = a.trial_id WHERE t.study_id = :study"
            )
            rows = self._select(query, study=self.study_id)
        else:
            rows = self._of(f"SELECT trial_id, {columns} FROM {table} WHERE trial_id IN :ids", ids)
        grouped: dict[int, list[Any]] = {}
        for trial, *rest in rows:
            grouped.setdefault(trial, []).append(rest)
        return grouped

    def _both(
        self,
        columns: str,
        table: str,
        condition: str,
        since: int,
        more: Sequence[int],
        **more_args: Any,
    ) -> list[Any]:
        """Return rows of trials after ``since`` and of those with identifiers ``more``."""
        join = f"{columns} JOIN trials t ON t.trial_id = {table}.trial_id WHERE t.study_id = :study"
        rows = self._select(
            f"{join} AND t.trial_id > :since {condition}",
            study=self.study_id,
            since=since,
            **more_args,
        )
        again = f"{join} AND t.trial_id IN :ids {condition}"
        return [*self._of(again, more, study=self.study_id, **more_args), *rows]

    def _of(self, query: str, ids: Sequence[int], **values: Any) -> list[Any]:
        """Run ``query`` for some ``:ids``, so many at a time."""
        prepared = text(query).bindparams(bindparam("ids", expanding=True))
        rows: list[Any] = []
        with self.engine.connect() as connection:
            for start in range(0, len(ids), BATCH):
                batch = [int(one) for one in ids[start : start + BATCH]]
                rows += _fetched(connection.execute(prepared, {"ids": batch, **values}))
        return rows

    def _select(self, query: str, **values: Any) -> list[Any]:
        """Run ``query`` with ``values`` as its parameters."""
        with self.engine.connect() as connection:
            return _fetched(connection.execute(text(query), values))


def _fetched(result: sqlalchemy.CursorResult[Any]) -> list[Any]:
    """Return all rows as the driver's tuples, at a third of what SQLAlchemy's rows cost."""
    return list(result.cursor.fetchall())


def study_names_of(engine: Engine) -> list[str]:
    """Return the names of the database's studies, sorted."""
    with engine.connect() as connection:
        return sorted(
            name for (name,) in connection.execute(text("SELECT study_name FROM studies"))
        )


def moment(value: Any) -> datetime | None:
    """Return a date as SQLite's driver (text) or PostgreSQL's (a date) gives it."""
    return datetime.fromisoformat(value) if isinstance(value, str) else value


def _frozen(
    row: Any,
    attributes: list[Any],
    params: list[Any],
    values: dict[int, list[Any]],
    read: dict[str, Any],
) -> FrozenTrial:
    trial_id, number, state, start, end = row
    distributions, chosen = {}, {}
    for name, internal, kind in params:
        if kind not in read:
            read[kind] = json_to_distribution(kind)
        distributions[name] = read[kind]
        chosen[name] = read[kind].to_external_repr(internal)
    found = [
        value if kind == _FINITE else _INFINITE.get(kind, float("nan"))
        for _, value, kind in sorted(values.get(trial_id, []))
    ]
    return FrozenTrial(
        number=number,
        state=TrialState[state],
        value=None,
        values=found or None,
        datetime_start=moment(start),
        datetime_complete=moment(end),
        params=chosen,
        distributions=distributions,
        user_attrs={key: json.loads(value) for key, value in attributes},
        system_attrs={},
        intermediate_values={},
        trial_id=trial_id,
    )
