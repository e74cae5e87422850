"""What can be exported: a named spec, a spec file, or the design of a study's trial.

>>> find_design("sd15").name
'sd15'
>>> find_design("sd15", study="demo")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: 'sd15' is no trial number, so --study demo has no meaning;
leave it out
"""

from dataclasses import dataclass
from typing import Any

from search_space.errors import WalkbenchError
from search_space.load import load_spec
from search_space.spec import UNetSpec


@dataclass(frozen=True)
class Design:
    """A spec with what is known of it. ``trial`` says which trial of which study it comes from."""

    spec: UNetSpec
    name: str | None = None
    latency: dict[str, Any] | None = None
    score: dict[str, Any] | None = None
    trial: dict[str, Any] | None = None


def find_design(text: str, study: str | None = None, storage: str | None = None) -> Design:
    """Return the design of trial ``text`` if that is a number, else of the spec of that name.

    A storage with one study needs no ``study``. Raises :class:`WalkbenchError` naming the trials,
    studies or specs there are.
    """
    if text.isdecimal():
        return _of_trial(int(text), study, storage)
    for option, value in (("--study", study), ("--storage", storage)):
        if value is not None:
            raise WalkbenchError(
                f"{text!r} is no trial number, so {option} {value} has no meaning; leave it out"
            )
    return Design(load_spec(text), name=text)


def _of_trial(number: int, name: str | None, storage: str | None) -> Design:
    from studies.reading import study_data
    from studies.store import open_storage, open_study, storage_url, study_names
    from studies.summary import latency_dict, score_dict

    opened = open_storage(storage_url(storage))
    if name is None:
        known = study_names(opened)
        if len(known) != 1:
            raise WalkbenchError(
                f"trial {number} of which study? name it with --study; "
                f"known: {', '.join(known) or 'none'}"
            )
        name = known[0]
    found = study_data(open_study(opened, name)).trial(number)
    if not found.spec:
        raise WalkbenchError(
            f"trial {number} of study {name!r} has no spec ({found.state.lower()}); "
            f"`walkbench study best {name} --all` lists those that have"
        )
    return Design(
        UNetSpec.from_dict(found.spec),
        name=found.name,
        latency=latency_dict(found),
        score=score_dict(found),
        trial={
            "study": name,
            "number": number,
            "state": found.state,
            "values": dict(found.values),
            "feasible": found.feasible,
            "provenance": found.provenance,
        },
    )
