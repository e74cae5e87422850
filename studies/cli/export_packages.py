"""The options of `walkbench export` that add packages, and the phone check.

JSON of ``--check-phone``: a list of ``kind``, ``step``, ``what``, ``value``, ``limit``, ``unit``
and ``cure``.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from studies.cli.output import Column, Format, emit, err
from studies.formats import decimals

if TYPE_CHECKING:
    from search_space.network import Network
    from search_space.spec import UNetSpec
    from studies.phone.packages import Request

CoreMLOption = Annotated[
    bool, typer.Option("--coreml", help="Also convert the network to Core ML (.mlpackage).")
]
CoreAIOption = Annotated[
    bool, typer.Option("--coreai", help="Also convert to Core AI (.aimodel, beta) and run it.")
]
OnnxOption = Annotated[
    bool, typer.Option("--onnx", help="Also convert to ONNX and run it in ONNX Runtime.")
]
BitsOption = Annotated[
    int, typer.Option(help="Core ML: bits per weight, 16, 8, 6, 4 (3 with ios18).")
]
GroupOption = Annotated[
    int, typer.Option(help="Core ML, ios18: output channels that share a palette; 0: all.", min=0)
]
ChunksOption = Annotated[
    str, typer.Option(help="Core ML: programs the network is cut into; auto: below 1 GB each.")
]
TargetOption = Annotated[str, typer.Option(help="Core ML: ios17 or ios18.")]
LayoutOption = Annotated[str, typer.Option(help="Core ML: standard or ane.")]
ShiftOption = Annotated[
    float, typer.Option(help="Time shift built into the network; 1 leaves time as it is.")
]
SwiftOption = Annotated[
    Path | None,
    typer.Option(
        "--swift",
        metavar="PIPELINE",
        help="Also a bundle for Apple's Swift pipelines, with the text encoder and VAE of this "
        "diffusers folder.",
    ),
]
CheckOption = Annotated[
    bool,
    typer.Option("--check-phone", help="Write nothing; list what will not map well to --device."),
]


def request_of(
    coreml: bool,
    coreai: bool,
    onnx: bool,
    bits: int,
    group: int,
    chunks: str,
    target: str,
    layout: str,
    shift: float,
    dtype: str,
) -> "Request":
    """Return the checked request; raises :class:`WalkbenchError` before any work is done."""
    from latency_db.packages import coreai_package, onnx_package
    from latency_db.packages.coreml_part import Settings
    from studies.phone.packages import Request, check_request

    request = Request(
        Settings(target, layout=layout, bits=bits, group=group, shift=shift),  # type: ignore[arg-type]
        coreml,
        coreai_package.Settings(dtype, shift=shift) if coreai else None,  # type: ignore[arg-type]
        onnx_package.Settings(shift=shift) if onnx else None,
        chunks,
    )
    check_request(request)
    return request


def check(network: "Network", request: "Request", device: str, bundle: bool = False) -> None:
    """Refuse what a network does not have or no pipeline loads; warn of what is large or long.

    ``bundle``: Core ML packages for a Swift pipeline are wanted too.
    """
    from search_space.spec import UNetSpec
    from studies.phone.bundle import check_bundle
    from studies.phone.packages import check_network, warnings_for

    check_network(network, request, bundle)
    if bundle and isinstance(network, UNetSpec):
        check_bundle(network, request.core_ml)
    if request.formats or bundle:
        for line in warnings_for(network, request, device, bundle):
            err.print(f"[yellow]{line}[/yellow]", soft_wrap=True)


def write(network: "UNetSpec", folder: Path, request: "Request", swift: Path | None) -> list[Any]:
    """Add the packages to an exported folder, with progress on stderr."""
    from studies.phone.bundle import write_bundle
    from studies.phone.packages import add_packages

    def work(phase: Any) -> list[Any]:
        notes = add_packages(network, folder, request, phase)
        if swift is not None:
            notes += write_bundle(network, folder, swift, request.core_ml, phase("swift"))
        return notes

    return with_phases(work)


def with_phases(work: "Callable[[Any], list[Any]]") -> list[Any]:
    """Return the notes of ``work``, which reports to phases on stderr, and say what they hold."""
    from studies.cli.phases import Phases

    with Phases(err) as phases:
        notes = work(phases.phase)
    for note in notes:
        err.print(_sentence(note), soft_wrap=True)
    return notes


def _sentence(note: dict[str, Any]) -> str:
    """One line about a package: its size and time, and how near it is to the network."""
    said = (
        f"{note['format']} {note['file']}: {note['bytes'] / 1e6:,.0f} MB, {note['seconds']:.0f} s, "
        f"{note['peak_gb']:.1f} GB of memory"
    )
    if note.get("worst_correlation") is not None:
        said += (
            f"; worst weight {note['worst_weight']}, correlation {note['worst_correlation']:.5f}"
        )
    if note.get("undivided"):
        said += f"; one palette for {', '.join(note['undivided'])}: the group does not divide them"
    if "max_error" in note:
        said += f"; max |Δ| {note['max_error']:.1e}, {note['max_error_of_rms']:.1e} of the rms"
    elif note["format"] != "coreml":
        said += "; not executed, this machine has too little memory for it"
    return said


def check_phone(network: "Network", device: str, bits: int, layout: str, format: Format) -> None:
    """Print what will not map well to a phone."""
    from latency_db.packages import phone_check

    found = phone_check.check_phone(network, device, bits, layout)  # type: ignore[arg-type]
    columns = [
        Column("step", "step"),
        Column("kind", "kind"),
        Column("what", "what"),
        Column("value", "value", decimals(1), right=True),
        Column("limit", "limit", decimals(1), right=True),
        Column("unit", "unit"),
        Column("cure", "what helps"),
    ]
    emit([asdict(finding) for finding in found], format, columns)
    err.print(f"{len(found)} findings for {device} at {bits} bits; from the trace, no phone ran it")
