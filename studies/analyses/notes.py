"""Notes under tables and figures of a study: what their signs mean, and what does not compare.

>>> ranges([0, 1, 2, 3, 7])
'0–3, 7'
"""

from collections.abc import Iterable, Mapping, Sequence

from studies.analyses.columns import does_not_rank
from studies.metrics import METRICS
from studies.reading import StudyData
from studies.records import TrialRecord

SAMPLED = 100  # trials whose records say of what kind the numbers are
EXACT = "Params and MACs are exact."
RUNGS = (
    "Losses compare within one rung only: the front is that of the highest rung that any design "
    "has reached, and designs below it are not on it."
)
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
    return (*notes, *_mixtures(trials))


def table_notes(study: StudyData) -> tuple[str, ...]:
    """Return the notes on a study's metrics, from the records of a few of its trials."""
    front = study.table.distinct(study.table.front(study.objectives))[:SAMPLED].tolist()
    return sign_notes(study.chosen(front))


def _mixtures(trials: Sequence[TrialRecord]) -> list[str]:
    """Warn of numbers that do not compare: those of several latency models or training settings."""
    priced = {t.number: t.latency_origin.revision for t in trials if t.latency_origin}
    top = max((t.rung for t in trials), default=0)  # lower rungs differ, and say so themselves
    scored = {t.number: t.score.fidelity.settings for t in trials if t.score and t.rung == top}
    return [
        f"{what} do not compare across trials: {', '.join(parts)}."
        for what, found in (("Latencies", priced), ("Losses", scored))
        if len(parts := _parts(found)) > 1
    ]


def _parts(found: Mapping[int, str | None]) -> list[str]:
    """Write which trials have which revision."""
    trials_of: dict[str | None, list[int]] = {}
    for number, revision in found.items():
        trials_of.setdefault(revision or None, []).append(number)
    words = {one: f"revision {one}" if one else "an unknown one" for one in trials_of}
    return [f"trials {ranges(n)} are of {words[one]}" for one, n in trials_of.items()]


def ranges(numbers: Iterable[int]) -> str:
    """Write numbers in order as ranges: 0–3, 7."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1][1:] = [number]
        else:
            parts.append([number])
    return ", ".join("–".join(map(str, part)) for part in parts)
