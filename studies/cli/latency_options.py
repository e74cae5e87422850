"""Options that the latency commands share, and the run of a measurement behind two of them.

`measure` and `validate` both measure, with the same twenty options. They take them as one value:

    @with_options
    def measure(out: Path, how: Measuring = DEFAULTS) -> None: ...

and the command line sees every field of :class:`Measuring` as an option of its own.

>>> import inspect
>>> def command(out: str, how: Measuring = DEFAULTS) -> str:
...     return f"{out} {how.backend} {how.seed}"
>>> list(inspect.signature(with_options(command)).parameters)[:3]
['out', 'backend', 'seed']
>>> with_options(command)(out="t.csv", seed=7)
't.csv onnxruntime 7'
"""

import dataclasses
import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studies.cli.output import err

if TYPE_CHECKING:
    from latency_db.builder_chain import Subject
    from latency_db.builder_designs import Designs

SpaceOption = Annotated[str | None, typer.Option("--space", help="A shipped space or a TOML file.")]
SpecOption = Annotated[
    list[str] | None,
    typer.Option("--spec", help="A named spec, a JSON file, or all; repeatable."),
]
SamplesOption = Annotated[int, typer.Option(help="Designs drawn from the space.", min=0)]
SeedOption = Annotated[int, typer.Option(help="The same seed draws the same designs.")]
NarrowOption = Annotated[
    int | None, typer.Option("--narrow", help="Shrink widths so that 256 becomes this many.")
]
LatentOption = Annotated[int | None, typer.Option("--latent", help="Latent size instead of 128.")]
BackendOption = Annotated[
    str, typer.Option("--backend", help="onnxruntime, torch, coreml, coreml-iphone or coreai.")
]
BatchOption = Annotated[int | None, typer.Option(help="Batch size.", min=1)]
TargetOption = Annotated[str | None, typer.Option(help="Core ML: ios17 or ios18.")]
LayoutOption = Annotated[str | None, typer.Option(help="Core ML: standard or ane.")]
PrecisionOption = Annotated[str | None, typer.Option(help="fp32, fp16 or bf16.")]
WorkersOption = Annotated[
    int, typer.Option(help="Processes that make graphs ready beforehand.", min=1)
]


@dataclass(frozen=True)
class Measuring:
    """How a device is measured: the designs' size, the backend and its options, the effort."""

    backend: BackendOption = "onnxruntime"
    seed: SeedOption = 0
    narrow: NarrowOption = None
    latent: LatentOption = None
    passes: Annotated[int, typer.Option(help="Visits to every block.", min=1)] = 5
    rounds: Annotated[int, typer.Option(help="Turns of both chains in a visit.", min=1)] = 10
    chain: Annotated[
        tuple[int, int] | None, typer.Option(help="Copies in the two graphs of a block, N1 N2.")
    ] = None
    device: Annotated[str | None, typer.Option(help="cpu or cuda; a phone's name.")] = None
    threads: Annotated[int | None, typer.Option(help="Threads on a CPU.", min=1)] = None
    batch: BatchOption = None
    precision: PrecisionOption = None
    optimise: Annotated[
        str | None, typer.Option(help="ONNX Runtime: none, basic, extended or all.")
    ] = None
    units: Annotated[
        str | None, typer.Option(help="Core ML: all, cpu-and-ne, cpu-and-gpu or cpu.")
    ] = None
    layout: LayoutOption = None
    target: TargetOption = None
    team: Annotated[
        str | None, typer.Option(help="Apple development team, to sign the test app.")
    ] = None
    workers: WorkersOption = 1

    def backend_options(self) -> dict[str, Any]:
        """Return what a backend's constructor is given, None where nothing was said."""
        names = ("device", "threads", "batch", "precision", "optimise", "units")
        return {name: getattr(self, name) for name in (*names, "layout", "target", "team")}


DEFAULTS = Measuring()


def with_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return ``command`` with its :class:`Measuring` parameter spread into single options."""
    parameters, spread = [], ""
    for parameter in inspect.signature(command).parameters.values():
        if parameter.annotation is not Measuring:
            parameters.append(parameter)
            continue
        spread = parameter.name
        parameters += [
            inspect.Parameter(
                field.name,
                inspect.Parameter.POSITIONAL_OR_KEYWORD,
                default=field.default,
                annotation=field.type,
            )
            for field in dataclasses.fields(Measuring)
        ]

    @wraps(command)
    def flat(**given: Any) -> Any:
        names = {field.name for field in dataclasses.fields(Measuring)} & set(given)
        how = Measuring(**{name: given.pop(name) for name in names})
        return command(**given, **{spread: how})

    flat.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    flat.__annotations__ = {p.name: p.annotation for p in parameters}
    return flat


def named_in(
    spec: list[str] | None, space: str | None, what: str, how: Measuring, **more: Any
) -> "Designs":
    """Return the requested designs; without any, raise and say how long all of them take.

    ``--spec all`` asks for every named design, which at full size is hours of work.
    """
    from latency_db.builder import Effort
    from latency_db.builder_designs import ALL, designs
    from latency_db.builder_plan import plan_blocks
    from latency_db.builder_time import seconds_by_block
    from search_space.errors import WalkbenchError

    chosen = designs(spec or (), space, seed=how.seed, width=how.narrow, latent=how.latent, **more)
    if not spec and space is None:
        blocks = [row.block for row in plan_blocks(chosen.named).blocks]
        effort = Effort(how.passes, how.rounds, copies=how.chain)
        hours = sum(seconds_by_block(blocks, how.backend, effort).values()) / 3600
        price = f", roughly {hours:.1f} h on {how.backend}" if what == "measure" else ""
        raise WalkbenchError(
            f"nothing to {what} was named; give --spec (a named design or a JSON file, repeatable) "
            f"or --space; --spec {ALL} takes all {len(chosen.named)} named designs, "
            f"{len(blocks)} blocks{price}"
        )
    return chosen


def run_measurement(
    listed: "Sequence[Subject]", out: Path, how: Measuring, *, resume: bool
) -> None:
    """Measure into ``out`` with a progress bar, and say what was skipped or fell back."""
    from latency_db.backends.backend import backend_of
    from latency_db.backends.prepare import prepare_graphs
    from latency_db.builder import Effort, measure
    from studies.cli.phases import Phases

    options = how.backend_options()
    made = backend_of(how.backend, **options)
    effort = Effort(how.passes, how.rounds, copies=how.chain)
    try:
        with Phases(err) as progress:
            if how.workers > 1:
                prepare_graphs(
                    listed,
                    how.backend,
                    options,
                    effort,
                    how.workers,
                    progress.phase("making graphs"),
                )
            outcome = measure(
                listed, made, out, effort, resume=resume, progress=progress.phase("measuring")
            )
    finally:
        made.close()
    for key, reason in outcome.skipped.items():
        err.print(f"[yellow]skipped[/yellow] {key}: {reason}", soft_wrap=True)
    for key, planned in outcome.fallbacks.items():
        err.print(f"[bold red]not on the Neural Engine[/bold red] {key}: {planned}", soft_wrap=True)
    resumed = f", {outcome.resumed} found done" if outcome.resumed else ""
    err.print(f"{outcome.measured} visits measured{resumed}; table {out}", soft_wrap=True)
