"""Provenance of a number: date, machine, package versions and code revision.

Every result file and every trial stores it, so that differing numbers can be explained later.

>>> sorted(provenance())
['code_revision', 'cpu', 'cpus', 'date', 'machine', 'python', 'versions']
"""

import os
import platform
import subprocess
from datetime import UTC, datetime
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("walkbench", "torch", "optuna", "numpy", "scipy")


def provenance(*packages: str) -> dict[str, Any]:
    """Return date (UTC), machine, Python, git revision and package versions.

    ``packages`` are added to walkbench, torch, optuna, numpy and scipy; a package that is not
    installed has the version None. ``code_revision`` ends in ``+changes`` if the checkout has
    uncommitted changes, and is None outside a checkout.
    """
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cpus": os.cpu_count(),
        "python": platform.python_version(),
        "versions": {name: _version(name) for name in (*PACKAGES, *packages)},
        "code_revision": code_revision(),
    }


@lru_cache(maxsize=64)  # a study asks with every trial, and reading a package's metadata takes 1 ms
def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@lru_cache(maxsize=1)
def _cpu() -> str:
    """Return the processor's model name if the system reports it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


@lru_cache(maxsize=1)
def code_revision() -> str | None:
    """Return the git revision of the checkout that contains this file, or None."""
    here = Path(__file__).parent

    def git(*words: str) -> str | None:
        try:
            done = subprocess.run(
                ["git", *words], cwd=here, capture_output=True, text=True, timeout=10
            )
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    if git("ls-files", "--error-unmatch", "provenance.py") is None:
        return None  # an installed copy inside somebody else's repository
    revision = git("rev-parse", "--short=12", "HEAD")
    if revision is None:
        return None
    changed = git("status", "--porcelain", "--untracked-files=no")
    return f"{revision}+changes" if changed else revision
