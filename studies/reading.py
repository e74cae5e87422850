"""`StudyData`: one study as it stands, for everything that shows studies.

It may still be running and be read again and again, as a page does at each refresh. Reading never
writes, and reads columns first: `StudyData.table` has the numbers of 100,000 trials in seconds,
`StudyData.trials` makes a record of a trial when it is asked for.

>>> open_for_reading("sqlite:///nowhere.db")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: storage sqlite:///nowhere.db does not exist; ...
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NoReturn, overload

import numpy as np
import optuna
import sqlalchemy
from numpy.typing import NDArray

from search_space.errors import WalkbenchError, raise_unknown
from studies import store
from studies.kept_notes import note_among
from studies.outside import Outside
from studies.record_codec import TARGET, decode_shared, decode_study, decode_trial
from studies.records import StudyRecord, TrialRecord
from studies.study_table import STATES, StudyTable
from studies.table_reader import TableReader
from studies.trial_log import TrialLog, objective_names
from studies.trial_rows import TrialRows, study_names_of

SAME = 5  # trials of one design that are read
SOME = 2_000  # trials whose whole records an analysis reads
KEPT = 5_000  # records of finished trials that are kept from one look to the next


@dataclass(frozen=True)
class StudyData:
    """One study as it stood at one moment.

    ``shared`` is empty for a study that something else than walkbench made; its trials have values
    and nothing else. ``target`` is the total of trials last asked for.
    """

    name: str
    objectives: tuple[str, ...]
    shared: StudyRecord
    trials: Sequence[TrialRecord]
    target: int | None = None

    @cached_property
    def table(self) -> StudyTable:
        """The trials as columns of numbers."""
        if isinstance(self.trials, StoredTrials):
            return self.trials.table
        return StudyTable.of_records(self.trials, self.objectives)

    @property
    def done(self) -> int:
        """How many trials count as done."""
        return self.table.done

    @property
    def running(self) -> bool:
        """Whether some trial runs now."""
        return bool((self.table.state == STATES.index("RUNNING")).any())

    @property
    def stamp(self) -> tuple[int, int, float]:
        """Number of trials, how many have ended, when the last did; changes with every trial."""
        ended = self.table.ended[~np.isnan(self.table.ended)]
        return len(self.table), len(ended), float(ended.max(initial=0.0))

    @cached_property
    def training(self) -> list[float]:
        """How long each design trained that this study trained by itself, in seconds."""
        if isinstance(self.trials, StoredTrials) and not self.table.rungs.any():
            return self.trials.training
        return _seconds_by_design([trial for trial in self.trials if trial.trained])

    @cached_property
    def choices(self) -> list[str]:
        """The names of the choices that trials made: the parameters of the search."""
        if isinstance(self.trials, StoredTrials):
            return self.trials.choices()
        return sorted({name for trial in self.trials for name in trial.params})

    def choice(self, name: str) -> list[Any]:
        """Return each trial's choice called ``name``, None where it made none."""
        if isinstance(self.trials, StoredTrials):
            return self.trials.choice(name)
        return [trial.params.get(name) for trial in self.trials]

    def chosen(self, places: Sequence[int]) -> list[TrialRecord]:
        """Return the records of the trials at ``places``, read together."""
        if isinstance(self.trials, StoredTrials):
            return self.trials.chosen(places)
        return [self.trials[place] for place in places]

    def some(self, rows: NDArray[np.int64], most: int = SOME) -> list[TrialRecord]:
        """Return the records of ``rows``, of ``most`` of them at even distances if there are more.

        For analyses that read whole records, of which 100,000 take a minute.
        """
        if len(rows) > most:
            rows = rows[np.linspace(0, len(rows) - 1, most).astype(int)]
        return self.chosen(rows.tolist())

    def of_design(self, digest: str) -> list[TrialRecord]:
        """Return the first trials of the design ``digest``, complete ones before others."""
        complete = self.table.state == STATES.index("COMPLETE")
        rows = np.flatnonzero(self.table.digest == digest)
        return self.chosen(rows[np.argsort(~complete[rows], kind="stable")][:SAME].tolist())

    def note(self, number: int) -> str:
        """Return the note on a trial; empty without one."""
        return self.trials.note(number) if isinstance(self.trials, StoredTrials) else ""

    def trial(self, number: int) -> TrialRecord:
        """Return one trial; raises :class:`WalkbenchError` when there is none."""
        if not 0 <= number < len(self.trials):
            last = f"0 … {len(self.trials) - 1}" if self.trials else "none yet"
            raise WalkbenchError(f"study {self.name!r} has no trial {number}; its trials: {last}")
        return self.trials[number]


def _seconds_by_design(trained: Sequence[TrialRecord]) -> list[float]:
    """Return seconds by design; a climb's hold those of the rung below of the same twin."""
    seconds: dict[tuple[str | None, int, int], float] = {}
    for trial in trained:
        if trial.score is not None:
            run = trial.score.fidelity
            key = trial.digest, run.latent, run.batch
            seconds[key] = max(seconds.get(key, 0.0), run.seconds)
    total: dict[str | None, float] = {}
    for (digest, _, _), spent in seconds.items():
        total[digest] = total.get(digest, 0.0) + spent
    return list(total.values())


