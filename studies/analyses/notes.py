"""What the signs in tables and figures of a study mean, each said only where it occurs."""

from collections.abc import Sequence

from studies.analyses.columns import does_not_rank
from studies.metrics import METRICS
from studies.records import TrialRecord

EXACT = "Params and MACs are exact."
FRONT = "● on the Pareto front, ★ a named design."
LATENCY = (
    "Latency: {device}, ○ estimated, ■ measured, ◧ partly measured; 80 % interval in brackets."
)
LOSS = (
    "Proxy loss: validation of a short training run of a small twin, ± standard error over "
    "samples. {ranks} It does not measure image quality."
)
RANKS = {
    False: "It ranks designs roughly.",
    True: "Not a ranking: validation showed that runs this short do not order designs as long "
    "training does.",
}


def sign_notes(trials: Sequence[TrialRecord]) -> tuple[str, ...]:
    """Return the notes on the metrics that ``trials`` have."""
    notes = [EXACT]
    devices = dict.fromkeys(t.latency_origin.device for t in trials if t.latency_origin)
    if devices:
        notes.append(LATENCY.format(device=", ".join(devices)))
    if any(trial.score for trial in trials):
        unranked = does_not_rank(METRICS.get("proxy_loss"), trials)
        notes.append(LOSS.format(ranks=RANKS[unranked]))
    return tuple(notes)
