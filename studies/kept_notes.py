"""Notes that people keep on the trials of a study, where optuna-dashboard keeps and shows them too.

Optuna refuses attributes of a trial that has finished, so a note is an attribute of the study, in
pieces that fit a column. :mod:`studies.trial_notes` writes the first note of a trial; people change
it.

>>> study = optuna.create_study()
>>> study.add_trial(optuna.create_trial(value=1.0))
>>> keep_note(study, 0, "try it again with MQA", before="")
>>> attributes = study._storage.get_study_system_attrs(study._study_id)
>>> note_among(attributes, study.trials[0]._trial_id)
'try it again with MQA'
"""

from collections.abc import Mapping
from typing import Any

import optuna

from search_space.errors import WalkbenchError
from studies.trial_notes import LONGEST as PIECE

LONGEST = 20_000  # characters of a note


def note_among(attributes: Mapping[str, Any], trial: int) -> str:
    """Return the note on the trial that the storage calls ``trial``; empty without one."""
    prefix = f"dashboard:{trial}:note_str:"
    pieces = {int(k.removeprefix(prefix)): v for k, v in attributes.items() if k.startswith(prefix)}
    return "".join(str(pieces[place]) for place in sorted(pieces))


def keep_note(study: optuna.Study, number: int, text: str, before: str) -> None:
    """Keep ``text`` as the note on trial ``number``, in place of ``before``.

    Raises :class:`WalkbenchError` for a trial that is not there, for a text that is too long, and
    where somebody else has changed the note.
    """
    if len(text) > LONGEST:
        raise WalkbenchError(f"the note has {len(text):,} characters; {LONGEST:,} at most are kept")
    trials = study.get_trials(deepcopy=False)
    if not 0 <= number < len(trials):
        raise WalkbenchError(f"study {study.study_name!r} has no trial {number}")
    trial = trials[number]._trial_id
    storage, where = study._storage, study._study_id
    attributes = storage.get_study_system_attrs(where)
    if (now := note_among(attributes, trial)) != before:
        raise WalkbenchError(f"somebody else has changed the note meanwhile; it is now {now!r}")
    version = int(attributes.get(f"dashboard:{trial}:note_ver", 0)) + 1
    storage.set_study_system_attr(where, f"dashboard:{trial}:note_ver", version)
    pieces = [text[start : start + PIECE] for start in range(0, len(text), PIECE)]
    former = sum(key.startswith(f"dashboard:{trial}:note_str:") for key in attributes)
    for place, piece in enumerate([*pieces, *[""] * (former - len(pieces))]):
        storage.set_study_system_attr(where, f"dashboard:{trial}:note_str:{place}", piece)
