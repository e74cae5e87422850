"""How fast the dashboard paints and answers on large studies, in Chromium, beside optuna-dashboard.

Writes benchmarks/results/dashboard_speed.json. Both show the same storages of 10,000 and 100,000
trials, copies of a small study with values scattered by a few percent. Painting lasts from opening
the address to a drawn plot of the trials; an interaction is a change of an axis until the plot has
it. Needs Chromium on the PATH. Expected: ten minutes, most of them for optuna-dashboard.

    .venv/bin/python benchmarks/dashboard_speed.py
"""

import argparse
import json
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Page, sync_playwright

from benchmarks.large_storage import multiply
from benchmarks.screenshots import BROWSERS, FLAGS
from search_space.provenance import provenance
from tests.dashboard.small_study import make_small_study

RESULT = Path(__file__).parent / "results" / "dashboard_speed.json"
SIZES = {"10k": 10_000, "100k": 100_000}
REPEATS = 3
WAIT_MS = 300_000
PLOT = "document.querySelector('.st-key-pareto_chart .js-plotly-plot')"
DRAWN = f"() => {PLOT}?._fullData?.length"
TITLE = f"{PLOT}?._fullLayout?.xaxis?.title?.text"
AXIS = f"w => {TITLE}?.startsWith(w)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storages", type=Path, help="folder to keep the storages in")
    parser.add_argument("--note", default="", help="such as: other work ran beside")
    arguments = parser.parse_args()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"none of {', '.join(BROWSERS)} is on the PATH; install your system's chromium")
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as temporary, sync_playwright() as playwright:
        folder = arguments.storages or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        window = playwright.chromium.launch(executable_path=browser, headless=True, args=FLAGS)
        for name, trials in SIZES.items():
            path = storage(folder, trials)
            with walkbench(path) as (address, process):
                page = window.new_page(viewport={"width": 1280, "height": 1000})
                page.set_default_timeout(WAIT_MS)
                found[f"first_paint_{name}_s"] = painted(page, address)  # with an empty cache
                found[f"paint_{name}_s"] = median(painted, page, address)
                found[f"interact_{name}_s"] = median(changed, page)
                found[f"memory_{name}_gb"] = round(resident_gb(process.pid), 2)
                page.close()
            with optuna_dashboard(path) as address:
                page = window.new_page(viewport={"width": 1280, "height": 1000})
                page.set_default_timeout(WAIT_MS)
                found[f"optuna_dashboard_{name}_s"] = optuna_painted(page, address)
                page.close()
            print(json.dumps(found, indent=1))
        window.close()
    if arguments.note:
        found["note"] = arguments.note
    found["provenance"] = provenance()
    RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def storage(folder: Path, trials: int) -> Path:
    path = folder / f"{trials}.db"
    if not path.exists():
        make_small_study(str(path))
        multiply(path, trials)
    return path


def median(measure: Any, *given: Any) -> float:
    return round(statistics.median(measure(*given) for _ in range(REPEATS)), 2)


def painted(page: Page, address: str) -> float:
    began = time.monotonic()
    page.goto(f"{address}/pareto")
    page.wait_for_function(DRAWN)
    return round(time.monotonic() - began, 2)


def changed(page: Page) -> float:
    """Change the horizontal axis and wait until the plot has it."""
    settle(page)
    shown = page.evaluate(TITLE)
    wanted = "MACs" if shown.startswith("Parameters") else "Parameters"
    page.get_by_label("X axis").first.click()
    option = page.get_by_role("option", name=wanted, exact=True)
    option.wait_for()
    began = time.monotonic()
    option.click()
    page.wait_for_function(AXIS, arg=wanted)
    return time.monotonic() - began


def settle(page: Page) -> None:
    page.wait_for_function("!document.querySelector('[data-testid=\"stStatusWidget\"]')")
    page.wait_for_timeout(500)


def optuna_painted(page: Page, address: str) -> float:
    """Wait for the Pareto front of optuna-dashboard's first study."""
    began = time.monotonic()
    page.goto(f"{address}/dashboard/studies/1")
    page.wait_for_function("() => document.querySelector('.js-plotly-plot')?._fullData?.length")
    return round(time.monotonic() - began, 2)


def resident_gb(pid: int) -> float:
    """Return the memory of the command and the server that it started."""
    total = 0
    for one in [pid, *map(int, children(pid))]:
        for line in Path(f"/proc/{one}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                total += int(line.split()[1])
    return total / 1e6


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


@contextmanager
def walkbench(path: Path) -> Iterator[tuple[str, subprocess.Popen]]:
    port = free_port()
    program = str(Path(sys.executable).with_name("walkbench"))
    command = [program, "dashboard", "--headless", "--port", str(port), "--storage", str(path)]
    with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
        try:
            answered(f"http://localhost:{port}/_stcore/health")
            yield f"http://localhost:{port}", process
        finally:
            process.terminate()


@contextmanager
def optuna_dashboard(path: Path) -> Iterator[str]:
    port = free_port()
    program = str(Path(sys.executable).with_name("optuna-dashboard"))
    command = [program, f"sqlite:///{path}", "--port", str(port), "--host", "127.0.0.1"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            answered(f"http://127.0.0.1:{port}/dashboard")
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        return int(probe.getsockname()[1])


def answered(url: str) -> None:
    for _ in range(600):
        try:
            urllib.request.urlopen(url, timeout=2).close()
            return
        except OSError:
            time.sleep(0.2)
    sys.exit(f"{url} did not answer")


if __name__ == "__main__":
    main()
