"""What people ask of a study that others run: to end after its running trials, to try a design.

Workers look before each trial. The storage carries the wish, so that it reaches workers on other
machines.

>>> study = optuna.create_study()
>>> ask_to_stop(study)
>>> is_asked_to_stop(study)
True
"""

import optuna

from search_space.errors import WalkbenchError
from search_space.load import load_network
from search_space.presets import all_named
from search_space.space import SearchSpace, shipped_spaces
from studies import record_codec
from studies.trial_log import TrialLog

STOP = "stop"  # the study's attribute


def ask_to_stop(study: optuna.Study) -> None:
    """Let every worker of ``study`` end after the trial that it runs; a later start goes on."""
    study.set_user_attr(STOP, True)


def is_asked_to_stop(study: optuna.Study) -> bool:
    """Whether somebody asked since the study was last started."""
    return bool(study.user_attrs.get(STOP))


def go_on(study: optuna.Study) -> None:
    """Forget the wish to stop: somebody starts the study."""
    if is_asked_to_stop(study):
        study.set_user_attr(STOP, False)


def enqueue_design(study: optuna.Study, name: str) -> int:
    """Let the named design ``name`` be the study's next trial; return its number.

    Raises :class:`WalkbenchError` for an unknown design, for one outside the study's space, for one
    that the study has, and for a study whose space does not ship.
    """
    if name not in all_named():
        load_network(name)  # says which names there are
    network, shared = all_named()[name], record_codec.decode_study(study)
    if shared is None or shared.space not in shipped_spaces():
        theirs = shared.space if shared else None
        raise WalkbenchError(
            f"the study's space {theirs!r} does not ship; name the design under [enqueue] in its "
            "config and run it again"
        )
    space = SearchSpace.load(str(shared.space))
    if space.digest() != shared.space_digest:
        raise WalkbenchError(
            f"the space {shared.space!r} of the study differs from the one that is installed; name "
            "the design under [enqueue] in its config and run it again"
        )
    params, digest = space.params_of(network), network.digest()
    records = TrialLog(study).records()
    had = [r for r in records if r.digest == digest and (r.done or not r.settled)]
    if had:
        raise WalkbenchError(f"trial {had[0].number} is {name} already")
    study.enqueue_trial(params, user_attrs=record_codec.enqueued(name, digest))
    return len(records)
