"""How a design trained, in its study: learning curves with their noise, and what its twin draws."""

from proxies.score import difference
from search_space.errors import WalkbenchError
from studies.analyses.card import Card, Picture
from studies.figures.curves import Z_95, curve_points, curves_figure
from studies.formats import interval
from studies.gallery import read_grid
from studies.reading import StudyData
from studies.records import TrialRecord
from studies.summary import front_and_named
from studies.verdict import ONE_SEED_WORDS, WORDS, verdict

MOST = 6  # curves beside the chosen one
BAND = (
    "The band is the 95 % interval over validation samples. All designs see the same samples, so "
    "a difference is surer than two bands, and another training seed moves a curve by more."
)


def learning_curves(study: StudyData, trial: TrialRecord, other: TrialRecord | None) -> Card | None:
    """Return the card of ``trial``'s curve beside ``other``'s and those of front and named designs.

    None for a trial that was not trained, or whose run was validated only at its end.
    """
    score = trial.score
    if score is None or len(curve_points(score)) < 2:
        return None
    beside = [other] if other is not None else []
    beside += [one for one in front_and_named(study) if one.number != trial.number]
    scores = {_name(trial): score}
    for one in beside:
        if one.score is not None and len(curve_points(one.score)) > 1 and len(scores) <= MOST:
            scores.setdefault(_name(one), one.score)
    words = [_ended(trial)]
    if other is not None and (found := _against(trial, other)):
        words.append(found)
    figure = curves_figure(scores, _name(trial))
    return Card("Learning curves", tuple(words), figure, notes=(BAND, WORDS, ONE_SEED_WORDS))


def _name(trial: TrialRecord) -> str:
    return f"{trial.label}, trial {trial.number}" if trial.number >= 0 else trial.label


def _ended(trial: TrialRecord) -> str:
    score = trial.score
    assert score is not None
    if not score.ok:
        return f"The run failed: {score.failed}."
    run = score.fidelity
    return (
        f"{run.steps:,} steps of batch {run.batch} in {run.seconds:,.0f} s, seed {run.seed}, on "
        f"{run.data}: validation loss {score.value:.4f} ± {score.stderr:.4f} (standard error)."
    )


def _against(trial: TrialRecord, other: TrialRecord) -> str:
    """Say how the loss differs from ``other``'s, sample by sample; empty where it cannot be."""
    if trial.score is None or other.score is None or other.digest == trial.digest:
        return ""
    try:
        change = difference(trial.score, other.score)
    except WalkbenchError as error:
        return f"Its loss does not compare with that of {other.label}: {error}."
    low, high = change.value - Z_95 * change.stderr, change.value + Z_95 * change.stderr
    word = verdict(low, high, seeds=1)
    return f"Against {other.label}: {interval(change.value, low, high)}, 95 % interval, {word}."


def samples(study: StudyData, trial: TrialRecord, url: str) -> Card:
    """Return the card of the pictures that the trial's twin drew, or why there are none."""
    title = "What its twin draws"
    try:
        png = read_grid(url, trial, study.trials)
    except WalkbenchError as error:
        reason = str(error)
        return Card(title, (f"{reason[:1].upper()}{reason[1:]}.",))
    words = "Prompts and noise are the same for every trial of the study."
    return Card(title, (words,), pictures=(Picture(f"drawn by {trial.label}", png=png),))
