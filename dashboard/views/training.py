"""Training runs: the curves and the pictures of `walkbench train`, while it runs."""

import csv
import math
import time
from pathlib import Path

import streamlit as st

from dashboard import bound
from dashboard.cards import plain, show_figure
from dashboard.found_files import LOG, runs_root, training_runs
from studies.figures.training import training_figure

EVERY_S = 5.0
QUIET_S = 120.0  # without a new line for so long a run counts as ended
GRIDS = 6


def read_columns(folder: Path) -> dict[str, list[float | None]]:
    """Return the log's columns; None for what is empty or not finite. Skips a half-written line."""
    columns: dict[str, list[float | None]] = {}
    with (folder / LOG).open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            if not (row.get("step") or "").isdecimal() or None in row.values():
                continue
            for name, text in row.items():
                columns.setdefault(name, []).append(_number(text))
    return columns


def _number(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def last(column: list[float | None]) -> float | None:
    """Return the newest number of a column."""
    return next((value for value in reversed(column) if value is not None), None)


@st.fragment(run_every=EVERY_S)
def show_run(name: str, folder: Path) -> None:
    """Show one run, anew every few seconds."""
    try:
        columns = read_columns(folder)
        quiet = time.time() - (folder / LOG).stat().st_mtime
    except OSError as error:
        st.error(f"The log of {name} cannot be read: {error.strerror}.")
        return
    if not columns:
        st.info("The run has logged no step yet.")
        return
    words = {
        "step": "{:,.0f}", "loss": "loss {:.4f}", "validation_loss": "validation {:.4f}",
        "psnr": "PSNR {:.2f} dB", "ssim": "SSIM {:.3f}",
        "pictures_per_second": "{:,.1f} pictures/s",
    }  # fmt: skip
    now = [
        text.format(value) if key != "step" else f"step {value:,.0f}"
        for key, text in words.items()
        if (value := last(columns.get(key, []))) is not None
    ]
    state = "running" if quiet < QUIET_S else f"no new line for {quiet / 60:,.0f} minutes"
    st.markdown(plain(f"{state}: {', '.join(now)}"))
    show_figure(training_figure(columns), "training_curve", f"Curve of {name}")
    pictures = sorted(folder.glob("*/step-*.png"))[-GRIDS:]
    if pictures:
        beside = "each beside its reconstruction" if "psnr" in columns else "from the same noise"
        st.subheader(f"Pictures, {beside}", anchor=False)
        for place, path in zip(st.columns(3) * GRIDS, reversed(pictures), strict=False):
            step = path.stem.removeprefix("step-").lstrip("0") or "0"
            place.image(path.read_bytes(), caption=f"step {step}")


found = training_runs(runs_root())
if not found:
    st.info(f"No training run lies in {runs_root()}.")
    st.code("walkbench train BUNDLE --to runs/NAME", language="bash")
    st.stop()
name = st.selectbox(
    "Run", list(found), key=bound.start("run", list(found), next(iter(found))), bind=bound.BIND
)
show_run(name, found[name])
