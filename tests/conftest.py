"""What every test may rely on: one thread per process and repeatable hypothesis examples."""

import logging
import os
import sys
from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import settings

# Scripts that older versions wrote their files with need the code of those versions.
collect_ignore_glob = ["fixtures/*"]

# Set before torch is imported: `make test` runs several processes side by side, and each of them
# taking all cores makes every one of them slower.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
# No test may reach for a model hub, and no browser or page may report home.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("STREAMLIT_BROWSER_GATHER_USAGE_STATS", "false")

# CI draws the same examples each time and never fails on a slow machine; at home they vary.
settings.register_profile("ci", deadline=None, derandomize=True, print_blob=True)
settings.register_profile("home", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") else "home")

THINNED = 4  # of so many parameters of a thinned test, one runs in `make test`


@pytest.hookimpl(tryfirst=True)  # before -m leaves tests out
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow all parameters of a thinned test but the first of every ``THINNED``."""
    seen: Counter[tuple[str, str]] = Counter()
    for item in items:
        if item.get_closest_marker("thinned"):
            function = (item.path.as_posix(), item.name.split("[")[0])
            if seen[function] % THINNED:
                item.add_marker(pytest.mark.slow)
            seen[function] += 1


@pytest.fixture(autouse=True)
def streamlit_logs_in_its_own_test_alone() -> Iterator[None]:
    """Take from Streamlit's loggers the handlers that a test's pages gave them.

    They hold the stderr of that moment, and threads of the pages may write to it in a later test.
    """
    yield
    module = sys.modules.get("streamlit.logger")
    for log in list(module._loggers.values()) if module else ():
        for handler in list(log.handlers):
            log.removeHandler(handler)
        log.addHandler(logging.NullHandler())  # without any, logging writes to stderr itself


@pytest.fixture(autouse=True)
def main_module_stays() -> Iterator[None]:
    """Put `__main__` back, which a page under test replaces and processes that are spawned run."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main
