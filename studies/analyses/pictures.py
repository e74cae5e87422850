"""Whole pictures on a study's front: what each is made of, and where its time goes."""

from typing import Any

from search_space.errors import WalkbenchError
from search_space.presets import name_of
from studies.analyses.card import Card, CardColumn, CardTable
from studies.analyses.notes import LATENCY
from studies.figures.picture_parts import picture_parts_figure
from studies.metrics import METRICS
from studies.picture_metrics import OVERHEAD_MS, PICTURE, PROGRAMS
from studies.reading import StudyData
from studies.records import TrialRecord
from studies.summary import front_and_named

PARTS = (*PROGRAMS, OVERHEAD_MS)
NOTES = (
    "A picture's time is the sum of its parts; its interval is narrower than theirs added up, as "
    "one phone and one lab err alike in all of them.",
    "Picture error adds mean squared errors after short training: of the UNet's twin in velocity, "
    "few steps and few bits, and of the decoder's. Nobody has shown that it ranks pictures.",
)
SHOWN = ("picture_s", "picture_mb", "disk_mb", "picture_error")


def pictures(study: StudyData) -> list[Card]:
    """Return the card of the front's pictures and the named ones; none in other studies."""
    trials = [trial for trial in front_and_named(study) if trial.kind == PICTURE and trial.programs]
    if not trials:
        return []
    metrics = [METRICS.get(name) for name in SHOWN if any(trial.measured(name) for trial in trials)]
    columns = (
        CardColumn("picture"),
        CardColumn("UNet", under="picture"),
        CardColumn("decoder", under="picture"),
        CardColumn("steps", right=True),
        CardColumn("bits", right=True, under="steps"),
        *(CardColumn(part.column, right=True, optional=True) for part in PARTS),
        *(CardColumn(metric.column, right=metric.is_exact) for metric in metrics),
    )
    rows = tuple(
        (
            trial.label,
            *_made_of(trial),
            *(_bare(part.measure(trial)) for part in PARTS),
            *(metric.cell(trial.measured(metric.name)) for metric in metrics),
        )
        for trial in trials
    )
    bars = [(trial.label, _seconds(trial)) for trial in trials]
    devices = dict.fromkeys(t.latency_origin.device for t in trials if t.latency_origin)
    words = f"{len(trials)} pictures on the front or with a name; times are of one picture."
    return [
        Card(
            "Where a picture's time goes",
            (words,),
            picture_parts_figure(bars),
            CardTable(columns, rows),
            (LATENCY.format(device=", ".join(devices)), *NOTES),
        )
    ]


def _made_of(trial: TrialRecord) -> tuple[str, str, str, str]:
    """Return UNet, decoder, steps and bits; dashes for a design of another version."""
    try:
        picture: Any = trial.network
    except WalkbenchError:
        return "–", "–", "–", "–"
    guided = ", guided" if picture.guidance else ""
    named = [name_of(part) or part.digest() for part in (picture.unet, picture.decoder)]
    return named[0], named[1], f"{picture.steps}{guided}", str(picture.bits)


def _seconds(trial: TrialRecord) -> dict[str, float]:
    """Return the seconds of each part by its title."""
    found = {part.title: part.measure(trial) for part in PARTS}
    return {title: one.value / 1e3 for title, one in found.items() if one is not None}


def _bare(found: Any) -> str:
    return "–" if found is None else f"{found.value:,.0f}"
