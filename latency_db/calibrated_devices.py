"""Calibrated phones on disk: their anchors, under the name that studies use as a device.

A file holds what was measured, not the posterior: a newer fit reads the same anchors and says so by
its revision. Files are in `devices/` under WALKBENCH_HOME, or the user's data folder.

>>> calibrated_path("My iPhone").name
'myiphone.json'
"""

import csv
import json
import math
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from latency_db.calibrate import Anchor, Calibration, calibrate_chip
from latency_db.devices import chip_of, is_known, plain_name
from latency_db.estimate import ChipEstimate
from search_space.atomic import atomic_write
from search_space.errors import WalkbenchError
from search_space.load import load_network
from search_space.network import network_from_dict
from search_space.resize import resized

FORMAT = 1
COLUMNS = ("spec", "ms")
OPTIONAL = ("device", "latent", "tokens", "batch")


def read_anchors(path: Path, device: str) -> list[Anchor]:
    """Read anchors from a CSV with the columns spec and ms, and device, latent, tokens, batch.

    ``spec`` is a named design or the path of a JSON file. Raises :class:`WalkbenchError` naming the
    line for a missing column, a value that is no number, and an anchor of another chip.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, skipinitialspace=True)
            names, lines = list(reader.fieldnames or []), list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        reason = getattr(error, "strerror", None) or "is not text in columns"
        raise WalkbenchError(f"anchors {path}: {reason}; name a readable CSV") from None
    missing = [name for name in COLUMNS if name not in names]
    unknown = [name for name in names if name not in (*COLUMNS, *OPTIONAL)]
    if missing or unknown:
        problem = f"no column {missing[0]!r}" if missing else f"an unknown column {unknown[0]!r}"
        raise WalkbenchError(
            f"anchors {path} have {problem}; needed: {', '.join(COLUMNS)}; "
            f"allowed: {', '.join(OPTIONAL)}"
        )
    return [_anchor(line, device, f"{path.name} line {i}") for i, line in enumerate(lines, start=2)]


def _anchor(line: dict[str, Any], device: str, where: str) -> Anchor:
    cells = {name: (line.get(name) or "").strip() for name in (*COLUMNS, *OPTIONAL)}
    other = cells["device"]
    if other and chip_of(other) != chip_of(device):
        raise WalkbenchError(
            f"{where}: {cells['spec']} was timed on {other} ({chip_of(other)}), not on {device} "
            f"({chip_of(device)}); keep anchors of one chip in a file"
        )
    latent, tokens, batch = (
        int(_number(cells, name, where)) if cells[name] else None
        for name in ("latent", "tokens", "batch")
    )
    spec = resized(load_network(cells["spec"]), latent, tokens)
    return Anchor(cells["spec"], spec, _number(cells, "ms", where), batch or 1)


def _number(cells: dict[str, str], name: str, where: str) -> float:
    try:
        value = float(cells[name])
    except ValueError:
        value = math.nan
    whole = name == "ms" or value.is_integer()
    if not 0 < value < math.inf or not whole:
        what = "a positive number of milliseconds" if name == "ms" else "a positive whole number"
        raise WalkbenchError(
            f"{where}: {name} of {cells['spec']} is {cells[name]!r}; {what} is needed"
        )
    return value


def calibrated_path(name: str) -> Path:
    """Return the file of the calibrated device called ``name``."""
    return _folder() / f"{plain_name(name)}.json"


def calibrated_names() -> list[str]:
    """Return the names of all calibrated devices."""
    if not _folder().is_dir():
        return []
    return sorted(str(_read(path)["name"]) for path in _folder().glob("*.json"))


def save_calibrated(name: str, device: str, anchors: Sequence[Anchor]) -> Calibration:
    """Calibrate ``device`` and keep it as ``name``, replacing that device's earlier calibration.

    Raises :class:`WalkbenchError` for a name that is a phone's or a chip's, or a calibration of
    another device, and as :func:`latency_db.calibrate.calibrate_chip` does; then nothing is
    written.
    """
    if is_known(name) or not plain_name(name):
        raise WalkbenchError(
            f"a calibrated device cannot be called {name!r}, which "
            + ("is a phone or a chip" if plain_name(name) else "has no letter or digit")
            + '; choose another name, such as "my phone"'
        )
    path = calibrated_path(name)
    other = _device_of(path)
    if other is not None and plain_name(other) != plain_name(device):
        raise WalkbenchError(
            f"{name!r} is a calibration of {other}, not of {device}; "
            f"choose another name, or remove {path}"
        )
    found = calibrate_chip(device, anchors)
    data = {
        "format": FORMAT,
        "name": name,
        "device": device,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "anchors": [
            {"name": a.name, "network": a.network.to_dict(), "ms": a.ms, "batch": a.batch}
            for a in anchors
        ],
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(path) as part:
            part.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise WalkbenchError(
            f"{path}: {error.strerror}; set WALKBENCH_HOME to a folder that can be written"
        ) from None
    return found


def calibrated_estimate(name: str) -> ChipEstimate | None:
    """Return the estimate of the calibrated device called ``name``, None if there is none."""
    path = calibrated_path(name)
    if not plain_name(name) or not path.is_file():
        return None
    data = _read(path)
    anchors = [
        Anchor(a["name"], network_from_dict(a["network"]), a["ms"], a["batch"])
        for a in data["anchors"]
    ]
    count = f"{len(anchors)} measured anchor" + ("s" if len(anchors) > 1 else "")
    model = calibrate_chip(data["device"], anchors).model
    return ChipEstimate(model, data["name"], f"estimate calibrated by {count}")


def _read(path: Path) -> dict[str, Any]:
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        if data["format"] != FORMAT:
            raise KeyError(f"format {data['format']}")
        data["name"], data["device"], data["anchors"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WalkbenchError(
            f"{path} is no calibrated device of this version ({error}); calibrate again"
        ) from None
    return data


def _device_of(path: Path) -> str | None:
    """Return the device that the file calibrates; None for no file, and for a damaged one."""
    try:
        return str(_read(path)["device"])
    except WalkbenchError:
        return None


def _folder() -> Path:
    home = os.environ.get("WALKBENCH_HOME")
    if home:
        return Path(home) / "devices"
    base = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(base) / "walkbench" / "devices"
