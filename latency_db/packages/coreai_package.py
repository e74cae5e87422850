"""A part of a network as an `.aimodel` on disk, executed and compared with torch.

>>> Settings().precision
'fp32'
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from latency_db.backends.host import versions
from latency_db.packages.coreai_runtime import SUFFIX, execute, save
from latency_db.packages.package_folder import Format
from latency_db.packages.part_module import PartModule, part_inputs
from latency_db.packages.parts import Part
from latency_db.packages.weights import WeightSource, fill

FULL_PRECISION = ("timestep", "time_ids", "class_labels")
SEED = 0  # of the inputs that a program is executed with


@dataclass(frozen=True)
class Settings:
    """How a network becomes Core AI. ``execute``: run the program here and compare with torch."""

    precision: Literal["fp32", "fp16"] = "fp32"
    batch: int = 1
    shift: float = 1.0
    execute: bool = True


def write(part: Part, weights: WeightSource, settings: Settings, path: Path) -> dict[str, Any]:
    """Convert ``part``, save it at ``path``, run it, and return what its note says."""
    module = PartModule(part, "tokens", settings.shift)
    made = _on_meta(module, part_inputs(part, settings.batch, "tokens"))
    fill(module, part.network, weights)
    exact = part_inputs(part, settings.batch, "tokens", torch.Generator().manual_seed(SEED))
    half = settings.precision == "fp16"
    inputs = {n: t.half() if half and n not in FULL_PRECISION else t for n, t in exact.items()}
    wanted = _in_torch(module, inputs) if settings.execute else {}
    if half:
        module.half()
    params = sum(p.numel() for p in module.parameters())
    save(module, inputs, part.outputs, path)
    del module
    errors = differences(execute(path, inputs), wanted) if settings.execute else {}
    return {
        "inputs": [_port(name, tensor) for name, tensor in inputs.items()],
        "outputs": [_port(n, t.half() if half else t) for n, t in made.items()],
        "params": params,
        **errors,
        "versions": versions("coreai-torch", "coreai-core", "torch"),
    }


def _on_meta(module: PartModule, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Run a module without values: what remains are the shapes of its outputs."""
    with torch.device("meta"), torch.no_grad():
        out = module(**{name: tensor.to("meta") for name, tensor in inputs.items()})
    return dict(zip(module.part.outputs, out, strict=True))


def _in_torch(module: PartModule, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Run a module in single precision, whatever the precision of ``inputs``."""
    rounded = {n: t if t.dtype is torch.long else t.float() for n, t in inputs.items()}
    with torch.no_grad():
        return dict(zip(module.part.outputs, module(**rounded), strict=True))


def _port(name: str, tensor: Tensor) -> dict[str, Any]:
    kind = str(tensor.dtype).removeprefix("torch.")
    return {"name": name, "shape": list(tensor.shape), "dtype": kind}


def differences(got: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, float]:
    """Return how far outputs are off, the worst of all: absolute, and relative to their rms.

    ``max_error`` and ``max_error_of_rms`` are the largest difference of any value;
    ``rms_error_of_rms`` is the root mean square of the differences.
    """
    worst = dict.fromkeys(("max_error", "max_error_of_rms", "rms_error_of_rms"), 0.0)
    for name, tensor in wanted.items():
        off = got[name].float() - tensor
        rms = float(tensor.square().mean().sqrt())
        found = (float(off.abs().max()), float(off.square().mean().sqrt()))
        for key, value in zip(worst, (found[0], found[0] / rms, found[1] / rms), strict=True):
            worst[key] = max(worst[key], value)
    return worst


COREAI = Format("coreai", SUFFIX, write)
