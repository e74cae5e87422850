"""`walkbench proxy run`: train the small twin of a design for a while and score it.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["proxy", "run", "sdxl", "--seconds", "0"]).exit_code
2
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from studies.cli.output import INTERRUPTED, Format, FormatOption, err
from studies.cli.proxy_data import (
    SIZE,
    DataOption,
    ImagesOption,
    LatentOption,
    LatentsOption,
    VaeOption,
    proxy_data,
)
from studies.cli.proxy_hardware import (
    AccumulateOption,
    CompileOption,
    DeviceOption,
    PrecisionOption,
)
from studies.cli.proxy_measures import (
    Asked,
    CompositionOption,
    DistancesOption,
    DrawOption,
    ExtrapolateOption,
    SamplesOption,
    SplitOption,
)
from studies.cli.proxy_recipe import (
    BatchOption,
    Beta2Option,
    LearningRateOption,
    WarmUpOption,
    recipe_of,
)

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
    latent: LatentOption = None,
    batch: BatchOption = None,
    learning_rate: LearningRateOption = None,
    warm_up: WarmUpOption = None,
    beta2: Beta2Option = None,
    samples: SamplesOption = None,
    composition: CompositionOption = False,
    distances: DistancesOption = False,
    draw: DrawOption = None,
    split: SplitOption = None,
    extrapolate: ExtrapolateOption = None,
    data: DataOption = None,
    images: ImagesOption = None,
    latents: LatentsOption = None,
    vae: VaeOption = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Save the run here, and go on from here when it exists.")
    ] = None,
    device: DeviceOption = "cpu",
    precision: PrecisionOption = "auto",
    compiled: CompileOption = False,
    accumulate: AccumulateOption = False,
    threads: Annotated[int, typer.Option(help="CPU threads; more seldom help a twin.")] = 1,
    format: FormatOption = Format.table,
) -> None:
    """Train the twin of SPEC on captioned pictures and print its validation loss.

    Lower is better. Scores compare between runs of one budget, width, latent, recipe and
    precision; all runs of one seed see the same pictures, noise and timesteps. Ctrl-C prints
    the score of what was trained until then.
    """
    from proxies.compute import Compute
    from proxies.data.source import DataSource
    from proxies.recipe import Budget
    from proxies.threads import cpu_threads
    from proxies.training_run import TrainingSettings
    from search_space.load import load_spec
    from studies.cli.proxy_table import show_score

    design = load_spec(spec)
    asked = Asked(samples, composition, distances, draw, split, extrapolate)
    source = DataSource(data, images, latents, vae)
    asked.check(steps, source, SIZE if latent is None else latent)
    if seconds is None and steps is None:
        seconds = SECONDS
    budget, recipe = Budget(steps, seconds), recipe_of(batch, learning_rate, warm_up, beta2)
    err.print("making data and twin …", style="dim")
    _, _, side = proxy_data(source, latent)
    compute = Compute(device, precision, compiled, accumulate, threads)
    settings = TrainingSettings(budget, width, side, seed, recipe, source, compute)
    with cpu_threads(threads):
        trainer, score = _train(settings.run(design, validate_at=asked.validate_at), checkpoint)
        score, missing = asked.measure(trainer, score)
    show_score(spec, design.digest(), score, format)
    codes = [INTERRUPTED] if score.stopped else [] if score.ok else [1]
    for lack in missing:
        err.print(lack.reason, markup=False, soft_wrap=True)
        codes.append(lack.exit_code)
    if codes:
        raise typer.Exit(max(codes))


def _train(run: Any, checkpoint: Path | None) -> tuple[Any, Any]:
    """Train to the end or to Ctrl-C; return the trainer and the score of what was reached."""
    from proxies.callbacks import Checkpoints, Report
    from proxies.trainer import Trainer
    from studies.cli.proxy_progress import TrainingBar
    from studies.interrupt import Interrupt

    with Interrupt() as interrupt, TrainingBar(interrupt) as bar:
        saving = [] if checkpoint is None else [Checkpoints(checkpoint)]
        trainer = Trainer(run, [*saving, Report(bar)])
        try:
            return trainer, trainer.train()
        except KeyboardInterrupt:
            if trainer.step == 0:
                raise
    err.print("interrupted; scoring what was trained until now …")
    return trainer, trainer.score(stopped="interrupted")


def register(group: typer.Typer) -> None:
    """Add the command to ``group``."""
    group.command()(run)
