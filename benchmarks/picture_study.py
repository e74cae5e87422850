"""A joint study of whole pictures, with trainings of seconds. Writes `results/picture_study.json`
and `results/picture_study.png`, the front.

    python benchmarks/picture_study.py [--storage runs/picture-tiny.db] [--trials 60]

`picture_study.toml` says what is searched. The run goes on where it was stopped; with
`--only-write` the result is written from the trials that are there. Takes about 15 minutes of one
CPU core, and Chromium on the PATH for the figure.
"""

import argparse
import json
import shutil
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from search_space.atomic import write_file
from search_space.presets import name_of
from search_space.provenance import provenance
from studies.config import load_config
from studies.figures.pareto import pareto_figure
from studies.pareto import front
from studies.reading import StudyData, open_for_reading, read_study
from studies.records import TrialRecord
from studies.runner import Silent, run_study
from studies.store import storage_url

HERE = Path(__file__).parent
RESULT, FIGURE = HERE / "results" / "picture_study.json", HERE / "results" / "picture_study.png"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
SHOWN = ("picture_s", "picture_error", "picture_mb", "proxy_loss", "sampling_error")
SHOWN += ("palette_error", "decoder_error")


class Said(Silent):
    """Prints a line for every trial."""

    def trial_ended(self, trial: TrialRecord, done: int, total: int) -> None:
        print(f"{done}/{total}", trial.state, trial.label, trial.failed or "", flush=True)


def row(trial: TrialRecord) -> dict[str, Any]:
    """Return one picture of the front."""
    picture: Any = trial.network
    return {
        "trial": trial.number,
        "unet": name_of(picture.unet) or picture.unet.digest(),
        "decoder": name_of(picture.decoder) or picture.decoder.digest(),
        "steps": picture.steps,
        "bits": picture.bits,
        **{name: round(float(trial.value(name) or 0.0), 4) for name in SHOWN},
    }


def seconds_of(trial: TrialRecord) -> float:
    """Return the seconds that a trial trained its UNet and its decoder."""
    own = [trial.score] if trial.trained else []
    if trial.decoder is not None and trial.decoder.cached_from is None:
        own.append(trial.decoder.score)
    return sum(score.fidelity.seconds for score in own if score is not None)


def result(study: StudyData, note: str) -> dict[str, Any]:
    """Return what the study found."""
    states = [trial.state for trial in study.trials]
    best = front(study.trials, study.objectives)
    return {
        "trials": {state: states.count(state) for state in sorted(set(states))},
        "unets_trained": sum(trial.trained for trial in study.trials),
        "decoders_trained": sum(
            trial.decoder is not None and trial.decoder.cached_from is None
            for trial in study.trials
        ),
        "failed": [trial.failed for trial in study.trials if trial.state == "FAIL"],
        "front": sorted(map(row, best), key=lambda one: one["picture_s"]),
        "training_seconds": round(sum(map(seconds_of, study.trials)), 1),
        "note": note,
        "provenance": provenance(),
    }


def draw(study: StudyData) -> None:
    """Write error over time of all pictures, coloured by memory, as a browser shows it."""
    figure = pareto_figure(
        study.trials, study.objectives, "picture_s", "picture_error",
        colour="picture_mb", budgets=study.shared.budgets,
    )  # fmt: skip
    figure.update_layout(width=980, height=560)
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    with sync_playwright() as playwright:
        window = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox", "--disable-gpu"]
        )
        page = window.new_page(viewport={"width": 1000, "height": 580})
        page.set_default_timeout(600_000)  # a busy machine takes its time
        page.set_content(figure.to_html(include_plotlyjs=True))
        page.wait_for_selector(".main-svg")
        page.screenshot(path=FIGURE)
        window.close()


def main() -> None:
    """Run, and write the result."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--storage", default="runs/picture-tiny.db")
    parser.add_argument("--trials", type=int)
    parser.add_argument("--only-write", action="store_true")
    parser.add_argument("--note", default="", help="what else ran on the machine")
    given = parser.parse_args()
    config = load_config(HERE / "picture_study.toml")
    if not given.only_write:
        Path(given.storage).parent.mkdir(parents=True, exist_ok=True)
        run_study(config, trials=given.trials, storage=given.storage, watch=Said())
    study = read_study(open_for_reading(storage_url(given.storage, None)), config.name)
    found = result(study, given.note)
    write_file(RESULT, json.dumps(found, indent=1) + "\n")
    draw(study)


if __name__ == "__main__":
    main()
