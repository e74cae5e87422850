"""`walkbench proxy`: train the small twin of a design for a while and score it.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["proxy", "run", "sdxll"]).exit_code
2
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from search_space.errors import WalkbenchError
from studies.cli.output import INTERRUPTED, Column, Format, FormatOption, count, decimals, emit, err

SECONDS = 20.0


def run(
    spec: Annotated[str, typer.Argument(help="A named design or a JSON file.")],
    seconds: Annotated[
        float | None, typer.Option(help=f"Seconds of training; {SECONDS:g} without --steps.")
    ] = None,
    steps: Annotated[
        int | None, typer.Option(help="Training steps: the same result on every machine.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the weights, the order and the noise.")] = 0,
    width: Annotated[int, typer.Option(help="What 256 channels become in the twin.")] = 16,
    latent: Annotated[int, typer.Option(help="Side of the pictures in pixels.")] = 24,
    batch: Annotated[int | None, typer.Option(help="Pictures per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="After the warm-up.")] = None,
    samples: Annotated[
        Path | None, typer.Option(help="Write a PNG of pictures that the twin draws.")
    ] = None,
    images: Annotated[
        Path | None,
        typer.Option(help="Train on this folder of pictures, each with its caption in a .txt."),
    ] = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Save the run here, and go on from here when it exists.")
    ] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; more seldom help a twin.")] = 1,
    format: FormatOption = Format.table,
) -> None:
    """Train the twin of SPEC on captioned shapes and print its validation loss.

    Lower is better. Scores compare between runs of one budget, width, latent, batch and learning
    rate; all runs of one seed see the same pictures, noise and timesteps. Ctrl-C prints the score
    of what was trained until then.
    """
    import dataclasses

    from proxies.samples import draw_samples, save_grid, writable_png
    from proxies.threads import cpu_threads
    from proxies.trainer import Budget, Recipe, Trainer, finish
    from search_space.load import load_spec

    design = load_spec(spec)
    if samples is not None:
        if images is not None:
            raise WalkbenchError("--samples draws shapes; leave it out with --images")
        writable_png(samples)
    if seconds is None and steps is None:
        seconds = SECONDS
    budget = Budget(steps, seconds)
    recipe = Recipe()
    if batch is not None:
        recipe = dataclasses.replace(recipe, batch=batch)
    if learning_rate is not None:
        recipe = dataclasses.replace(recipe, learning_rate=learning_rate)
    err.print("making data and twin …", style="dim")
    data, validation = _load(images, latent) if images is not None else (None, None)
    with cpu_threads(threads):
        trainer = Trainer(design, width, latent, seed, recipe, data, validation)
        interrupted = False
        try:
            with _Watch() as watch:
                score = finish(trainer, budget, progress=watch, checkpoint=checkpoint)
        except KeyboardInterrupt:
            if trainer.step == 0:
                raise
            err.print("interrupted; scoring what was trained until now …")
            interrupted, score = True, trainer.score(stopped="interrupted")
        if samples is not None and score.ok:
            save_grid(samples, draw_samples(trainer).images)
            err.print(f"samples: {samples}", soft_wrap=True)
    _show(spec, design.digest(), score, format)
    if interrupted or not score.ok:
        raise typer.Exit(INTERRUPTED if interrupted else 1)


def _load(folder: Path, size: int) -> tuple[Any, Any]:
    from proxies.data.folder import image_folder

    found = image_folder(folder, size)
    used = len(found.train) + len(found.validation)
    err.print(f"{used} pictures, {len(found.skipped)} files skipped", style="dim")
    for skipped in found.skipped:
        err.print(f"skipped {skipped.path}: {skipped.reason}", markup=False, soft_wrap=True)
    return found.train, found.validation


class _Watch:
    """A progress bar on stderr with the latest loss and the time left."""

    def __enter__(self) -> "_Watch":
        from rich.progress import BarColumn, Progress, TextColumn

        self.bar = Progress(
            TextColumn("training"),
            BarColumn(),
            TextColumn("step {task.fields[step]}  loss {task.fields[loss]:.3f}"),
            TextColumn("{task.fields[left]:.0f} s left"),
            console=err,
            transient=True,
        )
        self.task = self.bar.add_task("", total=1.0, step=0, loss=float("nan"), left=float("nan"))
        self.bar.start()
        return self

    def __call__(self, state: Any) -> None:
        self.bar.update(
            self.task,
            completed=state.share,
            step=state.step,
            loss=state.loss,
            left=state.seconds_left,
        )

    def __exit__(self, *_: object) -> None:
        self.bar.stop()


def _show(spec: str, digest: str, score: Any, format: Format) -> None:
    data = {"spec": spec, "digest": digest, **score.to_dict()}
    if format is not Format.table:
        emit(data, format)
        return
    flat = {
        **data,
        **data["fidelity"],
        "buckets": score.buckets,
        "loss": (score.value, score.stderr),
    }
    columns = [
        Column("spec", "spec"),
        Column("loss", "validation loss", lambda pair: f"{pair[0]:.4f} ± {pair[1]:.4f}"),
        Column("start", "before training", decimals(4)),
        Column("n", "samples", count),
        Column("buckets", "by timestep, picture to noise", _numbers),
        Column("steps", "steps", count),
        Column("seconds", "training seconds", decimals(1)),
        Column("params", "parameters of the twin", count),
        Column("width", "width for 256"),
        Column("latent", "picture size"),
        Column("seed", "seed"),
    ]
    if score.failed:
        columns[1:4] = [Column("failed", "failed")]
    if score.stopped:
        columns.append(Column("stopped", "stopped"))
    emit(flat, format, columns)


def _numbers(values: Any) -> str:
    return " ".join(f"{value:.3f}" for value in values)


def register(app: typer.Typer) -> None:
    """Add the group to ``app``."""
    group = typer.Typer(help="Score designs by short training.", no_args_is_help=True)

    @group.callback()
    def _group() -> None:
        """Score designs by short training."""

    group.command()(run)
    app.add_typer(group, name="proxy")
