"""`walkbench latency anchors`: the few networks that teach most about a new phone, as packages.

JSON: a list, best first, of ``anchor``, ``spec``, ``latent``, ``estimate_ms``, ``spread`` (of the
interval of the other designs once it has been timed, high over low), ``params``, ``programs`` and,
with ``--to``, ``folder``.

>>> from studies.cli.main import app
>>> from typer.testing import CliRunner
>>> words = ["latency", "anchors", "--device", "iPhone 15", "--count", "1", "--format", "csv"]
>>> CliRunner().invoke(app, words).stdout.splitlines()[0]
'anchor,spec,latent,estimate_ms,spread,params,programs'
"""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studies.cli.latency_options import SeedOption, SpaceOption, SpecOption
from studies.cli.output import Column, Format, FormatOption, emit, err
from studies.formats import count as whole_number
from studies.formats import decimals

if TYPE_CHECKING:
    from search_space.network import Network

TO_FILL_IN = "anchors.csv"
DRAWN = 100  # designs of a space whose intervals are narrowed


def anchors(
    device: Annotated[str, typer.Option("--device", help="The phone or chip to be timed.")],
    count: Annotated[int, typer.Option(help="How many networks.", min=1)] = 3,
    spec: SpecOption = None,
    space: SpaceOption = None,
    seed: SeedOption = 0,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="DIR", help="Convert them to Core ML here, with a CSV."),
    ] = None,
    target: Annotated[str, typer.Option(help="Core ML: ios17 or ios18.")] = "ios17",
    format: FormatOption = Format.table,
) -> None:
    """List the networks worth timing on a phone, best first, and convert them.

    Each leaves the intervals of other designs narrowest, given those before it: of the named
    designs, or of --spec and 100 designs of --space. No measured time enters.

    With --to, each becomes a folder of .mlpackage, and anchors.csv waits for your milliseconds.
    Run again, it continues with what is missing.
    """
    from latency_db.anchors import best_anchors, fits, named_candidates
    from latency_db.builder_designs import designs
    from latency_db.packages.coreml_part import Settings
    from latency_db.packages.parts import cut, sizes_at
    from search_space.cost import cost

    settings = Settings(target, layout="ane")  # what estimates assume
    if to is not None:
        _check_library()
    chosen = designs(spec or (), space, DRAWN if space is not None else 0, seed)
    known = named_candidates()
    with err.status("pricing networks"):
        networks = {name: candidate.network for name, candidate in known.items()}
        networks = {name: found for name, found in networks.items() if fits(found, device)}
        _check_count(count, networks, device)
        targets = [*chosen.named.values(), *chosen.sampled]
        lessons = best_anchors(device, networks, targets, count)
    rows: list[dict[str, Any]] = [
        {
            "anchor": one.name,
            "spec": known[one.name].spec,
            "latent": known[one.name].latent,
            "estimate_ms": one.estimate_ms,
            "spread": one.spread,
            "params": cost(networks[one.name]).params,
            "programs": len(cut(networks[one.name], sizes_at(16))),
        }
        for one in lessons
    ]
    if to is not None:
        _convert(rows, networks, settings, to)
        _offer_csv(rows, device, to)
    emit(rows, format, _COLUMNS, f"Networks worth timing on {device}, each after those before it")
    if format is Format.table:
        _say_next(device, to)


def _check_library() -> None:
    """Raise :class:`WalkbenchError` for a missing extra before anything is priced."""
    from latency_db.backends.coreml_export import coremltools

    coremltools()


def _check_count(count: int, networks: "dict[str, Network]", device: str) -> None:
    from search_space.errors import WalkbenchError

    if count > len(networks):
        raise WalkbenchError(
            f"--count {count}; there are {len(networks)} candidates that fit {device}, and five "
            "anchors settle what a lab can tell"
        )


def _convert(
    rows: list[dict[str, Any]], networks: "dict[str, Network]", settings: Any, to: Path
) -> None:
    """Convert every anchor into a folder of its own, with random weights, and name the folder."""
    from latency_db.backends.backend import CannotRun
    from latency_db.packages.coreml_package import COREML
    from latency_db.packages.package_folder import write_packages
    from latency_db.packages.parts import cut, sizes_at
    from latency_db.packages.weights import RandomWeights
    from studies.cli.phases import Phases

    with Phases(err) as progress:
        for row in rows:
            parts = cut(networks[row["anchor"]], sizes_at(16))
            folder, tick = to / row["anchor"].replace("/", "-"), progress.phase(row["anchor"])
            try:
                write_packages(parts, RandomWeights(), settings, COREML, folder, tick)
            except CannotRun as error:
                err.print(f"[yellow]not converted[/yellow] {row['anchor']}: {error}")
                row["folder"] = None
            else:
                row["folder"] = str(folder)


def _offer_csv(rows: list[dict[str, Any]], device: str, to: Path) -> None:
    """Write a CSV whose times are empty, unless one is there, perhaps with times in it."""
    from search_space.atomic import write_file

    path = to / TO_FILL_IN
    if path.exists():
        err.print(f"{path} is there already and stays as it is", soft_wrap=True)
        return
    lines = ["spec,latent,device,ms"]
    lines += [f"{row['spec']},{row['latent']},{device}," for row in rows if row["folder"]]
    write_file(path, "\n".join(lines) + "\n")


def _say_next(device: str, to: Path | None) -> None:
    quoted = shlex.quote(device)
    if to is None:
        err.print(f"walkbench latency anchors --device {quoted} --to anchors", highlight=False)
        return
    path = to / TO_FILL_IN
    err.print(
        f"Time them (docs/measure-your-iphone.md), write the medians into {path}; a network of "
        "several programs takes their sum. Then",
        soft_wrap=True,
    )
    err.print(
        f"walkbench latency calibrate --device {quoted} --measured {shlex.quote(str(path))}",
        soft_wrap=True,
    )


_COLUMNS = [
    Column("anchor", "design@latent"),
    Column("estimate_ms", "estimate ms", decimals(1), right=True),
    Column("spread", "interval of others, high/low", decimals(2), right=True),
    Column("params", "params", whole_number, right=True),
    Column("programs", "programs", whole_number, right=True),
]


def register(group: typer.Typer) -> None:
    """Add the command to the group ``latency``."""
    group.command()(anchors)
