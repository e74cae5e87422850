"""Both pages in a real browser: they draw, a click shows a design, nothing is fetched elsewhere."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

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

# Where the first point of the named designs that is not ringed lies on the screen, and its trial.
FIND_POINT = """
() => {
    const plot = document.querySelector('.js-plotly-plot');
    const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
    const trace = plot.data.find(t => t.name === 'named');
    const ring = plot.data.find(t => !t.customdata && t.mode === 'markers');
    const i = trace.x.findIndex(x => x !== ring.x[0]);
    return {trial: trace.customdata[i][0], name: trace.customdata[i][1].match(/<b>(.*)<\\/b>/)[1],
            x: box.left + xaxis._offset + xaxis.d2p(trace.x[i]),
            y: box.top + yaxis._offset + yaxis.d2p(trace.y[i])};
}
"""
FIND_STEP = """
step => {
    const plot = document.querySelector('.js-plotly-plot');
    const {xaxis, yaxis} = plot._fullLayout, box = plot.getBoundingClientRect();
    const trace = plot.data[0], i = trace.x.indexOf(step);
    return {x: box.left + xaxis._offset + xaxis.d2p(trace.x[i]),
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


def test_both_pages_draw_and_a_click_shows_a_design(
    chromium: str, address: str, tmp_path: Path
) -> None:
    from playwright.sync_api import expect, sync_playwright

    errors: list[str] = []
    elsewhere: list[str] = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, headless=True, args=FLAGS)
        page = browser.new_page(viewport={"width": 1280, "height": 1400})
        page.set_default_timeout(WAIT_MS)
        expect.set_options(timeout=WAIT_MS)
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda r: elsewhere.append(r.url) if _leaves(r.url, address) else None)

        page.goto(address)
        page.wait_for_selector(".js-plotly-plot .scatterlayer .point")
        page.wait_for_selector(".js-plotly-plot .annotation-text")
        _settle(page)
        spot = page.evaluate(FIND_POINT)
        page.mouse.move(spot["x"], spot["y"])  # a click selects what is hovered over
        page.wait_for_selector(".js-plotly-plot .hoverlayer .hovertext")
        page.mouse.click(spot["x"], spot["y"])
        heading = f"{spot['name']}, trial {spot['trial']}"
        expect(page.get_by_role("heading", name=heading)).to_be_visible()
        expect(page.get_by_role("cell", name="channels", exact=True).first).to_be_visible()
        page.get_by_role("tab", name="Against snapgen-imagenet").click()
        expect(page.get_by_role("columnheader", name=f"trial {spot['trial']}")).to_be_visible()
        _settle(page)
        page.screenshot(path=tmp_path / "pareto.png")

        page.get_by_role("link", name="Design walk").click()
        expect(page.get_by_role("heading", name="Design walk")).to_be_visible()
        page.wait_for_selector(".js-plotly-plot .scatterlayer .point")
        _settle(page)
        spot = page.evaluate(FIND_STEP, "separable")
        page.mouse.move(spot["x"], spot["y"])
        page.wait_for_selector(".js-plotly-plot .hoverlayer .hovertext")
        page.mouse.click(spot["x"], spot["y"])
        expect(page.get_by_role("heading", name="M/separable: ")).to_be_visible()
        expect(page.get_by_role("cell", name="stages 1, 2, 3 · convs · kind")).to_be_visible()
        _settle(page)
        page.screenshot(path=tmp_path / "walk.png")

        assert page.locator('[data-testid="stException"]').count() == 0
        browser.close()
    assert not errors
    assert not elsewhere
    for name in ("pareto.png", "walk.png"):
        assert (tmp_path / name).stat().st_size > 20_000  # a blank page is a few thousand bytes


def _settle(page) -> None:
    """Wait until Streamlit is idle and the plot stands still."""
    page.wait_for_function("!document.querySelector('[data-testid=\"stStatusWidget\"]')")
    page.wait_for_timeout(400)


def _leaves(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:", address.replace("http", "ws")))
