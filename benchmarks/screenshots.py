"""Take the pictures in README.md and docs/ from the running dashboard.

Writes docs/images/walk.png and docs/images/pareto.png, from the example study or from the study
named. Needs Chromium on the PATH. Expected: half a minute, each picture below 300 kB.

    .venv/bin/python benchmarks/screenshots.py
    .venv/bin/python benchmarks/screenshots.py --storage runs/walkbench.db --study demo
"""

import argparse
import io
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Page, sync_playwright

from dashboard.storages import example_storage

IMAGES = Path(__file__).parents[1] / "docs" / "images"
WIDTH, HEIGHT, WALK_HEIGHT = 1280, 1000, 1230  # the walk has three panels
LARGEST = 300_000  # bytes
BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storage", default=example_storage(), help="URL or SQLite file")
    parser.add_argument("--study", help="the study to show; the first one by default")
    arguments = parser.parse_args()
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        sys.exit(f"none of {', '.join(BROWSERS)} is on the PATH; install your system's chromium")
    if arguments.storage is None:
        sys.exit("no example study is installed; name one with --storage")
    IMAGES.mkdir(parents=True, exist_ok=True)
    with dashboard(arguments.storage, arguments.study) as address, sync_playwright() as playwright:
        window = playwright.chromium.launch(executable_path=browser, headless=True, args=FLAGS)
        page = window.new_page(viewport={"width": WIDTH, "height": HEIGHT})
        page.set_default_timeout(60_000)
        page.goto(f"{address}/pareto")
        settle(page)
        save(page, IMAGES / "pareto.png")
        page.set_viewport_size({"width": WIDTH, "height": WALK_HEIGHT})
        page.get_by_role("link", name="Design walk").click()
        page.get_by_role("heading", name="Design walk").wait_for()
        settle(page)
        save(page, IMAGES / "walk.png")
        window.close()


@contextmanager
def dashboard(storage: str, study: str | None) -> Iterator[str]:
    """Run `walkbench dashboard` and yield its address."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("walkbench")), "dashboard", "--headless"]
    command += ["--port", str(port), "--storage", storage]
    command += ["--study", study] if study else []
    with subprocess.Popen(command) as process:
        try:
            address = f"http://localhost:{port}"
            for _ in range(300):
                if process.poll() is not None:
                    sys.exit("the dashboard did not start")
                try:
                    urllib.request.urlopen(f"{address}/_stcore/health", timeout=2).close()
                    break
                except OSError:
                    time.sleep(0.2)
            yield address
        finally:
            process.terminate()


def settle(page: Page) -> None:
    """Wait until the plot is drawn and Streamlit is idle."""
    page.wait_for_selector(".js-plotly-plot .scatterlayer .point")
    page.wait_for_function("!document.querySelector('[data-testid=\"stStatusWidget\"]')")
    page.wait_for_timeout(1500)


def save(page: Any, path: Path) -> None:
    """Write what is in the window, with a palette: flat colours need no more."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {size / 1000:.0f} kB")
    if size > LARGEST:
        sys.exit(f"{path.name} is larger than {LARGEST / 1000:.0f} kB")


if __name__ == "__main__":
    main()
