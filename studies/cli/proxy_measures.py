"""What `walkbench proxy run` measures beside the loss, on request; the score carries it.

Pictures are drawn once, for the grid, the composition scores and the distances. Requests are
checked before training; a measurement that fails afterwards leaves the score as it is.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> command = ["proxy", "run", "sdxl", "--distances", "--draw", "9"]
>>> CliRunner().invoke(app, command).exit_code
2
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

import typer

from search_space.errors import WalkbenchError, raise_unknown
from studies.cli.exit_codes import INTERRUPTED
from studies.cli.output import err

if TYPE_CHECKING:
    from proxies.data.source import DataSource

T = TypeVar("T")
GRID = 32  # pictures of --samples
DRAWN = 256  # pictures for composition alone: shares to ±3 points
DRAWN_FOR_DISTANCES = 1000
ON_THE_WAY = (0.1, 0.14, 0.2, 0.28, 0.4, 0.55, 0.75)  # shares of the run at which it is validated

SamplesOption = Annotated[
    Path | None, typer.Option("--samples", help="Write a PNG grid of pictures drawn by the twin.")
]
CompositionOption = Annotated[
    bool,
    typer.Option("--composition", help="Draw pictures and check them against their prompts."),
]
DistancesOption = Annotated[
    bool,
    typer.Option("--distances", help="Draw pictures and measure their distance from real ones."),
]
DrawOption = Annotated[
    int | None,
    typer.Option(
        "--draw",
        metavar="N",
        help=f"Number of pictures for these: {DRAWN}, {DRAWN_FOR_DISTANCES:,} with --distances.",
    ),
]
SplitOption = Annotated[
    str | None,
    typer.Option(
        "--split",
        help="Prompts of --composition: validation, or combinations held out of training: "
        "pairs (of shape and colour), counts.",
    ),
]
ExtrapolateOption = Annotated[
    int | None,
    typer.Option(
        "--extrapolate",
        metavar="STEPS",
        help="Validate during training, and predict the loss after STEPS steps.",
    ),
]


class Missing(NamedTuple):
    """Why a requested measurement is missing, and the exit code for that."""

    reason: str
    exit_code: int


@dataclass(frozen=True)
class Measures:
    """Measurements beside the loss, requested by options."""

    samples: Path | None
    composition: bool
    distances: bool
    draw: int | None
    split: str | None
    extrapolate: int | None

    @property
    def pictures(self) -> int:
        """Number of pictures to draw; 0 where no measurement needs them."""
        if self.composition or self.distances:
            default = DRAWN_FOR_DISTANCES if self.distances else DRAWN
            return max(self.draw or default, GRID if self.samples else 1)
        return GRID if self.samples else 0

    @property
    def validate_at(self) -> tuple[float, ...]:
        """Shares of the run at which to validate during training."""
        return ON_THE_WAY if self.extrapolate is not None else ()

    def check(self, steps: int | None, source: "DataSource", side: int) -> None:
        """Raise :class:`WalkbenchError` for what could not be measured after training."""
        readers = {"--composition": self.composition, "--distances": self.distances}
        reading = [option for option, value in readers.items() if value]
        if reading and not source.is_shapes and (self.distances or not source.is_scenes):
            raise WalkbenchError(f"{reading[-1]} draws shapes; leave it out with other data")
        if self.samples and not source.drawable:
            raise WalkbenchError("--samples draws pictures; leave it out with latents")
        if source.is_scenes and self.composition:
            from proxies.data.scenes import task_of

            task_of(str(source.data), side)
        elif self.composition or self.distances:
            from proxies.data.shapes import check_readable

            check_readable(side)
        if self.split is not None:
            from proxies.data.prompts import SPLITS

            if self.split not in SPLITS:
                raise_unknown("split", self.split, SPLITS)
            if self.distances or not self.composition:
                raise WalkbenchError(
                    "--split is for --composition alone: distances are to validation pictures"
                )
        if self.draw is not None and not (self.composition or self.distances):
            raise WalkbenchError("--draw is for --composition and --distances; give one of them")
        if self.draw is not None and self.draw < 1:
            raise WalkbenchError(f"--draw is {self.draw}; a positive number is needed")
        if self.extrapolate is not None and self.extrapolate <= (steps or 0):
            raise WalkbenchError(
                f"--extrapolate is {self.extrapolate}; it must be more than the steps of the run"
            )
        if self.samples is not None:
            from proxies.samples import writable_png

            writable_png(self.samples)
        if self.distances:
            from proxies.distances import check_ready

            check_ready(self.pictures)

    def measure(self, trainer: Any, score: Any) -> tuple[Any, list[Missing]]:
        """Return ``score`` with the requested measurements, and which are missing and why."""
        if not score.ok:
            return score, []
        missing: list[Missing] = []

        def attempt(what: str, do: Callable[[], T], otherwise: T) -> T:
            if any(lack.exit_code == INTERRUPTED for lack in missing):
                return otherwise  # one Ctrl-C skips all further measurements
            try:
                return do()
            except KeyboardInterrupt:
                missing.append(Missing(f"interrupted; the score is without {what}", INTERRUPTED))
            except (WalkbenchError, OSError) as error:
                missing.append(Missing(f"the score is without {what}: {error}", 1))
            return otherwise

        if self.extrapolate is not None:
            score = attempt("a longer run's loss", lambda: self._extrapolated(score), score)
        drawn = attempt("pictures", lambda: self._drawn(trainer), None)
        if drawn is not None:
            attempt("a grid of samples", lambda: self._save(drawn), None)
            score = attempt("composition", lambda: self._composed(drawn, score), score)
            score = attempt("distances", lambda: self._compared(drawn, score), score)
        return score, missing

    def _extrapolated(self, score: Any) -> Any:
        from proxies.extrapolation import extrapolate_score

        assert self.extrapolate is not None
        guess = extrapolate_score(score, self.extrapolate)
        return dataclasses.replace(score, extrapolated=guess)

    def _drawn(self, trainer: Any) -> Any:
        if not self.pictures:
            return None
        from proxies.samples import draw_samples
        from studies.cli.phases import Phases

        with Phases(err) as phases:
            tick, count = phases.phase("drawing"), self.pictures
            split = self.split or "validation"
            return draw_samples(trainer, count, split, progress=lambda done: tick(done, count, ""))

    def _save(self, drawn: Any) -> None:
        if self.samples is not None:
            from proxies.samples import save_grid

            save_grid(self.samples, drawn.images[:GRID])
            err.print(f"samples: {self.samples}", soft_wrap=True)

    def _composed(self, drawn: Any, score: Any) -> Any:
        if not self.composition:
            return score
        from proxies.composition import composition

        return dataclasses.replace(score, composition=composition(drawn))

    def _compared(self, drawn: Any, score: Any) -> Any:
        if not self.distances:
            return score
        from proxies.distances import ENOUGH, distances

        if self.pictures < ENOUGH:
            err.print(
                f"[yellow]only {self.pictures} pictures:[/yellow] distances from fewer than "
                f"{ENOUGH:,} are noisy, and Fréchet ones are larger; compare them at one number "
                "only",
                soft_wrap=True,
            )
        return dataclasses.replace(score, distances=distances(drawn))
