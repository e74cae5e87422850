"""`walkbench study seeds`: train a study's front again under new seeds.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> words = ["study", "seeds", "demo", "--storage", "nowhere.db"]
>>> CliRunner().invoke(app, words).exit_code
2
"""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.cli.study_options import NameArgument, StorageOption
from studies.formats import decimals


def seeds_command(
    name: NameArgument,
    storage: StorageOption = None,
    front: Annotated[
        bool, typer.Option("--front", help="Train the designs of the front, which is the default.")
    ] = True,
    seeds: Annotated[int, typer.Option(min=2, help="New seeds of every design.")] = 3,
    workers: Annotated[int, typer.Option(min=1, help="Runs that train at once.")] = 1,
    config: Annotated[
        str | None, typer.Option(metavar="FILE", help="The config it was run with, for its data.")
    ] = None,
    checkpoints: Annotated[
        Path | None, typer.Option(help="Folder of unfinished runs, to go on from.")
    ] = None,
    format: FormatOption = Format.table,
) -> None:
    """Train the front again under new seeds and say which of its places are ties."""
    from proxies.trainer import check_ready
    from search_space.errors import WalkbenchError
    from studies.config import load_config
    from studies.engines import engine
    from studies.front_seeds import losses_before, places, settings_of, train_front
    from studies.reading import study_data
    from studies.store import open_storage, open_study, storage_url
    from studies.summary import best_designs

    opened = open_study(open_storage(storage_url(storage)), name)
    study = study_data(opened)
    settings = settings_of(study) if config is None else load_config(config).proxy
    if settings is None:
        raise WalkbenchError(f"config {config} trains nothing; name the one of study {name!r}")
    check_ready(settings)
    kind = "serial" if workers == 1 else "processes"
    with (
        _Told(seeds * len(best_designs(study))) as told,
        engine(kind, workers=workers, checkpoints=checkpoints) as running,
    ):
        losses = train_front(opened, study, settings, seeds, running, told.ended)
    found = places(losses, losses_before(best_designs(study)))
    if format is not Format.table:
        emit([asdict(place) for place in found], format)
        return
    rows = [{**asdict(place), "ties": ", ".join(place.ties) or "–"} for place in found]
    emit(rows, format, _COLUMNS, f"Front of {name} under {seeds} new seeds")
    err.print(
        "ties: designs whose loss cannot be told from this one's; the 95 % interval of the paired "
        "difference over seeds holds zero",
        style="dim",
        soft_wrap=True,
    )


class _Told:
    """Progress of the runs on stderr."""

    def __init__(self, total: int) -> None:
        from studies.cli.phases import Phases

        self._phases, self._total, self._done = Phases(err), total, 0

    def __enter__(self) -> "_Told":
        self._tick = self._phases.__enter__().phase("training runs")
        return self

    def __exit__(self, *error: object) -> None:
        self._phases.__exit__(*error)

    def ended(self, design: str, seed: int, score: Any) -> None:
        """Count a run, and say why it failed if it did."""
        self._done += 1
        self._tick(self._done, self._total, f"{design}, seed {seed}")
        if not score.ok:
            err.print(f"{design}, new seed {seed}: {score.failed}", soft_wrap=True)


_COLUMNS = [
    Column("design", "design"),
    Column("before", "loss in the study", decimals(4), right=True),
    Column("mean", "mean", decimals(4), right=True),
    Column("stderr", "±", decimals(4), right=True),
    Column("seeds", "seeds", right=True),
    Column("ties", "ties with"),
]
