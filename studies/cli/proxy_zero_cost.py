"""`walkbench proxy zero-cost`: scores of untrained twins, as baselines.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> CliRunner().invoke(app, ["proxy", "zero-cost", "sdxll"]).exit_code
2
"""

from typing import Annotated, Any

import typer

from proxies.data.source import DataSource
from search_space.errors import WalkbenchError
from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.cli.proxy_data import LatentOption, load_data
from studies.formats import count, decimals, giga
from studies.settings import build, with_settings

SPECS = typer.Argument(metavar="SPEC…", help="Named designs or JSON files.", show_default=False)


@with_settings(DataSource)
def zero_cost(
    specs: Annotated[list[str], SPECS],
    given: dict[str, Any],
    seed: Annotated[int, typer.Option(help="Seed of weights and noise.")] = 0,
    width: Annotated[int, typer.Option(help="Channels of the twin for 256 of the network.")] = 16,
    latent: LatentOption = None,
    batch: Annotated[int, typer.Option(help="Pictures per gradient, 2 or more.")] = 16,
    format: FormatOption = Format.table,
) -> None:
    """Print the zero-cost scores of designs: gradients of their twins before any training.

    Baselines that short training must beat, and cheap filters. More is meant to be better in each;
    none is known to rank diffusion UNets. Params and MACs are of the designs themselves. Gradients
    are taken on shapes, or on the data that training will see.
    """
    if batch < 2:
        raise WalkbenchError(f"--batch is {batch}; 2 pictures or more are needed to compare")
    from search_space.load import load_spec

    designs = [(name, load_spec(name)) for name in specs]
    parts, side = load_data(build(DataSource, given), latent)
    rows = _rows(
        designs, parts.train if parts else None, seed=seed, width=width, latent=side, batch=batch
    )
    columns = [
        Column("spec", "spec"),
        Column("params", "params", count, right=True, optional=True),
        Column("macs", "MACs", giga, right=True, optional=True),
        Column("grad_norm", "grad_norm", decimals(2), right=True),
        Column("snip", "snip", decimals(1), right=True),
        Column("synflow", "synflow (log)", decimals(2), right=True),
        Column("naswot", "naswot", decimals(2), right=True),
        Column("jacov", "jacov", decimals(1), right=True),
        Column("zico", "ZiCo", decimals(1), right=True),
    ]
    emit(rows, format, columns)


def _rows(designs: list[tuple[str, Any]], data: Any, **settings: Any) -> list[dict[str, Any]]:
    """Return one row per design, with its progress on stderr."""
    from proxies.threads import cpu_threads
    from proxies.twin import twin
    from proxies.zero_cost import zero_cost_scores
    from studies.cli.phases import Phases

    for _, design in designs:
        twin(design, settings["width"], settings["latent"])  # fail before any is scored
    rows = []
    with Phases(err) as phases, cpu_threads(1):
        tick = phases.phase("scoring")
        for done, (name, design) in enumerate(designs):
            tick(done, len(designs), name)
            scores = zero_cost_scores(design, data=data, **settings)
            rows.append({"spec": name, "digest": design.digest(), **scores})
        tick(len(designs), len(designs), "")
    return rows


def register(group: typer.Typer) -> None:
    """Add the command to ``group``."""
    group.command("zero-cost")(zero_cost)
