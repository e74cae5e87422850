"""Pages in a real browser: they draw, follow clicks and links, save files, stay on this machine.

One server and one browser serve all tests. Screenshots of every page are kept in the folder that
WALKBENCH_SCREENSHOTS names, else in pytest's own temporary folder.
"""

import os
import re
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import optuna
import pytest

from benchmarks.browser import FLAGS, find_browser, missing_browser, served, settle
from benchmarks.large_storage import multiply
from dashboard.pages import PAGES
from studies.store import open_storage

pytestmark = [pytest.mark.browser, pytest.mark.command, pytest.mark.slow]

WAIT_MS = 120_000
PHONE, DESKTOP = 390, 1280
LOOKS = {"desktop-light": (DESKTOP, "light"), "desktop-dark": (DESKTOP, "dark"),
         "phone-dark": (PHONE, "dark")}  # fmt: skip
PLOT = "document.querySelector('.st-key-pareto_chart .js-plotly-plot')"

# Where the first named design that is not ringed lies on the screen, and its trial.
FIND_POINT = f"""
() => {{
    const plot = {PLOT};
    const {{xaxis, yaxis}} = plot._fullLayout, box = plot.getBoundingClientRect();
    const trace = plot._fullData.find(t => t.name === 'named');
    const ring = plot._fullData.find(t => t.name === 'chosen');
    const i = [...trace.x].findIndex(x => x !== ring.x[0]);
    return {{trial: trace.customdata[i][0], name: trace.customdata[i][1],
            x: box.left + xaxis._offset + xaxis.d2p(trace.x[i]),
            y: box.top + yaxis._offset + yaxis.d2p(trace.y[i])}};
}}
"""
WIDEST = """
() => Math.max(...[...document.querySelectorAll('[data-testid=stMain] *')]
    .filter(one => !one.closest('.wb, [data-testid=stDataFrame], .js-plotly-plot, pre'))
    .map(one => one.getBoundingClientRect().right))
"""


