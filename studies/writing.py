"""Opening a stored study to change it from outside of a run: notes, wishes of people.

>>> with opened_to_write("sqlite:///nowhere.db", "demo") as study:
...     pass
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: storage sqlite:///nowhere.db does not exist; ...
"""

from collections.abc import Iterator
from contextlib import contextmanager

import optuna

from search_space.errors import WalkbenchError
from studies.runner import quiet_optuna
from studies.storage_failure import storage_errors
from studies.store import open_storage, shown_url


@contextmanager
def opened_to_write(url: str, name: str) -> Iterator[optuna.Study]:
    """Yield the study; raises :class:`WalkbenchError` for one that is not there or not writable."""
    with quiet_optuna(), storage_errors():
        storage = open_storage(url)
        try:
            study = optuna.load_study(study_name=name, storage=storage)
        except KeyError:
            raise WalkbenchError(f"{shown_url(url)} holds no study {name!r} any more") from None
        yield study
