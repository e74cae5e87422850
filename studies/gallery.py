"""Pictures that the twins of a study draw: one grid for each trained trial.

With ``[proxy] samples = 32`` every trained twin draws the same prompts from the same noise. The
grid is kept as an Optuna artifact of its trial, so that other tools find it too
(``optuna-dashboard --artifact-dir FOLDER``). The folder lies beside a SQLite storage and carries
its name; for a database server it is ``runs/artifacts`` where the worker runs, which several
machines may share. A grid that cannot be kept does not fail its trial.

>>> gallery_folder("sqlite:///runs/demo.db").as_posix()
'runs/demo.artifacts'
>>> gallery_folder("postgresql+psycopg://me@host/studies").as_posix()
'runs/artifacts'
"""

import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from numpy.typing import NDArray
from optuna.artifacts import FileSystemArtifactStore, upload_artifact
from optuna.artifacts.exceptions import ArtifactNotFound

from proxies.samples import draw_samples, save_grid
from proxies.trainer import Trainer
from search_space.errors import WalkbenchError
from studies.record_codec import write_samples
from studies.records import Samples, TrialRecord

SHARED_FOLDER = Path("runs/artifacts")
PNG = b"\x89PNG\r\n\x1a\n"


def gallery_folder(url: str) -> Path:
    """Return the folder that belongs to the storage at ``url``."""
    parsed = sqlalchemy.make_url(url)
    if parsed.get_backend_name() != "sqlite" or not parsed.database:
        return SHARED_FOLDER
    return Path(parsed.database).with_suffix(".artifacts")


class Gallery:
    """Draws ``count`` pictures when a twin is trained, and keeps them with its trial.

    Raises :class:`WalkbenchError` for a folder that cannot be made.
    """

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        self._drawn: NDArray[Any] | None = None
        self._failed: str | None = None
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise WalkbenchError(
                f"samples folder {str(folder)!r} cannot be made ({error.strerror}); make it "
                "writable or leave samples out of [proxy]"
            ) from None

    def draw(self, trainer: Trainer) -> None:
        """Draw from ``trainer`` unless it has failed; an error here does not fail the trial."""
        self._drawn, self._failed = None, None
        try:
            if not trainer.failed:
                self._drawn = draw_samples(trainer, self.count).images
        except WalkbenchError as error:
            self._failed = str(error)

    def keep(self, trial: optuna.Trial) -> None:
        """Keep what was drawn last as an artifact of ``trial``, once."""
        images, self._drawn = self._drawn, None
        failed, self._failed = self._failed, None
        if failed is not None:
            write_samples(trial, Samples(failed=failed))
        if images is None:
            return
        try:
            with tempfile.TemporaryDirectory() as scratch:
                file = Path(scratch) / f"trial-{trial.number}-samples.png"
                save_grid(file, images)
                artifact = _upload(file, trial, self.folder)
        except (OSError, WalkbenchError) as error:
            write_samples(trial, Samples(failed=" ".join(str(error).split())))
            return
        write_samples(trial, Samples(artifact, str(self.folder.resolve()), len(images)))


def _upload(file: Path, trial: optuna.Trial, folder: Path) -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        store = FileSystemArtifactStore(base_path=folder)
        return upload_artifact(artifact_store=store, file_path=str(file), study_or_trial=trial)


def read_grid(url: str, trial: TrialRecord, trials: Sequence[TrialRecord]) -> bytes:
    """Return the PNG of a trial's pictures, or those of the trial that trained its design.

    ``trials`` are the study's. Raises :class:`WalkbenchError` saying why there is none.
    """
    number, found = trial.number, trial.samples
    if found is None and trial.trained_by is not None:
        found = trials[trial.trained_by].samples
    if found is None:
        why = "its study keeps none" if trial.score else "it was not trained"
        raise WalkbenchError(
            f"trial {number} has no samples: {why}; samples = 32 under [proxy] in the config makes "
            "trained trials draw"
        )
    if found.failed:
        raise WalkbenchError(f"the samples of trial {number} were not kept: {found.failed}")
    if Path(found.artifact).name != found.artifact:
        raise WalkbenchError(
            f"the samples of trial {number} cannot be read: its artifact {found.artifact!r} is no "
            "file's name; somebody changed the storage"
        )
    for folder in (gallery_folder(url), Path(found.folder)):
        try:
            with FileSystemArtifactStore(base_path=folder).open_reader(found.artifact) as file:
                content = file.read()
        except (ArtifactNotFound, OSError):
            continue
        if not content.startswith(PNG):  # a storage of somebody else may name any file
            raise WalkbenchError(
                f"the samples of trial {number} cannot be read: {found.artifact} in {folder} is no "
                "picture"
            )
        return content
    raise WalkbenchError(
        f"the samples of trial {number} are not here: they were written to {found.folder} on the "
        f"machine that trained it; copy {found.artifact} from there to {gallery_folder(url)}"
    )
