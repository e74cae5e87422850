"""Make the study that ships with Walkbench, which the dashboard shows where there is none yet.

Writes studies/example/example.db: the study of `studies/configs/demo.toml` with a third more steps,
run on to 20 trials, with every trial's own provenance inside. About ten minutes on two cores.

    .venv/bin/python benchmarks/example_study.py

Stopped, it goes on when run again. To make the study anew, remove the file first.
"""

import dataclasses
import sqlite3
from pathlib import Path

import torch

from studies.config import load_config
from studies.reading import study_data
from studies.runner import run_study
from studies.summary import best_designs

TARGET = Path(__file__).parents[1] / "studies" / "example" / "example.db"
TRIALS, STEPS = 20, 80


def main() -> None:
    torch.set_num_threads(1)  # the same bits on every run
    demo = load_config("demo")
    assert demo.proxy is not None
    proxy = dataclasses.replace(demo.proxy, steps=STEPS)
    config = dataclasses.replace(demo, name="example", proxy=proxy)
    run = run_study(config, trials=TRIALS, storage=str(TARGET))
    study = study_data(run.study)
    on_front = {trial.number for trial in best_designs(study)}
    for trial in study.trials:
        print(trial.number, trial.label, trial.values, "front" * (trial.number in on_front))
    with sqlite3.connect(TARGET) as database:
        # Which process of which host ran a trial is nobody's business once it is finished.
        database.execute("DELETE FROM trial_user_attributes WHERE key = 'worker'")
        database.execute("DELETE FROM trial_heartbeats")
    database.execute("VACUUM")
    database.close()


if __name__ == "__main__":
    main()
