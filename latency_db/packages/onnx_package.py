"""A network as an ONNX file with its weights beside it, run in ONNX Runtime against torch.

The graph is exported from meta tensors; the weights are then written one block at a time into the
external data file that the graph points to. SDXL's 10 GB so need no more memory than its largest
block. The file is run at batch 1 and 2; torch, which it is compared with, also holds one block at a
time. The batch is dynamic; inputs and outputs have the names and layouts of diffusers.

    Unet/model.onnx  Unet/model.onnx_data

>>> Settings().shift
1.0
"""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from latency_db.backends.backend import CannotRun
from latency_db.backends.host import versions
from latency_db.packages.coreai_package import differences
from latency_db.packages.package_folder import Format
from latency_db.packages.part_module import PartModule, part_inputs, run_by_step
from latency_db.packages.parts import Part, modules_of
from latency_db.packages.weights import WeightSource
from search_space.errors import WalkbenchError

GRAPH, DATA = "model.onnx", "model.onnx_data"
BATCHES = (1, 2)  # that a file is run with
IN_MEMORY = 1.5  # times its weights that a file may take to run: activations lie beside them
ALIGNMENT = 4096  # of a tensor in the data file: it can be mapped
SEED = 0
_PREFIX = "module."  # of parameter names in the exported graph


@dataclass(frozen=True)
class Settings:
    """How a network becomes ONNX. ``execute``: run the file and torch where memory suffices."""

    shift: float = 1.0
    execute: bool = True


def write(part: Part, weights: WeightSource, settings: Settings, path: Path) -> dict[str, Any]:
    """Export ``part`` into the folder ``path``, run it, and return what its note says."""
    module = PartModule(part, "tokens", settings.shift).eval()
    params = sum(p.numel() for p in module.parameters())
    program = _export(module)
    path.mkdir()
    tensors = _write_data(part, weights, path / DATA)
    for name, value in program.model.graph.initializers.items():
        if name.startswith(_PREFIX):
            value.const_value = tensors.pop(name.removeprefix(_PREFIX))
    if tensors:
        raise CannotRun(f"the ONNX graph lost parameter {next(iter(tensors))}; report this")
    _save(program.model, path / GRAPH)
    runs = settings.execute and IN_MEMORY * 4 * params < _free_memory()
    return {
        "inputs": [value.name for value in program.model.graph.inputs],
        "outputs": [value.name for value in program.model.graph.outputs],
        "opset": program.model.opset_imports[""],
        "params": params,
        "executed": runs,
        **(_errors(part, weights, settings.shift, path / GRAPH) if runs else {}),
        "versions": versions("onnx", "onnxruntime", "onnxscript", "torch"),
    }


class _Positional(nn.Module):
    """A part whose tensors are positional: dynamic shapes are given by position."""

    def __init__(self, module: PartModule):
        super().__init__()
        self.module = module

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        names = self.module.part.inputs
        out: tuple[Tensor, ...] = self.module(**dict(zip(names, tensors, strict=True)))
        return out


def _export(module: PartModule) -> Any:
    """Return the ONNX program of a module on meta; its parameters have shapes and no values."""
    try:
        import onnxruntime  # noqa: F401  # the extra is missing now, not after the export
        import onnxscript  # noqa: F401
    except ImportError:
        raise WalkbenchError("ONNX needs the onnx extra; pip install 'walkbench[onnx]'") from None
    part = module.part
    with torch.device("meta"):
        inputs = part_inputs(part, 2, "tokens")
    batch = torch.export.Dim("batch")
    log = logging.getLogger("torch.onnx")
    before = log.level
    log.setLevel(logging.ERROR)  # it lists torchvision operators that nobody asked for
    try:
        with torch.no_grad():
            return torch.onnx.export(
                _Positional(module).eval(),
                tuple(inputs.values()),
                dynamo=True,
                verbose=False,
                optimize=False,  # it folds weights, which are not there yet
                dynamic_shapes=(tuple({0: batch} for _ in inputs),),
                input_names=list(inputs),
                output_names=list(part.outputs),
            )
    except torch.onnx.errors.OnnxExporterError as error:
        reason = str(error).strip().splitlines()[0]
        raise CannotRun(f"torch.onnx cannot export the network: {reason}") from None
    finally:
        log.setLevel(before)


def _write_data(part: Part, weights: WeightSource, path: Path) -> dict[str, Any]:
    """Write every parameter to ``path``, a block at a time; return where each one lies."""
    import onnx_ir

    tensors: dict[str, Any] = {}
    with path.open("wb") as file:
        for node in part.nodes:
            block = modules_of([node])
            for name, values in weights.read(part.network, block).items():
                file.seek(-file.tell() % ALIGNMENT, os.SEEK_CUR)
                offset = file.tell()
                file.write(values.float().contiguous().numpy().data.cast("B"))
                tensors[name] = onnx_ir.ExternalTensor(
                    path.name,
                    offset,
                    file.tell() - offset,
                    onnx_ir.DataType.FLOAT,
                    shape=onnx_ir.Shape(values.shape),
                    name=name,
                    base_dir=path.parent,
                )
    return tensors


def _save(model: Any, path: Path) -> None:
    """Simplify the graph and write it; what is folded into it stays small, weights stay outside."""
    import onnx_ir
    from onnxscript import optimizer

    # by default every transposed weight would be computed and written into the graph file
    optimizer.optimize_ir(
        model, should_fold=lambda node: False if node.op_type == "Transpose" else None
    )
    for node in model.graph.all_nodes():
        node.metadata_props.clear()  # stack traces, with the paths of this machine
        node.doc_string = None
    onnx_ir.save(model, path)


def _errors(part: Part, weights: WeightSource, shift: float, path: Path) -> dict[str, float]:
    """Run the file at every batch of :data:`BATCHES` and compare with torch, the worst of all."""
    generator = torch.Generator().manual_seed(SEED)
    inputs = part_inputs(part, max(BATCHES), "tokens", generator)
    wanted = run_by_step(part, weights, inputs, "tokens", shift)
    session = session_of(path)
    worst: dict[str, float] = {}
    for batch in BATCHES:
        got = run(session, {name: tensor[:batch] for name, tensor in inputs.items()})
        found = differences(got, {name: tensor[:batch] for name, tensor in wanted.items()})
        worst = {key: max(value, worst.get(key, 0.0)) for key, value in found.items()}
    return worst


def session_of(path: Path) -> Any:
    """Load a graph in ONNX Runtime on this processor, with one thread, weights left in the file."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 3  # errors only
    options.add_session_config_entry("session.disable_prepacking", "1")  # it copies weights
    return onnxruntime.InferenceSession(
        str(path),
        options,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=["ConstantFolding"],  # it copies weights too, transposed
    )


def run(session: Any, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Run a loaded graph on torch tensors and return its outputs by name."""
    names = [output.name for output in session.get_outputs()]
    values = session.run(names, {name: tensor.numpy() for name, tensor in inputs.items()})
    return {name: torch.from_numpy(v) for name, v in zip(names, values, strict=True)}


def _free_memory() -> int:
    """Bytes of memory that are free now, or twice what anybody needs where nobody tells."""
    path = Path("/proc/meminfo")
    if path.exists():
        for line in path.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    return 1 << 40


ONNX = Format("onnx", "", write)
