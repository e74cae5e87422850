"""Chromium and a dashboard for it to open: for pictures, timings and tests.

with served("runs/walkbench.db") as server, chromium() as window:
    page = window.new_page()
    page.goto(f"{server.address}/pareto")
    settle(page)
"""

import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WAIT_MS = 120_000  # a busy machine takes its time over the first page
IDLE = (  # the page has run, and nothing that it draws is still a placeholder
    "() => document.querySelector('[data-testid=stApp]')?.dataset.testScriptState === 'notRunning'"
    " && !document.querySelector('[data-testid=stSkeleton]')"
)


@dataclass(frozen=True)
class Server:
    """A program that answers at ``address``, and its process."""

    address: str
    process: "subprocess.Popen[bytes]"


def find_browser() -> str | None:
    """Return the path of the system's Chromium; None without one."""
    return next(filter(None, map(shutil.which, BROWSERS)), None)


def missing_browser() -> str:
    """Say what to do without a browser."""
    return f"none of {', '.join(BROWSERS)} is on the PATH; install your system's chromium"


@contextmanager
def chromium() -> Iterator[Browser]:
    """Yield a browser without a window; end the program where there is none."""
    path = find_browser()
    if path is None:
        sys.exit(missing_browser())
    with sync_playwright() as playwright:
        window = playwright.chromium.launch(executable_path=path, headless=True, args=FLAGS)
        try:
            yield window
        finally:
            window.close()


@contextmanager
def served(
    *storages: str | Path, options: Sequence[str] = (), cwd: Path | None = None
) -> Iterator[Server]:
    """Run `walkbench dashboard` on ``storages``, as a user starts it."""
    named = [word for storage in storages for word in ("--storage", str(storage))]
    words = ["walkbench", "dashboard", "--headless", *named, *options]
    with running(words, "/_stcore/health", cwd) as server:
        yield server


@contextmanager
def running(words: Sequence[str], path: str, cwd: Path | None = None) -> Iterator[Server]:
    """Run a program of this environment on a free port until it answers at ``path``."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    program = str(Path(sys.executable).with_name(words[0]))
    command = [program, *words[1:], "--port", str(port)]
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=cwd
    ) as process:
        try:
            server = Server(f"http://localhost:{port}", process)
            _wait_until_answered(server, path)
            yield server
        finally:
            process.terminate()


def _wait_until_answered(server: Server, path: str) -> None:
    for _ in range(600):
        if server.process.poll() is not None:
            raise RuntimeError(f"{server.process.args} ended with {server.process.returncode}")
        try:
            urllib.request.urlopen(server.address + path, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    raise RuntimeError(f"{server.address} did not answer")


def settle(page: Page, ms: int = 400) -> None:
    """Wait until Streamlit has run the page and its figures stand still."""
    page.wait_for_function(IDLE)
    page.wait_for_timeout(ms)
    page.wait_for_function(IDLE)
