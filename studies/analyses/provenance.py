"""Settings of a study, and the machines and versions that ran it."""

import dataclasses
import json
from collections.abc import Iterator, Mapping
from typing import Any

from studies.analyses.card import Card, CardColumn, CardTable
from studies.analyses.notes import ranges
from studies.reading import StudyData
from studies.summary import study_line

UNRECORDED = "not recorded (version 0.1)"


def provenance(study: StudyData) -> list[Card]:
    """Return a card of settings, and one with a column for each machine and set of versions."""
    if not any(trial.cost for trial in study.trials):
        return []
    return [_settings(study), *_origins(study)]


def _settings(study: StudyData) -> Card:
    shared, line = study.shared, study_line(study)
    lines = {
        "space": f"{shared.space} ({shared.space_digest})",
        "device": shared.device,
        "latency by": shared.latency_by,
        "budgets": dict(shared.budgets),
        "training": shared.proxy,
        "first trial": line["started"],
        "last trial": line["last"],
    }
    for one in shared.revisions:
        since = f" from trial {one.first_trial}" if one.first_trial else ""
        if shared.latency_by:
            lines[f"latency revision{since}"] = one.latency or UNRECORDED
        if shared.proxy:
            lines[f"training revision{since}"] = one.proxy or UNRECORDED
    rows = tuple((name, text) for key, value in lines.items() for name, text in flat(key, value))
    return Card("Settings", table=CardTable((CardColumn("setting"), CardColumn("value")), rows))


def _origins(study: StudyData) -> list[Card]:
    trials_of: dict[str, list[int]] = {}
    for trial in study.trials:
        origin = {key: v for key, v in (trial.provenance or {}).items() if key != "date"}
        if origin:
            trials_of.setdefault(json.dumps(origin, sort_keys=True), []).append(trial.number)
    if not trials_of:
        return []
    origins = [dict(flat("", json.loads(text))) for text in trials_of]
    names = dict.fromkeys(name for origin in origins for name in origin)
    columns = [CardColumn(f"trials {ranges(numbers)}") for numbers in trials_of.values()]
    rows = tuple((name, *(origin.get(name, "–") for origin in origins)) for name in names)
    return [Card("Provenance", table=CardTable((CardColumn("origin"), *columns), rows))]


def flat(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Yield the leaves of nested settings with their places, such as `versions.torch`."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from flat(f"{key}.{name}".lstrip("."), inner)
    else:
        yield key, "–" if value in (None, {}, ()) else str(value)
