"""Train the runs of a plan: in parallel and resumable, one line of a file per finished run.

Runs come seed by seed over all designs, so a study that is stopped early has all designs with
fewer seeds. Short runs use other seeds than long ones: a short run that shared its weights and
its order of pictures with the long run would seem to foresee the long run's luck. A killed run
continues from its checkpoint; a finished one is never trained again.

>>> from studies.proxy_validation.plan import make_plan
>>> plan = make_plan("pocket", designs=4, strata=2, short=2, long=20, seeds=2)
>>> [run.name for run in runs_of(plan)][:2], len(runs_of(plan))
(['d00-short-s1000', 'd01-short-s1000'], 16)
"""

import dataclasses
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, Literal

from proxies.recipe import Budget
from proxies.score import Score
from proxies.training_run import TrainingRun, TrainingSettings
from search_space.errors import WalkbenchError
from search_space.lock import exclusive
from search_space.provenance import provenance
from studies.engines import engine
from studies.engines.checkpoints import checkpoint_of
from studies.engines.protocol import completed
from studies.proxy_validation.plan import SHORT_SEEDS, ValidationPlan

Kind = Literal["short", "long", "walk"]
RUNS, CHECKPOINTS, TRAINED = "runs.jsonl", "checkpoints", "trained"


@dataclass(frozen=True)
class PlannedRun:
    """One training run: which design, for how many steps, under which seed."""

    label: str
    kind: Kind
    seed: int
    steps: int

    @property
    def name(self) -> str:
        """A file name: `d07-long-s2`, `M.snapgen-walk-s0`."""
        return f"{self.label.replace('/', '.')}-{self.kind}-s{self.seed}"


@dataclass(frozen=True)
class Result:
    """A run, the score it ended with, and the versions it was trained with."""

    run: PlannedRun
    score: Score
    made_with: str | None = None


def runs_of(plan: ValidationPlan) -> list[PlannedRun]:
    """Return every run of the plan, those first that say most when the study stops early."""
    out = []
    for seed in range(plan.seeds):
        out += [PlannedRun(d.label, "short", SHORT_SEEDS + seed, plan.short) for d in plan.designs]
        out += [PlannedRun(d.label, "long", seed, plan.long) for d in plan.designs]
        out += [PlannedRun(d.label, "walk", seed, plan.walk_steps) for d in plan.walk]
    return out


def train(
    plan: ValidationPlan,
    folder: Path,
    workers: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
    by: str = "processes",
    keep: Callable[[PlannedRun], bool] = lambda run: False,
) -> None:
    """Train every run of ``plan`` that ``folder`` does not hold yet, on the engine named ``by``.

    The last checkpoints of the runs that ``keep`` names stay in the subfolder `trained`, from where
    :func:`proxies.checkpoint.restore` takes a trained twin.

    ``progress`` hears of steps done, steps in all and the run that ended last. An exception, such
    as Ctrl-C, ends the workers; their checkpoints stay. Raises :class:`WalkbenchError` when another
    process trains the study or a worker is killed: what is finished stays.
    """
    held = (
        f"another process trains the study in {folder}; let it finish, or read what is done with "
        "--report"
    )
    with exclusive(folder, held):
        checkpoints = folder / CHECKPOINTS
        checkpoints.mkdir(exist_ok=True)
        wanted, there = runs_of(plan), {result.run for result in results_of(plan, folder)}
        waiting = {run: training_run(plan, run) for run in wanted if run not in there}
        _rename_checkpoints(checkpoints, waiting)
        total = sum(run.steps for run in wanted)
        done = total - sum(run.steps for run in waiting)
        if progress is not None:
            progress(done, total, "")
        with engine(by, workers=workers, checkpoints=checkpoints) as running:
            for run, score in completed(running, waiting.items()):
                kept = dataclasses.replace(score, losses=())  # ranks need no single samples
                append_result(folder / RUNS, Result(run, kept, _made_with()))
                last = checkpoint_of(checkpoints, waiting[run])
                if keep(run) and last.is_file():
                    (folder / TRAINED).mkdir(exist_ok=True)
                    last.replace(folder / TRAINED / f"{run.name}.safetensors")
                last.unlink(missing_ok=True)
                done += run.steps
                if progress is not None:
                    progress(done, total, run.name)


def _rename_checkpoints(folder: Path, waiting: Mapping[PlannedRun, TrainingRun]) -> None:
    """Rename checkpoints of version 0.1, named after runs, to the names that engines use."""
    for run, trained in waiting.items():
        old = folder / f"{run.name}.safetensors"
        if old.is_file():
            old.replace(checkpoint_of(folder, trained))


def results_of(plan: ValidationPlan, folder: Path) -> list[Result]:
    """Return the finished runs of ``plan`` in ``folder``, in the plan's order.

    A last line that a kill cut short is left out. Raises :class:`WalkbenchError` for other damage.
    """
    path = folder / RUNS
    found = {result.run: result for result in _read(path)} if path.is_file() else {}
    return [found[run] for run in runs_of(plan) if run in found]


def training_run(plan: ValidationPlan, run: PlannedRun) -> TrainingRun:
    """Return what ``run`` trains."""
    designs, short = plan.walk if run.kind == "walk" else plan.designs, run.kind == "short"
    settings = TrainingSettings(
        Budget(steps=run.steps),
        width=plan.width,
        latent=plan.short_side if short else plan.latent,
        seed=run.seed,
        recipe=plan.short_recipe if short else plan.recipe,
        data=plan.data,
        compute=plan.compute,
    )
    spec = next(design.spec for design in designs if design.label == run.label)
    return settings.run(spec, validate_at=() if short else plan.marks)


@lru_cache(maxsize=1)
def _made_with() -> str:
    """Return the versions that decide what a run makes, in one line."""
    now = provenance()
    named = [f"{name} {now['versions'][name]}" for name in ("walkbench", "torch")]
    return ", ".join([*named, f"revision {now['code_revision']}", now["machine"]])


def append_result(path: Path, result: Result) -> None:
    """Add a finished run to the file at ``path``, on disk before this returns."""
    score = {"score": result.score.to_dict(), "made_with": result.made_with}
    line = json.dumps({**dataclasses.asdict(result.run), **score})
    with path.open("ab+") as file:
        if file.tell() and not _ends_a_line(file):
            file.write(b"\n")  # what a kill cut short becomes a line of its own, and is passed over
        file.write(line.encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _ends_a_line(file: BinaryIO) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def _read(path: Path) -> Iterator[Result]:
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            data = json.loads(line)
        except ValueError:
            continue  # cut short by a kill: its run is trained again
        try:
            score, made_with = Score.from_dict(data.pop("score")), data.pop("made_with", None)
            yield Result(PlannedRun(**data), score, made_with)
        except (KeyError, TypeError, AttributeError, WalkbenchError) as error:
            raise WalkbenchError(
                f"{path} line {number} is not a run ({error}); remove the line to train it again"
            ) from None
