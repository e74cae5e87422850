"""Pages in a real browser: they draw, follow clicks and links, save files, stay on this machine."""

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from dashboard.pages import PAGES

pytestmark = [pytest.mark.browser, pytest.mark.command]

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WAIT_MS = 180_000  # a busy machine takes its time over the first page

# Where the first named design that is not ringed lies on the screen, and its trial.
FIND_POINT = """
() => {
    const plot = document.querySelector('.st-key-pareto_chart .js-plotly-plot');
    const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
    const trace = plot._fullData.find(t => t.name === 'named');
    const ring = plot._fullData.find(t => t.name === 'chosen');
    const i = [...trace.x].findIndex(x => x !== ring.x[0]);
    return {trial: trace.customdata[i][0], name: trace.customdata[i][1],
            x: box.left + xaxis._offset + xaxis.d2p(trace.x[i]),
            y: box.top + yaxis._offset + yaxis.d2p(trace.y[i])};
}
"""


@pytest.fixture(scope="module")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is None:
        reason = f"none of {', '.join(NAMES)} is on the PATH; install your system's chromium"
        (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
    return found


@pytest.fixture(scope="module")
def address(chromium: str, small_storage: str) -> Iterator[str]:
    """`walkbench dashboard` on the small study, as a user starts it."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).with_name("walkbench")), "dashboard", "--headless"]
    command += ["--storage", small_storage, "--study", "small", "--port", str(port)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        url = f"http://localhost:{port}"
        try:
            _wait_until_healthy(url, process)
            yield url
        finally:
            process.terminate()


def _wait_until_healthy(url: str, process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, process.stderr.read()
        try:
            with urllib.request.urlopen(f"{url}/_stcore/health", timeout=2):
                return
        except OSError:
            time.sleep(0.2)
    pytest.fail("the dashboard did not answer within a minute")


@pytest.fixture
def open_at(chromium: str, address: str):
    """Open a page of the dashboard; nothing may fail or be fetched elsewhere."""
    from playwright.sync_api import expect, sync_playwright

    errors: list[str] = []
    elsewhere: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)

        def open_at(path: str = "", width: int = 1280, scheme: str = "light"):
            context = browser.new_context(
                viewport={"width": width, "height": 1400},
                color_scheme=scheme,
                accept_downloads=True,
            )
            page = context.new_page()
            page.set_default_timeout(WAIT_MS)
            expect.set_options(timeout=WAIT_MS)
            page.on("pageerror", lambda error: errors.append(str(error)))
            page.on(
                "request", lambda r: elsewhere.append(r.url) if _leaves(r.url, address) else None
            )
            page.goto(address + path)
            page.wait_for_selector('[data-testid="stMain"] h1')
            return page

        yield open_at
        browser.close()
    assert not errors
    assert not elsewhere


@pytest.mark.slow
def test_a_click_shows_a_design_and_its_link_survives_a_reload(open_at, tmp_path: Path) -> None:
    from playwright.sync_api import expect

    page = open_at("/pareto")
    page.wait_for_selector(".st-key-pareto_chart .js-plotly-plot .annotation-text")
    _settle(page)
    spot = page.evaluate(FIND_POINT)
    page.mouse.move(spot["x"], spot["y"])  # a click selects what is hovered over
    page.wait_for_selector(".js-plotly-plot .hoverlayer .hovertext")
    page.mouse.click(spot["x"], spot["y"])
    chosen = page.get_by_text(f"{spot['name']}, trial {spot['trial']}:")
    expect(chosen).to_be_visible()
    expect(page).to_have_url(re.compile(f"trial={spot['trial']}"))
    page.reload()
    expect(chosen).to_be_visible()
    for kind in ("png", "svg", "csv"):
        with page.expect_download() as saved:
            page.locator(".st-key-pareto_chart_save").get_by_text(kind.upper()).click()
        saved.value.save_as(tmp_path / f"figure.{kind}")
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "figure.svg").read_text().startswith("<svg")
    assert "F/mqa" in (tmp_path / "figure.csv").read_text()
    assert page.locator('[data-testid="stException"]').count() == 0


@pytest.mark.slow
@pytest.mark.parametrize(("width", "scheme"), [(390, "dark"), (1280, "light")])
def test_every_page_fits_its_window_and_follows_the_theme(open_at, width, scheme) -> None:
    page = open_at("", width, scheme)
    for name in PAGES.names():
        page.goto(f"{page.url.split('/', 3)[0]}//{page.url.split('/', 3)[2]}/{name}")
        page.wait_for_selector('[data-testid="stMain"] h1')
        _settle(page)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.locator('[data-testid="stException"]').count() == 0
        ground = page.evaluate(
            "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
        )
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) > 380) == (scheme == "light")


def _settle(page) -> None:
    """Wait until Streamlit is idle and the plot stands still."""
    page.wait_for_function("!document.querySelector('[data-testid=\"stStatusWidget\"]')")
    page.wait_for_timeout(400)


def _leaves(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:", address.replace("http", "ws")))