@pytest.fixture(scope="module")
def storages(small_storage: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Storages by what is in them; the first is opened by default."""
    folder = tmp_path_factory.mktemp("storages")
    small = Path(small_storage.removeprefix("sqlite:///"))
    names = ("small", "running", "later", "large", "empty", "foreign", "broken")
    found = {name: folder / f"{name}.db" for name in names}
    for name in ("small", "running", "later", "large"):
        shutil.copy(small, found[name])
    multiply(found["large"], 10_000)
    optuna.load_study(study_name="small", storage=f"sqlite:///{found['running']}").ask()
    with sqlite3.connect(found["later"]) as database:
        database.execute(
            "UPDATE study_user_attributes SET value_json = replace(value_json, "
            "'\"version\": 2', '\"version\": 9') WHERE key = 'walkbench'"
        )
    open_storage(f"sqlite:///{found['empty']}", create=True)
    found["broken"].write_bytes(small.read_bytes()[:5_000])
    other = optuna.create_study(
        study_name="theirs", storage=f"sqlite:///{found['foreign']}", directions=["minimize"] * 2
    )
    other.optimize(lambda t: (t.suggest_float("x", 0, 1), 1.0), n_trials=3)
    return found


@pytest.fixture(scope="module")
def address(storages: dict[str, Path]) -> Iterator[str]:
    """`walkbench dashboard` on all storages, as a user starts it."""
    if find_browser() is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(missing_browser())
    folder = next(iter(storages.values())).parent
    with served(*(path.name for path in storages.values()), cwd=folder) as server:
        yield server.address


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT_MS)
    with sync_playwright() as playwright:
        window = playwright.chromium.launch(executable_path=find_browser(), args=list(FLAGS))
        yield window
        window.close()


@pytest.fixture
def open_at(browser, address: str):
    """Open a page of the dashboard; nothing may fail in it or be fetched elsewhere."""
    errors: list[str] = []
    elsewhere: list[str] = []
    contexts = []

    def open_at(path: str = "", width: int = DESKTOP, scheme: str = "light"):
        contexts.append(
            browser.new_context(
                viewport={"width": width, "height": 900},
                color_scheme=scheme,
                accept_downloads=True,
            )
        )
        page = contexts[-1].new_page()
        page.set_default_timeout(WAIT_MS)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda r: _leaves(r.url, address) and elsewhere.append(r.url))
        return go(page, path)

    def go(page, path: str):
        page.goto(f"{address}/{path}")
        page.wait_for_selector('[data-testid="stMain"] h1')
        settle(page)
        assert page.locator('[data-testid="stException"]').count() == 0
        return page

    open_at.go = go
    yield open_at
    for context in contexts:
        context.close()
    assert not errors
    assert not elsewhere


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = os.environ.get("WALKBENCH_SCREENSHOTS")
    found = Path(folder) if folder else tmp_path_factory.mktemp("screenshots")
    found.mkdir(parents=True, exist_ok=True)
    return found


@pytest.mark.parametrize("look", list(LOOKS))
def test_every_page_fits_its_window_and_follows_the_theme(open_at, pictures, look) -> None:
    width, scheme = LOOKS[look]
    page = open_at("", width, scheme)
    for name in PAGES.names():
        open_at.go(page, name)
        page.screenshot(path=pictures / f"{name}-{look}.png")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert page.evaluate(WIDEST) <= width + 1, name
        ground = page.evaluate(
            "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
        )
        assert (sum(map(int, re.findall(r"\d+", ground)[:3])) > 380) == (scheme == "light")


def test_a_click_shows_a_design_and_its_link_survives_a_reload(open_at) -> None:
    from playwright.sync_api import expect

    page = open_at("pareto")
    spot = page.evaluate(FIND_POINT)
    page.mouse.move(spot["x"], spot["y"])  # a click selects what is hovered over
    page.wait_for_selector(".js-plotly-plot .hoverlayer .hovertext")
    page.mouse.click(spot["x"], spot["y"])
    chosen = page.get_by_text(f"{spot['name']}, trial {spot['trial']}:")
    expect(chosen).to_be_visible()
    expect(page).to_have_url(re.compile(f"trial={spot['trial']}"))
    page.reload()
    expect(chosen).to_be_visible()


def test_a_slider_cuts_the_cloud_and_its_link_survives_a_reload(open_at) -> None:
    page = open_at("pareto")
    page.get_by_role("button", name="More").click()
    knob = page.get_by_role("slider", name=re.compile("Latency at most"))
    knob.focus()
    drawn = f"() => {PLOT}._fullData.filter(t => t.customdata).reduce((n, t) => n + t.x.length, 0)"
    before = page.evaluate(drawn)
    for _ in range(120):
        page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"n => ({drawn})() < n", arg=before)
    settle(page)
    cut = page.evaluate(drawn)
    assert "budget_latency_ms=" in page.url
    page.reload()
    settle(page)
    assert page.evaluate(drawn) == cut < before


def test_figures_are_saved_as_pictures_and_as_numbers(open_at, tmp_path: Path) -> None:
    page = open_at("pareto")
    for kind in ("png", "svg", "csv"):
        with page.expect_download() as saved:
            page.locator(".st-key-pareto_chart_save").get_by_text(kind.upper()).click()
        assert saved.value.suggested_filename == f"proxy-loss-over-latency-of-small.{kind}"
        saved.value.save_as(tmp_path / f"figure.{kind}")
    assert (tmp_path / "figure.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "figure.svg").read_text().startswith("<svg")
    lines = (tmp_path / "figure.csv").read_text().splitlines()
    assert lines[0].startswith("trace,x,y") and any("F/mqa" in line for line in lines)


def test_another_storage_shows_its_own_trials(open_at) -> None:
    from playwright.sync_api import expect

    page = open_at("pareto?trial=6&region=0,200,0,1")
    page.locator(".st-key-choice_of_study button").first.click()
    page.get_by_label("Storage").first.click()
    page.get_by_role("option", name="large.db", exact=True).click()
    expect(page.get_by_text("10,000").first).to_be_attached()
    settle(page)
    assert "region=0" not in page.url and "storage=large.db" in page.url


@pytest.mark.parametrize(
    ("storage", "said"),
    [
        ("empty.db", "holds no study yet"),
        ("broken.db", "cannot be"),
        ("later.db", "upgrade walkbench"),
        ("foreign.db", "another program"),
        ("nowhere.db", ""),  # an address opens no file; the first storage is shown
    ],
)
def test_a_storage_without_a_study_of_ours_is_explained(open_at, pictures, storage, said) -> None:
    page = open_at(f"?storage={storage}")
    page.screenshot(path=pictures / f"overview-{storage.removesuffix('.db')}.png")
    assert said in page.inner_text('[data-testid="stMain"]')


def test_a_running_study_is_followed(open_at, storages) -> None:
    page = open_at("?storage=running.db")
    study = optuna.load_study(study_name="small", storage=f"sqlite:///{storages['running']}")
    study.ask()
    page.wait_for_function(
        "() => [...document.querySelectorAll('[data-testid=stMetric]')]"
        ".some(one => /running\\s*2/.test(one.innerText))"
    )


def test_ten_thousand_trials_are_drawn_and_listed_on_every_page(open_at, pictures) -> None:
    page = open_at("pareto?storage=large.db")
    for name in PAGES.names():
        open_at.go(page, f"{name}?storage=large.db")
        page.screenshot(path=pictures / f"{name}-large.png")


def test_two_browsers_look_at_different_studies(open_at) -> None:
    one, other = open_at("pareto?storage=small.db&trial=1"), open_at("pareto?storage=large.db")
    one.get_by_role("button", name="Refresh").click()
    settle(one)
    assert "trial=1" in one.url and "storage=large.db" in other.url
    assert "10,000" not in one.inner_text('[data-testid="stMain"]')


def _leaves(url: str, address: str) -> bool:
    return not url.startswith((address, "data:", "blob:", address.replace("http", "ws")))
