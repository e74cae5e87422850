'''Studies: a space, a search over it, its trials and its front.

>>> config = study_config("""
... study = {name = "small", trials = 3, sampler = "random"}
... space = {name = "pocket"}
... objectives = {minimise = ["params", "macs"]}
... """)
>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     study = run_study(config, storage=f"{folder}/studies.db")
>>> study.done, list(trial_table(study))[:3]
(3, ['trial', 'design', 'digest'])
>>> {trial.state for trial in front(study)}
{'COMPLETE'}
'''

import os
from pathlib import Path

import pandas as pd

from search_space.design_space import DesignSpace
from search_space.load_space import load_space
from search_space.network import Network
from search_space.sample import draw
from studies import runner
from studies.config import StudyConfig, load_config, parse_config
from studies.reading import StudyData, open_for_reading, study_data
from studies.reading import read_names as names_in
from studies.reading import read_study as read_from
from studies.records import TrialRecord
from studies.report import write_report
from studies.runner import Watch
from studies.store import storage_url
from studies.summary import best_designs


def space(name_or_path: str | os.PathLike[str]) -> DesignSpace:
    """Return a search space: the name of one that ships, or the path of a TOML file.

    Raises :class:`WalkbenchError` for an unknown name, axis or bound.
    """
    return load_space(os.fspath(name_or_path))


def sample(where: DesignSpace, count: int, seed: int = 0) -> list[Network]:
    """Return ``count`` designs of a space, each axis drawn uniformly over its bounds.

    A longer list of the same seed begins with a shorter one's designs; designs may repeat.
    """
    return draw(where, count, seed)


def study_config(text_or_path: str | os.PathLike[str]) -> StudyConfig:
    """Return a study's config: the name of one that ships, a TOML file's path, or TOML text.

    Text is what holds a line break. Raises :class:`WalkbenchError` naming the offending value and
    what is allowed.
    """
    given = os.fspath(text_or_path)
    return parse_config(given, "config") if "\n" in given else load_config(given)


def run_study(
    config: StudyConfig | str | os.PathLike[str],
    *,
    trials: int | None = None,
    storage: str | None = None,
    watch: Watch | None = None,
) -> StudyData:
    """Run a study, or resume it, until ``trials`` are done, and return it.

    ``trials`` is the config's number by default; ``storage`` a SQLite file or a database URL, by
    default the one that the commands use. ``watch`` receives each step of training and each trial
    that ended. An interruption keeps what is finished. Raises :class:`WalkbenchError` for a storage
    that cannot be used and for a study of this name whose trials would not compare.
    """
    settings = config if isinstance(config, StudyConfig) else study_config(config)
    return study_data(runner.run_study(settings, trials=trials, storage=storage, watch=watch).study)


def study_names(storage: str | None = None) -> list[str]:
    """Return the names of the studies in a storage; raises :class:`WalkbenchError` for none."""
    return names_in(open_for_reading(storage_url(storage)))


def read_study(name: str, storage: str | None = None) -> StudyData:
    """Return a study as it stands, also while it runs; nothing is written.

    Raises :class:`WalkbenchError` where the storage or the study does not exist.
    """
    return read_from(open_for_reading(storage_url(storage)), name)


def front(study: StudyData) -> list[TrialRecord]:
    """Return the designs within budget that no other design dominates, each once."""
    return best_designs(study)


def trial_table(study: StudyData) -> pd.DataFrame:
    """Return one row per trial, with a column for each objective.

    Besides ``trial`` (its number), ``design``, ``digest``, ``state``, ``feasible``, ``on_front``,
    ``params``, ``macs``, ``latency_ms`` with ``low_ms`` and ``high_ms`` (80 %), ``loss`` with its
    ``stderr``. What a trial lacks is missing.
    """
    best = {trial.number for trial in best_designs(study)}
    return pd.DataFrame([_row(study, trial, trial.number in best) for trial in study.trials])


def _row(study: StudyData, trial: TrialRecord, on_front: bool) -> dict[str, object]:
    cost, latency, score = trial.cost, trial.latency, trial.score
    return {
        "trial": trial.number,
        "design": trial.label,
        "digest": trial.digest,
        "state": trial.state,
        "feasible": trial.feasible,
        "on_front": on_front,
        **{name: trial.value(name) for name in study.objectives},
        "params": cost and cost.params,
        "macs": cost and cost.macs,
        "latency_ms": latency and latency.ms,
        "low_ms": latency and latency.low,
        "high_ms": latency and latency.high,
        "loss": score and score.value,
        "stderr": score and score.stderr,
    }


def report(study: StudyData, path: str | os.PathLike[str]) -> Path:
    """Write a study's report, one HTML file with its figures, and return its path."""
    written = Path(path)
    write_report(study, written)
    return written
