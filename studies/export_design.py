"""Find what to export: a named spec, a spec file, or the design of a study's trial.

>>> find_design("sd15").name
'sd15'
>>> find_design("sd15", study="demo")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: 'sd15' is not a trial number, so --study demo does not apply;
leave it out
"""

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from search_space.errors import WalkbenchError
from search_space.load import load_spec
from search_space.spec import UNetSpec

if TYPE_CHECKING:
    from studies.reading import StudyData
    from studies.records import TrialRecord


@dataclass(frozen=True)
class Exportable:
    """A spec with its known figures; ``trial`` is the study and trial it comes from."""

    spec: UNetSpec
    name: str | None = None
    latency: dict[str, Any] | None = None
    score: dict[str, Any] | None = None
    trial: dict[str, Any] | None = None


def find_design(text: str, study: str | None = None, storage: str | None = None) -> Exportable:
    """Return the design of trial number ``text``, or of the spec named or stored in ``text``.

    ``study`` may be omitted if the storage has only one. Raises :class:`WalkbenchError` with the
    known trials, studies or specs.
    """
    if text.isdecimal():
        return _of_trial(int(text), study, storage)
    for option, value in (("--study", study), ("--storage", storage)):
        if value is not None:
            raise WalkbenchError(
                f"{text!r} is not a trial number, so {option} {value} does not apply; leave it out"
            )
    return Exportable(load_spec(text), name=text)


def trial_of(number: int, name: str | None, storage: str | None) -> "tuple[StudyData, TrialRecord]":
    """Return the study and the record of a trial that has a design.

    Raises :class:`WalkbenchError` with the known studies or the way to find a trial.
    """
    from studies.reading import study_data
    from studies.store import open_storage, open_study, storage_url, study_names

    opened = open_storage(storage_url(storage))
    if name is None:
        known = study_names(opened)
        if len(known) != 1:
            raise WalkbenchError(
                f"trial {number} of which study? name it with --study; "
                f"known: {', '.join(known) or 'none'}"
            )
        name = known[0]
    whole = study_data(open_study(opened, name))
    found = whole.trial(number)
    if not found.spec:
        raise WalkbenchError(
            f"trial {number} of study {name!r} has no spec ({found.state.lower()}); "
            f"`walkbench study best {shlex.quote(name)} --all` lists those that have"
        )
    return whole, found


def _of_trial(number: int, name: str | None, storage: str | None) -> Exportable:
    whole, found = trial_of(number, name, storage)
    return exportable_trial(whole, found)


def exportable_trial(whole: "StudyData", found: "TrialRecord") -> Exportable:
    """Return what an export says of trial ``found`` of study ``whole``.

    Raises :class:`WalkbenchError` where the trial has no UNet.
    """
    from studies.picture_metrics import PICTURE
    from studies.summary import latency_dict, score_dict

    return Exportable(
        _unet_of(found),
        name=found.name,
        latency=None if found.kind == PICTURE else latency_dict(found),  # that is all programs'
        score=score_dict(found),
        trial={
            "study": whole.name,
            "number": found.number,
            "state": found.state,
            "rung": found.rung + 1,
            "rungs": max(len(whole.shared.rungs), 1),
            "values": dict(found.values),
            "feasible": found.feasible,
            "over_budget": [name for name, miss in found.constraints.items() if miss > 0],
            "provenance": found.provenance,
        },
    )


def _unet_of(trial: "TrialRecord") -> UNetSpec:
    """Return the UNet of a trial, also where it is a whole picture's."""
    from studies.candidate import trained_part

    network = trained_part(trial.network)
    if not isinstance(network, UNetSpec):
        raise WalkbenchError(
            f"trial {trial.number} is a network of kind {network.kind}; only UNets are exported"
        )
    return network
