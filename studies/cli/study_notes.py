"""`walkbench study notes`: notes of trials for optuna-dashboard.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["study", "notes", "demo", "--storage", "nowhere.db"]).exit_code
2
"""

from studies.cli.output import Format, FormatOption, emit, err
from studies.cli.study_options import NameArgument, StorageOption


def notes_command(
    name: NameArgument, storage: StorageOption = None, format: FormatOption = Format.table
) -> None:
    """Write the notes of trials that optuna-dashboard shows, where they are missing.

    Studies that train write them by themselves; for others, and for trials that other tools added,
    this does. Notes that you wrote stay.
    """
    from studies.reading import study_data
    from studies.store import open_storage, open_study, storage_url
    from studies.trial_notes import write_missing_notes

    study = open_study(open_storage(storage_url(storage)), name)
    written = write_missing_notes(study, list(study_data(study).trials))
    if format is Format.table:
        err.print(f"{written} notes written")
    else:
        emit({"study": name, "written": written}, format)
