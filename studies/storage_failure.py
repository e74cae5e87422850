"""A storage that fails while a study runs: told in one line, or waited for while it restarts.

>>> failure_of(ValueError("not a storage's")) is None
True
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import optuna
import sqlalchemy

from search_space.errors import WalkbenchError

BACK_S = 120.0  # how long a server may be away
_POLL_S = 1.0


def failure_of(error: BaseException) -> Exception | None:
    """Return the storage's failure that ``error`` is or comes from; None where there is none."""
    found: BaseException | None = error
    while found is not None and not isinstance(found, WalkbenchError):
        if isinstance(found, (optuna.exceptions.StorageInternalError, sqlalchemy.exc.DBAPIError)):
            return found
        found = found.__cause__ or found.__context__
    return None


def wait_until_back(study: optuna.Study, error: Exception, seconds: float = BACK_S) -> None:
    """Wait until the database server of ``study`` answers again.

    Raises ``error`` where it came from no storage or from a file, and when ``seconds`` have passed.
    """
    storage = getattr(study._storage, "_backend", study._storage)  # Optuna wraps it in a cache
    engine: sqlalchemy.Engine | None = getattr(storage, "engine", None)
    if failure_of(error) is None or engine is None or engine.dialect.name == "sqlite":
        raise error
    deadline = time.monotonic() + seconds
    while True:
        try:
            with engine.connect() as connection:
                connection.execute(sqlalchemy.text("SELECT 1"))
            return
        except sqlalchemy.exc.DBAPIError:
            if time.monotonic() > deadline:
                raise error from None
            time.sleep(_POLL_S)


@contextmanager
def storage_errors() -> Iterator[None]:
    """Turn the failure of a storage while a study runs into a message."""
    try:
        yield
    except Exception as error:
        failure = failure_of(error)
        if failure is None:
            raise
        cause = failure.__cause__ or failure
        reason = " ".join(str(getattr(cause, "orig", None) or cause).split())
        raise WalkbenchError(
            f"the storage failed: {reason}; finished trials are kept, run again to continue"
        ) from error
