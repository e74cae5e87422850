"""Make a study large by copying its trials as rows of SQLite, which is all that a reader sees.

    from benchmarks.large_storage import multiply
    multiply(Path("study.db"), 100_000)

Optuna would take an hour to add as many. Copies keep parameters, attributes and constraints; their
values are scaled by a little, so that the front is not a hundred equal ones.
"""

import sqlite3
from pathlib import Path

TABLES = {
    "trial_params": "param_name, param_value, distribution_json",
    "trial_user_attributes": "key, value_json",
    "trial_system_attributes": "key, value_json",
    "trial_heartbeats": "heartbeat",
}


def multiply(path: Path, trials: int) -> None:
    """Copy the finished trials of the only study in ``path`` until it has ``trials``."""
    base = sqlite3.connect(path)
    base.execute("pragma synchronous = off")
    (count,) = base.execute("select count(*) from trials").fetchone()
    (top,) = base.execute("select max(trial_id) from trials").fetchone()
    with base:
        for copy in range(1, -(-trials // count)):
            shift, left = copy * top, trials - copy * count
            base.execute(
                "insert into trials (trial_id, number, study_id, state, datetime_start, "
                "datetime_complete) select trial_id + ?, number + ?, study_id, state, "
                "datetime_start, datetime_complete from trials where number < ?",
                (shift, copy * count, min(count, left)),
            )
            chosen = f"trial_id <= {top} and trial_id + {shift} in (select trial_id from trials)"
            base.execute(
                "insert into trial_values (trial_id, objective, value, value_type) "
                "select trial_id + ?, objective, value * (1 + 0.0001 * ? * (1 - 2 * objective)), "
                f"value_type from trial_values where {chosen}",
                (shift, copy),
            )
            for table, columns in TABLES.items():
                base.execute(
                    f"insert into {table} (trial_id, {columns}) "
                    f"select trial_id + ?, {columns} from {table} where {chosen}",
                    (shift,),
                )
    base.close()
