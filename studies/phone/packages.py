"""The packages that `walkbench export` adds to a folder, for Core ML, Core AI and ONNX.

They hold the weights of the folder and lie beside them:

    coreml/packages.json  coreml/Unet.mlpackage (or UnetChunk1, UnetChunk2, …)
    coreai/packages.json  coreai/Unet.aimodel
    onnx/packages.json    onnx/Unet/model.onnx  onnx/Unet/model.onnx_data

>>> from search_space.presets import named_spec
>>> request = Request(Settings(bits=6), coreml=True, chunks="2")
>>> [part.index for part in parts_for(named_spec("sdxl"), "coreml", request)]
[0, 1]
"""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from latency_db.packages import coreai_package, onnx_package
from latency_db.packages.coreml_part import Settings
from latency_db.packages.package_folder import Format, write_packages
from latency_db.packages.palettise import check_group, large_weights
from latency_db.packages.parts import (
    Part,
    cut,
    cut_into,
    dataflow,
    modules_of,
    sizes_at,
    whole,
)
from latency_db.packages.phone_check import app_memory, needed_memory
from latency_db.packages.weights import FolderWeights, WeightSource
from search_space.errors import WalkbenchError
from search_space.exported import PACKAGE_FOLDERS, read_facts, stored_weights
from search_space.network import Network
from search_space.spec import UNetSpec
from studies.export import Exported

AUTO = "auto"
SECONDS_PER_MILLION = {"coreml": 0.5, "coreai": 0.4, "onnx": 0.2}  # parameters; on one core
# Format: its module and constant there, what must be importable, the extra that brings it.
FORMATS = {
    "coreml": ("latency_db.packages.coreml_package", "COREML", "coremltools", "coreml"),
    "coreai": ("latency_db.packages.coreai_package", "COREAI", "coreai_torch", "coreai"),
    "onnx": ("latency_db.packages.onnx_package", "ONNX", "onnxscript", "onnx"),
}
SINGLE_PRECISION_LIMIT = 4 * 10**9  # bytes of one Core AI program, so that it can be made here


@dataclass(frozen=True)
class Request:
    """Which packages to write and how; a format that is None or False is not written.

    ``core_ml`` is how the network becomes Core ML, for packages and for a bundle. ``chunks``: how
    many programs the packages are cut into, "auto" for as many as needed.
    """

    core_ml: Settings
    coreml: bool = False
    coreai: coreai_package.Settings | None = None
    onnx: onnx_package.Settings | None = None
    chunks: str = AUTO

    @property
    def formats(self) -> list[str]:
        """Names of the formats to write."""
        return [name for name in FORMATS if getattr(self, name)]

    def settings(self, format: str) -> Any:
        """Return how the network becomes ``format``."""
        return self.core_ml if format == "coreml" else getattr(self, format)


def check_request(request: Request) -> None:
    """Raise :class:`WalkbenchError` for a missing extra or a number of chunks that is none."""
    for name in request.formats:
        _, _, library, extra = FORMATS[name]
        if find_spec(library) is None:
            raise WalkbenchError(
                f"--{name} needs the {extra} extra; pip install 'walkbench[{extra}]'"
            )
    if request.chunks != AUTO and not (request.chunks.isdecimal() and int(request.chunks)):
        raise WalkbenchError(f"--chunks {request.chunks!r}; a number or {AUTO!r} is needed")


def check_network(network: Network, request: Request, bundle: bool = False) -> None:
    """Raise :class:`WalkbenchError` for parts or groups that a network does not have.

    ``bundle``: the network is also converted to Core ML for a Swift pipeline.
    """
    for name in request.formats:
        parts_for(network, name, request)
    if request.core_ml.group and (request.coreml or bundle):
        check_group(large_weights(modules_of(dataflow(network))), request.core_ml.group)


def earlier_export(spec: UNetSpec, folder: Path, weights: dict[str, Any]) -> Exported | None:
    """Return what ``folder`` holds if it is this very export: packages are then added to it.

    ``weights`` is what `export.json` says of them. None for any other folder; writing there says
    what is in the way.
    """
    about = read_facts(folder)
    if about is None or (about.get("digest"), about.get("weights")) != (spec.digest(), weights):
        return None
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    ours = [path for path in files if path.relative_to(folder).parts[0] not in PACKAGE_FOLDERS]
    return Exported(
        folder, about["class"], about["why_own"], about["digest"], about["params"], tuple(ours)
    )


def warnings_for(
    network: Network, request: Request, device: str, bundle: bool = False
) -> list[str]:
    """Return what to tell before minutes are spent: too large for the phone, how long it takes.

    ``bundle``: the network is also converted to Core ML for a Swift pipeline.
    """
    said = []
    widths = dict[str, tuple[int, str]]()  # runtime: bits per weight, how to have fewer
    if request.coreml or bundle:
        widths["Core ML"] = (request.core_ml.bits, "fewer --bits")
    if request.coreai:
        widths["Core AI"] = (32, "--dtype fp16") if request.coreai.precision == "fp32" else (16, "")
    for runtime, (bits, fewer) in widths.items():
        needed, allowed = needed_memory(network, bits), app_memory(device)
        if needed > allowed:
            said.append(
                f"{runtime}: the network needs {needed / 1e9:.1f} GB at {bits} bits, an app on "
                f"{device} has about {allowed / 1e9:.1f} GB; choose "
                + " or ".join(filter(None, (fewer, "another design")))
            )
    params = whole(network, sizes_at(16)).weight_bytes / 2 / 1e6
    conversions = [*request.formats, *(["coreml"] if bundle else [])]
    minutes = sum(SECONDS_PER_MILLION[name] for name in conversions) * params / 60
    if minutes > 1:
        said.append(
            f"converting takes roughly {minutes:.0f} minutes; stopped, it continues where it was"
        )
    return said


def parts_for(network: Network, name: str, request: Request) -> tuple[Part, ...]:
    """Return the parts that a network is converted in.

    Core ML: ``request.chunks``. Core AI: as few as fit this machine. ONNX: one.
    """
    if name == "onnx":
        return (whole(network),)
    if name == "coreai":
        return cut(network, sizes_at(32), SINGLE_PRECISION_LIMIT)
    sizes = sizes_at(request.core_ml.bits)
    if request.chunks == AUTO:
        return cut(network, sizes)
    return cut_into(network, int(request.chunks), sizes)


def add_packages(
    network: Network,
    folder: Path,
    request: Request,
    progress: Callable[[str], Callable[[int, int, str], None]] | None = None,
    weights: WeightSource | None = None,
) -> list[dict[str, Any]]:
    """Write the packages of ``request`` into an exported folder and return their notes.

    ``progress`` gives a function to report to for each format. Complete packages are kept.
    ``weights`` are those of the folder, a UNet's unless given.
    """
    if stored_weights(folder).moments is not None:
        raise WalkbenchError(
            f"the network in {str(folder)!r} adds to a linear guess that packages do not have; "
            "export a design without it"
        )
    notes = []
    for name in request.formats:
        module, constant, _, _ = FORMATS[name]
        format: Format = getattr(import_module(module), constant)
        notes += write_packages(
            parts_for(network, name, request),
            weights or FolderWeights(folder),
            request.settings(name),
            format,
            folder / name,
            progress(name) if progress is not None else None,
        )
    return notes
