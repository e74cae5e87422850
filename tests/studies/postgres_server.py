"""A PostgreSQL server that a test starts and stops; only a socket in its folder leads to it."""

import glob
import os
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Server:
    """``url`` of a running server; ``restart`` ends every connection to it."""

    url: str
    restart: Callable[[], None]


def server_programs() -> Path | None:
    """Return the folder of `initdb` and `pg_ctl`: Debian keeps it off PATH, one per version."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    versions = glob.glob("/usr/lib/postgresql/*/bin/initdb") + glob.glob("/usr/pgsql-*/bin/initdb")
    return Path(sorted(versions)[-1]).parent if versions else None


@contextmanager
def postgres_server() -> Iterator[Server]:
    """Start a throwaway server; skip where its programs are missing, fail there in CI."""
    programs = server_programs()
    if programs is None:
        reason = "no PostgreSQL server programs (Debian: apt-get install postgresql)"
        pytest.fail(reason) if os.environ.get("CI") else pytest.skip(reason)
    folder = Path(tempfile.mkdtemp(prefix="walkbench-pg-"))
    # initdb refuses root, so root lends the folder to another user and becomes it.
    user = "postgres" if os.geteuid() == 0 else None
    lent = {"user": user, "group": user, "extra_groups": []} if user else {}
    if user:
        shutil.chown(folder, user, user)

    def run(*words):
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=90, **lent)
        assert done.returncode == 0, done.stdout + done.stderr

    data, log = folder / "data", folder / "log"
    run(programs / "initdb", "-D", data, "-U", "walkbench", "--auth=trust", "--no-sync")
    options = f"-k {folder} -c listen_addresses='' -c fsync=off"
    control = (programs / "pg_ctl", "-D", data)
    started = ("-l", log, "-w", "-o", options)
    run(*control, *started, "start")
    try:
        yield Server(
            f"postgresql://walkbench@/postgres?host={folder}",
            lambda: run(*control, *started, "-m", "fast", "restart"),
        )
    finally:
        run(*control, "-m", "immediate", "stop")
        shutil.rmtree(folder)
