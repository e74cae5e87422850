"""`walkbench proxy run`: train the small twin of a design for a while and score it.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["proxy", "run", "sdxl", "--seconds", "0"]).exit_code
2
"""

from pathlib import Path
from typing import Annotated, Any

import typer

from proxies.data.source import DataSource
from proxies.training_run import TrainingSettings
from search_space.errors import WalkbenchError
from studies.cli.exit_codes import INTERRUPTED
from studies.cli.output import Format, FormatOption, err
from studies.cli.proxy_data import side_of
from studies.cli.proxy_measures import (
    CompositionOption,
    DistancesOption,
    DrawOption,
    ExtrapolateOption,
    Measures,
    SamplesOption,
    SplitOption,
)
from studies.settings import build, with_settings

SECONDS = 20.0  # of training, unless a command says otherwise


@with_settings(TrainingSettings, rename={"torch_device": "device"})
def run(
    spec: Annotated[str, typer.Argument(help="A named design or a JSON file.")],
    given: dict[str, Any],
    samples: SamplesOption = None,
    composition: CompositionOption = False,
    distances: DistancesOption = False,
    draw: DrawOption = None,
    split: SplitOption = None,
    extrapolate: ExtrapolateOption = None,
    checkpoint: Annotated[
        Path | None, typer.Option(help="Checkpoint file; the run continues from it if it exists.")
    ] = None,
    save_decoder: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Of a decoder: write the averaged weights; at --width 256 those of SPEC itself, "
            "for walkbench export --weights checkpoint.",
        ),
    ] = None,
    format: FormatOption = Format.table,
) -> None:
    """Train the twin of SPEC on captioned pictures and print its validation loss.

    A decoder learns to reconstruct the pictures, and is scored with PSNR and SSIM besides.
    Lower is better. It trains for 20 seconds unless --steps or --seconds is given. Scores compare
    between runs of one budget, width, latent, recipe and precision; all runs of one seed see the
    same pictures, noise and timesteps. Ctrl-C prints the score of what was trained until then.
    """
    from proxies.objectives import Reconstruction
    from proxies.threads import cpu_threads
    from search_space.load import load_network
    from studies.cli.proxy_table import show_score

    design = load_network(spec)
    if design.kind == "decoder":
        given.setdefault("objective", Reconstruction())
        if any((samples, composition, distances, draw)):
            raise WalkbenchError(
                "--samples, --composition, --distances and --draw draw from captions, which a "
                "decoder does not read; its score has PSNR and SSIM"
            )
    elif save_decoder is not None:
        raise WalkbenchError("--save-decoder is of decoders; leave it out")
    measures = Measures(samples, composition, distances, draw, split, extrapolate)
    source = build(DataSource, given)
    measures.check(given.get("steps"), source, given.get("latent", TrainingSettings.latent))
    if not given.keys() & {"steps", "seconds"}:
        given["seconds"] = SECONDS
    build(TrainingSettings, given)  # fail before data are made
    err.print("making data and twin …", style="dim")
    settings = build(TrainingSettings, {**given, "latent": side_of(source, given.get("latent"))})
    if measures.extrapolate is not None and settings.recipe.cooldown:
        raise WalkbenchError(
            f"--extrapolate follows a curve of one learning rate, which a cooldown of "
            f"{settings.recipe.cooldown:g} bends at its end; leave --extrapolate out, or set "
            "--cooldown 0"
        )
    with cpu_threads(settings.compute.threads):
        run = settings.run(design, validate_at=measures.validate_at)
        trainer, score = _train(run, checkpoint)
        score, missing = measures.measure(trainer, score)
        if save_decoder is not None:
            _save(trainer, save_decoder)
    show_score(spec, design.digest(), score, format)
    interrupted = score.stopped == "interrupted"
    codes = [INTERRUPTED] if interrupted else [] if score.ok else [1]
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


def _save(trainer: Any, path: Path) -> None:
    """Write the averaged weights of a decoder under Walkbench's names."""
    from safetensors.torch import save_file

    from search_space.atomic import atomic_write

    with trainer.averaged() as learner:
        state = {k: v.detach().cpu().contiguous() for k, v in learner.network.state_dict().items()}
        with atomic_write(path) as partial:
            save_file(state, partial, metadata={"spec": learner.spec.to_json()})
    err.print(f"wrote {path}", markup=False)


def register(group: typer.Typer) -> None:
    """Add the command to ``group``."""
    group.command()(run)
