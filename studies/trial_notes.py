"""A readable note on each trial for optuna-dashboard: name, numbers, stages in words.

optuna-dashboard keeps notes among the study's system attributes. They are written in its form here,
without importing it. Studies that train write the note of each trial as it ends; `walkbench study
notes` writes those that are missing.

>>> from search_space.presets import named_spec
>>> spec = named_spec("F/mqa")
>>> trial = TrialRecord(7, "PRUNED", name="F/mqa", digest=spec.digest(), spec=spec.to_dict(),
...                     feasible=False, constraints={"params": 0.1})
>>> print(note_of(trial))
**F/mqa** `4d35f741103e` · trial 7 · over budget: parameters by 10.0 %
<BLANKLINE>
- stage 1: 128² · 256 channels, separable ×2 convs
- stage 2: 64² · 512 channels, 8 heads, 1 KV · FFN ×3, separable ×2 convs
...
"""

from typing import Any

import optuna
from optuna.trial import FrozenTrial

from search_space.errors import WalkbenchError
from search_space.spec import UNetSpec
from studies.drawing.facts import mid_words, network_facts, stage_words
from studies.metrics import all_metrics, known
from studies.records import TrialRecord

LONGEST = 2045  # characters of an attribute of optuna-dashboard


def note_of(record: TrialRecord) -> str:
    """Return the note of a trial that ended, in Markdown."""
    return "\n".join([_headline(record), "", *_numbers(record), *_stages(record)])


def _headline(record: TrialRecord) -> str:
    name = f"**{record.label}**"
    if record.name and record.digest:
        name += f" `{record.digest}`"
    words = [name, f"trial {record.number}"]
    if record.rung:
        words.append(f"rung {record.rung + 1}")
    if record.outside:
        words.append("added by another tool, scored when read")
    if record.feasible is False:
        missed = [
            f"{metric.phrase if (metric := known(budget)) else budget} by {100 * by:.1f} %"
            for budget, by in record.constraints.items()
            if by > 0
        ]
        words.append(f"over budget: {', '.join(missed)}")
    if record.failed:
        words.append(f"failed: {record.failed}")
    return " · ".join(words)


def _numbers(record: TrialRecord) -> list[str]:
    """Return a line for each metric, uncertain ones with their interval."""
    found = [(metric, record.measured(metric.name)) for metric in all_metrics()]
    lines = [
        f"- {metric.title}: {metric.write(value)}"
        for metric, value in found
        if value is not None and (metric.in_tables or metric.name in record.stored)
    ]
    if record.latency_origin is not None:
        lines.append(f"- device: {record.latency_origin.device}")
    return lines


def _stages(record: TrialRecord) -> list[str]:
    try:
        network = record.network
    except WalkbenchError:
        return []
    if not isinstance(network, UNetSpec):
        return [f"- {', '.join(network_facts(network))}"]
    stages = [
        f"- stage {i + 1}: {', '.join(stage_words(network, i))}" for i in range(len(network.stages))
    ]
    middle = mid_words(network)
    return [*stages, *([f"- {middle}"] if middle else []), f"- {', '.join(network_facts(network))}"]


def write_note(study: optuna.Study, trial: FrozenTrial, record: TrialRecord) -> None:
    """Store the note of ``trial`` where optuna-dashboard looks for it."""
    text, prefix = note_of(record), f"dashboard:{trial._trial_id}:"
    storage, place = study._storage, study._study_id
    for number, start in enumerate(range(0, len(text), LONGEST)):
        part = text[start : start + LONGEST]
        storage.set_study_system_attr(place, f"{prefix}note_str:{number}", part)
    storage.set_study_system_attr(place, _version(trial), 1)


def write_missing_notes(study: optuna.Study, records: list[TrialRecord]) -> int:
    """Write the notes of trials that ended and have none, people's own included; return how many.

    ``records`` are those of all trials of ``study``, in order.
    """
    kept: dict[str, Any] = study._storage.get_study_system_attrs(study._study_id)
    written = 0
    for trial in study.get_trials(deepcopy=False):
        record = records[trial.number]
        if record.settled and record.digest and _version(trial) not in kept:
            write_note(study, trial, record)
            written += 1
    return written


def _version(trial: FrozenTrial) -> str:
    return f"dashboard:{trial._trial_id}:note_ver"
