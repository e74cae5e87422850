import tempfile
from pathlib import Path

import pytest

MEMORY = Path("/dev/shm")


@pytest.fixture
def tmp_path(tmp_path_factory):
    """A folder in memory where the system has one: databases wait for the disk at every write."""
    if not MEMORY.is_dir():
        yield tmp_path_factory.mktemp("studies")
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="walkbench-") as folder:
        yield Path(folder)