class StoredTrials(Sequence[TrialRecord]):
    """The trials of a study in a storage: records of some are read when asked for, or of all."""

    def __init__(self, reader: TableReader, kept: dict[int, TrialRecord]) -> None:
        self.table = reader.table()
        self._reader, self._rows, self._outside = reader, reader.rows, reader.outside
        self._kept, self._open = kept, dict[int, TrialRecord]()  # by number; finished ones, others
        self._all: list[TrialRecord] | None = None

    def __len__(self) -> int:
        """How many trials there are."""
        return len(self.table)

    @overload
    def __getitem__(self, place: int) -> TrialRecord: ...
    @overload
    def __getitem__(self, place: slice) -> list[TrialRecord]: ...
    def __getitem__(self, place: int | slice) -> TrialRecord | list[TrialRecord]:
        """Return one trial's record, or several."""
        places = range(len(self))[place]
        if isinstance(places, int):
            return self.chosen([places])[0]
        return self.chosen(places)

    def __iter__(self) -> Iterator[TrialRecord]:
        """Read every trial."""
        if self._all is None:
            self._all = self._decode(None)[: len(self)]
        return iter(self._all)

    def chosen(self, places: Sequence[int]) -> list[TrialRecord]:
        """Return the records of the trials at ``places``, read together."""
        if self._all is not None:
            return [self._all[place] for place in places]
        numbers = self.table.number[list(places)].tolist()
        found = {n: known for n in numbers if (known := self._kept.get(n) or self._open.get(n))}
        missing = [number for number in numbers if number not in found]
        if missing:
            if len(self._kept) + len(missing) > KEPT:
                self._kept.clear()
            for record in self._decode(missing):
                finished = record.state in ("COMPLETE", "PRUNED", "FAIL")
                (self._kept if finished else self._open)[record.number] = record
                found[record.number] = record
        return [found[number] for number in numbers]

    def choices(self) -> list[str]:
        """Return the names of the choices that trials made."""
        with _errors():
            return self._rows.param_names()

    def choice(self, name: str) -> list[Any]:
        """Return each trial's choice called ``name``, None where it made none."""
        with _errors():
            found = self._rows.param(name)
        return [found.get(number) for number in self.table.number.tolist()]

    @cached_property
    def training(self) -> list[float]:
        """How long each trial trained that trained a design by itself, in seconds."""
        with _errors():
            return self._reader.training()

    def note(self, place: int) -> str:
        """Return the note on the trial at ``place``; empty without one."""
        trial = self._reader.identifier(int(self.table.number[place]))
        with _errors():
            return note_among(self._rows.notes(trial), trial)

    def _decode(self, numbers: Sequence[int] | None) -> list[TrialRecord]:
        objectives, budgets = self._reader.objectives, self._reader.budgets
        with _errors():
            trials = map(self._outside.scored, self._rows.frozen(numbers))
            return [decode_trial(trial, objectives, budgets) for trial in trials]


def study_data(study: optuna.Study) -> StudyData:
    """Return ``study``, which this process runs, as it stands."""
    return StudyData(
        study.study_name,
        objective_names(study),
        decode_study(study) or StudyRecord(),
        TrialLog(study).records(),
        study.user_attrs.get(TARGET),
    )


class Reading:
    """A storage opened for reading, with the tables read from it so far."""

    def __init__(self, engine: sqlalchemy.Engine) -> None:
        self.engine = engine
        self._readers: dict[str, tuple[TableReader, dict[int, TrialRecord]]] = {}

    def names(self) -> list[str]:
        """Return the names of the studies; raises :class:`WalkbenchError` when that fails."""
        with _errors():
            return study_names_of(self.engine)

    def study(self, name: str) -> StudyData:
        """Return the study as it stands; raises :class:`WalkbenchError` for an unknown one."""
        with _errors():
            try:
                rows = TrialRows(self.engine, name)
            except KeyError:
                self._raise_unknown(name)
            attributes = rows.study_attributes()
            shared = decode_shared(name, attributes) or StudyRecord()
            names = shared.objectives or attributes.get("study:metric_names")
            objectives = tuple(names or (f"value_{i}" for i in range(rows.directions())))
            known = self._readers.get(name)
            reader = TableReader(
                rows, objectives, tuple(shared.budgets), Outside(shared, objectives)
            )
            if known is None or not known[0].reads_as(reader):
                known = self._readers[name] = reader, {}
            trials = StoredTrials(*known)
        return StudyData(name, objectives, shared, trials, attributes.get(TARGET))

    def _raise_unknown(self, name: str) -> NoReturn:
        known = study_names_of(self.engine)
        if known:
            raise_unknown("study", name, known)
        raise WalkbenchError(
            f"unknown study {name!r}; the storage holds none, `walkbench study run` creates one"
        ) from None


def open_for_reading(url: str) -> Reading:
    """Open an existing storage; raises :class:`WalkbenchError` when there is none."""
    return Reading(store.read_only(url))


def read_names(storage: Reading) -> list[str]:
    """Return the names of the studies; raises :class:`WalkbenchError` when the storage fails."""
    return storage.names()


def read_study(storage: Reading, name: str) -> StudyData:
    """Return the study as it stands; raises :class:`WalkbenchError` for one that is not there."""
    return storage.study(name)


@contextmanager
def _errors() -> Iterator[None]:
    try:
        yield
    except sqlalchemy.exc.SQLAlchemyError as error:
        reason = " ".join(str(getattr(error, "orig", None) or error).split())
        raise WalkbenchError(f"the storage cannot be read: {reason}; try again") from error
