"""Make a study large by copying its trials as rows of SQLite, which is all that a reader sees.

    from benchmarks.large_storage import multiply
    multiply(Path("study.db"), 100_000)

Optuna would take an hour to add as many. Copies keep parameters, attributes and constraints; their
values are scattered by up to a twentieth, so that the front is a few dozen designs.
"""

import random
import sqlite3
from pathlib import Path

TABLES = {
    "trial_values": "objective, scattered(value), value_type",
    "trial_params": "param_name, param_value, distribution_json",
    "trial_user_attributes": "key, value_json",
    "trial_system_attributes": "key, value_json",
    "trial_heartbeats": "heartbeat",
}


def multiply(path: Path, trials: int) -> None:
    """Copy the trials of the only study in ``path`` until it has ``trials``."""
    base = sqlite3.connect(path)
    generator = random.Random(0)
    base.create_function("scattered", 1, lambda x: x * generator.uniform(0.95, 1.05))
    base.execute("pragma synchronous = off")
    (count,) = base.execute("select count(*) from trials").fetchone()
    (top,) = base.execute("select max(trial_id) from trials").fetchone()
    copies = [(number,) for number in range(1, -(-trials // count))]
    with base:
        base.execute("create temporary table copies (copy integer)")
        base.executemany("insert into copies values (?)", copies)
        left = f"t.number + copy * {count} < {trials} and t.trial_id <= {top}"
        base.execute(
            "insert into trials (trial_id, number, study_id, state, datetime_start, "
            f"datetime_complete) select trial_id + copy * {top}, number + copy * {count}, "
            f"study_id, state, datetime_start, datetime_complete from copies, trials t where {left}"
        )
        for table, columns in TABLES.items():
            names = columns.replace("scattered(value)", "value")
            base.execute(
                f"insert into {table} (trial_id, {names}) select a.trial_id + copy * {top}, "
                f"{columns} from copies, trials t join {table} a on a.trial_id = t.trial_id "
                f"where {left}"
            )
    base.close()
