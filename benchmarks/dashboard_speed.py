"""How fast the dashboard paints and answers on large studies, in Chromium, beside optuna-dashboard.

Writes benchmarks/results/dashboard_speed.json. Both show the same storages of 10,000 and 100,000
trials, copies of a small study with values scattered by a few percent, and the same figure: the
Pareto plot over two objectives, on optuna-dashboard's page of analytics. Painting lasts from
opening the address to a drawn plot of the trials. The first painting after the server's start
counts what it reads from the storage, and is given beside the later ones. An interaction is a
change of an axis until the plot has it. Memory is the server's largest. ``pages`` are the seconds
until each page has run, the first and the second time.

Needs Chromium on the PATH and optuna-dashboard (the extra `dashboard`). Expected: ten minutes, most
of them for optuna-dashboard. What is measured is kept beside the storages: run again, it goes on.

    .venv/bin/python -m benchmarks.dashboard_speed --storages runs/dashboard_speed
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, Error, Page

from benchmarks.browser import chromium, running, served, settle
from benchmarks.large_storage import multiply
from dashboard.pages import PAGES
from search_space.provenance import code_revision, provenance
from tests.dashboard.small_study import make_small_study

RESULT = Path(__file__).parent / "results" / "dashboard_speed.json"
SIZES = {"10k": 10_000, "100k": 100_000}
REPEATS = 3
WAIT_MS = 240_000
PLOT = "document.querySelector('.st-key-pareto_chart .js-plotly-plot')"
DRAWN = f"() => {PLOT}?._fullData?.length"
TITLE = f"{PLOT}?._fullLayout?.xaxis?.title?.text"
AXIS = f"w => {TITLE}?.startsWith(w)"
OPTUNA_DRAWN = "() => document.querySelector('#graph-pareto-front')?._fullData?.length"
TARGETS = {
    "paint_10k_s": 2.0, "interact_10k_s": 0.5, "paint_100k_s": 6.0, "interact_100k_s": 1.0,
    "memory_100k_gb": 1.5,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storages", type=Path, default=Path("runs/dashboard_speed"))
    parser.add_argument("--size", choices=list(SIZES), action="append", help="by default both")
    parser.add_argument("--again", action="store_true", help="forget what was measured before")
    parser.add_argument("--to", type=Path, default=RESULT)
    parser.add_argument("--note", default="", help="such as: other work ran beside")
    arguments = parser.parse_args()
    folder: Path = arguments.storages
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / "measured.json"
    revision = code_revision()
    found = json.loads(kept.read_text()) if kept.exists() and not arguments.again else {}
    if found.get("revision") != revision:  # another version of the code measured it
        found = {"revision": revision}
    with chromium() as window:
        for name in arguments.size or SIZES:
            path = storage(folder, SIZES[name])
            for measure in (measure_walkbench, measure_optuna):
                if (key := f"{measure.__name__} {name}") not in found:
                    found[key] = measure(window, path, name)
                    kept.write_text(json.dumps(found, indent=1))
                print(json.dumps(found[key], indent=1), flush=True)
    figures = {k: v for key, part in found.items() if key != "revision" for k, v in part.items()}
    missed = {k: {"target": limit, "found": figures[k]} for k, limit in TARGETS.items()
              if figures.get(k, 0.0) > limit}  # fmt: skip
    note = {"note": arguments.note} if arguments.note else {}
    whole = {
        **figures,
        "targets_missed": missed,
        **note,
        "provenance": provenance("optuna-dashboard", "streamlit"),
    }
    arguments.to.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def storage(folder: Path, trials: int) -> Path:
    path = folder / f"{trials}.db"
    if not path.exists():
        made = path.with_suffix(".part.db")
        made.unlink(missing_ok=True)
        make_small_study(str(made))
        multiply(made, trials)
        made.rename(path)
    return path


def measure_walkbench(window: Browser, path: Path, size: str) -> dict[str, Any]:
    with served(path) as server, opened(window) as page:
        found = {
            f"first_paint_{size}_s": painted(page, f"{server.address}/pareto", DRAWN),
            f"paint_{size}_s": median(lambda: painted(page, f"{server.address}/pareto", DRAWN)),
            f"interact_{size}_s": median(lambda: changed(page)),
        }
        pages = {}
        for name in PAGES.names():
            address = f"{server.address}/{name}"
            pages[name] = [visited(page, address), visited(page, address)]
        found[f"memory_{size}_gb"] = round(resident_gb(server.process.pid), 2)
        return {**found, f"pages_{size}_s": pages}


def measure_optuna(window: Browser, path: Path, size: str) -> dict[str, Any]:
    """Measure the Pareto plot of optuna-dashboard; None where it is not drawn in time."""
    words = ["optuna-dashboard", f"sqlite:///{path.resolve()}", "--host", "localhost"]
    key = f"optuna_dashboard_{size}_s"
    with running(words, "/dashboard") as server, opened(window) as page:
        address = f"{server.address}/dashboard/studies/1/analytics"
        try:
            first = painted(page, address, OPTUNA_DRAWN)
            later = median(lambda: painted(page, address, OPTUNA_DRAWN))
        except Error as error:
            return {key: None, f"optuna_dashboard_{size}_failed": str(error).splitlines()[0]}
        memory = round(resident_gb(server.process.pid), 2)
        return {
            f"optuna_dashboard_first_{size}_s": first,
            key: later,
            f"optuna_dashboard_memory_{size}_gb": memory,
        }


@contextmanager
def opened(window: Browser) -> Any:
    page = window.new_page(viewport={"width": 1280, "height": 1000})
    page.set_default_timeout(WAIT_MS)
    try:
        yield page
    finally:
        page.close()


def median(measure: Callable[[], float]) -> float:
    return round(statistics.median(measure() for _ in range(REPEATS)), 2)


def painted(page: Page, address: str, drawn: str) -> float:
    """Return the seconds from opening ``address`` until ``drawn`` holds."""
    page.goto("about:blank")
    began = time.monotonic()
    page.goto(address, wait_until="commit")
    page.wait_for_function(drawn)
    return round(time.monotonic() - began, 2)


def visited(page: Page, address: str) -> float:
    """Return the seconds until the whole page has run."""
    page.goto("about:blank")
    began = time.monotonic()
    page.goto(address, wait_until="commit")
    page.wait_for_selector('[data-testid="stMain"] h1')
    settle(page, 0)
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


def resident_gb(pid: int) -> float:
    """Return the largest memory of a program and of those that it started."""
    total = 0
    for one in [pid, *map(int, children(pid))]:
        for line in Path(f"/proc/{one}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                total += int(line.split()[1])
    return total / 1e6


def children(pid: int) -> list[str]:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()


if __name__ == "__main__":
    main()
