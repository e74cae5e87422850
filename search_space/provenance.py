"""Where a number comes from: date, machine, versions, revision of the code.

Every result file and every trial carries one of these, so that two numbers can be told apart later.

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
    """Return date (UTC), machine, Python, git revision and the versions of ``packages``.

    The versions of torch, optuna, numpy and scipy are always among them when installed.
    ``code_revision`` ends in ``+changes`` when the checkout has uncommitted ones, and is None
    outside a checkout.
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


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


@lru_cache(maxsize=1)
def _cpu() -> str:
    """The processor's model name where the system tells it."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


@lru_cache(maxsize=1)
def code_revision() -> str | None:
    """Return the git revision of the checkout this file lies in, or None outside one."""
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
