"""`walkbench train`: train the network of an export; the result is an export again.

JSON: one object with ``folder`` (of the run), ``bundle`` (the trained export, null where the run
was stopped), ``steps``, ``loss``, ``validation_loss`` (of a decoder also ``psnr`` and ``ssim``),
``seconds``, ``stopped``, ``pictures`` and ``skipped`` (a list of ``path`` and ``reason``).

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["train", "nowhere", "--data", "shapes"]).exit_code
2
"""

import signal
import threading
from contextlib import nullcontext
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from search_space.errors import WalkbenchError
from studies.cli.exit_codes import INTERRUPTED, TERMINATED
from studies.cli.output import Format, FormatOption, emit, err

RUN, BUNDLE, SAMPLES = "training", "bundle", "samples"


def train(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="What `walkbench export` wrote.")],
    data: Annotated[
        str,
        typer.Option(
            help="shapes, digits, crowd, scenes; captioned pictures (a folder, a .tar, "
            "'shards-{000..011}.tar'); or a cache that `walkbench data cache` made."
        ),
    ],
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="RUN", help="Folder of the run; DIR/training by default."),
    ] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Training steps, for run.steps.")] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Pictures a step: run.batch.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Any key: optimizer.learning_rate=1e-3."),
    ] = None,
    format: FormatOption = Format.table,
) -> None:
    """Train the network in DIR by its train.yaml; run it again to go on.

    Everything is kept below RUN: checkpoints, log.csv, tensorboard, samples and, at the end,
    the trained bundle, which stock pipelines open. Ctrl-C and SIGTERM save and end. Several
    GPUs: `accelerate launch -m studies.cli train DIR --data …`.
    """
    from proxies.bundle_training.grids import Grids
    from proxies.bundle_training.processes import Processes
    from proxies.threads import cpu_threads
    from proxies.train_yaml import FILE
    from proxies.train_yaml import read as read_recipe
    from search_space.lock import exclusive
    from studies.bundle_training import prepare
    from studies.cli.proxy_data import say_skipped
    from studies.cli.proxy_progress import TrainingBar

    config = read_recipe(folder / FILE).but(_given(steps, batch, changes or []))
    processes, run = Processes.here(), to or folder / RUN
    bar = TrainingBar()
    grids = Grids(run / SAMPLES)

    def watch(trainer: Any) -> None:
        bar(trainer.progress)
        grids(trainer)

    busy = (
        f"another process trains in {str(run)!r}; let it finish, or name another folder with --to"
    )
    mine = exclusive(run, busy) if processes.is_main else nullcontext()
    with mine, cpu_threads(config.compute.threads), _Stop() as stop:
        if processes.is_main:
            err.print("reading data and network …", style="dim")
        ready = prepare(folder, data, run, config, processes, stop=stop.asked, watchers=[watch])
        trainer = ready.trainer
        if processes.is_main:
            say_skipped(ready.skipped)
            if trainer.step:
                err.print(f"going on from step {trainer.step:,}", style="dim")
            with bar:
                trainer.train()
        else:
            trainer.train()
    done = trainer.done
    if processes.is_main:
        written = ready.write(run / BUNDLE) if done else None
        row = {
            "folder": str(run),
            "bundle": written and str(written),
            "steps": trainer.step,
            "loss": trainer.loss,
            "validation_loss": trainer.validation_loss,
            **{name: trainer.validated.get(name) for name in trainer.task.columns},
            "seconds": round(trainer.seconds, 1),
            "stopped": stop.name or trainer.ended or None,
            "pictures": trainer.task.pictures,
            "skipped": [{"path": one.path, "reason": one.reason} for one in ready.skipped],
        }
        emit(row, format)
        if not done:
            err.print("saved; the same command goes on")
    processes.wait()
    if not done:
        raise typer.Exit(stop.exit_code)


class _Stop:
    """Remembers SIGTERM and Ctrl-C; training asks after every step."""

    def __init__(self) -> None:
        self.number: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> "_Stop":
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGTERM, signal.SIGINT):
                self._before[number] = signal.signal(number, self._remember)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _remember(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None and number == signal.SIGINT:
            raise KeyboardInterrupt  # a second Ctrl-C does not wait for the step
        self.number = number

    def asked(self) -> bool:
        """Whether to stop."""
        return self.number is not None

    @property
    def name(self) -> str | None:
        """The signal's name, None while there was none."""
        return None if self.number is None else signal.Signals(self.number).name

    @property
    def exit_code(self) -> int:
        """What the command ends with after it was stopped."""
        return TERMINATED if self.number == signal.SIGTERM else INTERRUPTED


def _given(steps: int | None, batch: int | None, changes: list[str]) -> dict[str, Any]:
    """Return the values of options by ``section.key``."""
    import yaml

    given: dict[str, Any] = {}
    for change in changes:
        key, equals, value = change.partition("=")
        if not equals or "." not in key:
            raise WalkbenchError(
                f"--set {change}: KEY=VALUE is needed, KEY as section.key of train.yaml; for "
                "example run.seed=1"
            )
        given[key] = yaml.safe_load(value)
    if steps is not None:
        given["run.steps"] = steps
    if batch is not None:
        given["run.batch"] = batch
    return given


def register(app: typer.Typer) -> None:
    """Add the command to ``app``."""
    app.command()(train)
