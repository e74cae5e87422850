"""Take the pictures in README.md and docs/ from the running dashboard.

Writes docs/images/*.png, from the example study or from the study named. Needs Chromium on the
PATH. Expected: a minute, each picture below 300 kB.

    .venv/bin/python -m benchmarks.screenshots
    .venv/bin/python -m benchmarks.screenshots --storage runs/walkbench.db --study demo
"""

import argparse
import io
import sys
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

from benchmarks.browser import WAIT_MS, chromium, served, settle
from dashboard.storages import example_storage

IMAGES = Path(__file__).parents[1] / "docs" / "images"
LARGEST = 300_000  # bytes


@dataclass(frozen=True)
class Shot:
    """A picture of the page at ``address``."""

    address: str
    width: int = 1280
    height: int = 1000
    scheme: str = "light"


SHOTS = {
    "overview": Shot("overview", height=900),
    "pareto": Shot("pareto"),
    "design": Shot("design", height=1100),
    "walk": Shot("walk", height=1230),
    "latency": Shot("latency", height=900),
    "phone": Shot("pareto", 390, 1000, "dark"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--storage", default=example_storage(), help="URL or SQLite file")
    parser.add_argument("--study", help="the study to show; the first one by default")
    parser.add_argument("--to", type=Path, default=IMAGES, help="folder of the pictures")
    arguments = parser.parse_args()
    if arguments.storage is None:
        sys.exit("no example study is installed; name one with --storage")
    arguments.to.mkdir(parents=True, exist_ok=True)
    options = ["--study", arguments.study] if arguments.study else []
    with served(arguments.storage, options=options) as server, chromium() as window:
        for name, shot in SHOTS.items():
            view = {"width": shot.width, "height": shot.height}
            page = window.new_page(viewport=view, color_scheme=shot.scheme)
            page.set_default_timeout(WAIT_MS)
            page.goto(f"{server.address}/{shot.address}")
            page.wait_for_selector('[data-testid="stMain"] h1')
            settle(page, 1500)
            save(page, arguments.to / f"{name}.png")
            page.close()


def save(page: Page, path: Path) -> None:
    """Write what is in the window, with a palette: flat colours need no more."""
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(path, optimize=True)
    size = path.stat().st_size
    print(f"{path.name}: {size / 1000:.0f} kB")
    if size > LARGEST:
        sys.exit(f"{path.name} is larger than {LARGEST / 1000:.0f} kB")


if __name__ == "__main__":
    main()
