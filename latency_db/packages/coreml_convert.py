"""`to_coreml(module, …)`: any module with named tensors as a Core ML model in memory.

Half precision, except the sinusoids of the timestep: at t = 943 half precision is spaced by 0.5,
half a radian of the fastest wave. Inputs are half precision, as Apple's converter declares them,
but for numbers that must be exact; what a pipeline reads is single precision.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from latency_db.backends.backend import CannotRun
from latency_db.backends.coreml_export import TARGETS, coremltools, quiet

LONGEST_TIME_PATH = 10  # operators from the timestep, with its shift, to the sinusoid
# Single precision at the outside: exact numbers, and the outputs that Apple's pipelines read.
EXACT = ("timestep", "time_ids", "input_ids")
READ = ("noise_pred", "image", "last_hidden_state", "hidden_embeds", "pooled_outputs")


def to_coreml(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    outputs: Sequence[str],
    target: str,
    precision: str,
    where: str,
) -> Any:
    """Return the model of ``module``, called with ``inputs`` by name, giving a tuple ``outputs``.

    Raises :class:`CannotRun` naming ``where`` when it cannot be converted.
    """
    import numpy as np
    import torch

    ct = coremltools()

    def kind(name: str) -> Any:
        exact = precision == "fp32" or name in EXACT or name in READ
        return np.float32 if exact else np.float16

    compute = ct.precision.FLOAT32
    if precision == "fp16":
        compute = ct.transform.FP16ComputePrecision(lambda op: not _feeds_sinusoid(op))
    declared = [
        ct.TensorType(
            name=name,
            shape=tuple(tensor.shape),
            dtype=kind(name) if tensor.is_floating_point() else np.int32,
        )
        for name, tensor in inputs.items()
    ]
    passes = ct.PassPipeline()
    passes.remove_passes({"common::add_int16_cast"})  # numbers of tokens go up to 49,407
    try:
        with torch.no_grad(), quiet():
            exported = torch.export.export(module, (), kwargs=dict(inputs)).run_decompositions({})
            _drop_aliases(exported)
            return ct.convert(
                exported,
                inputs=declared,
                outputs=[ct.TensorType(name=name, dtype=kind(name)) for name in outputs],
                minimum_deployment_target=getattr(ct.target, TARGETS[target]),
                compute_precision=compute,
                pass_pipeline=passes,
                skip_model_load=True,
            )
    except (NotImplementedError, ValueError, RuntimeError, TypeError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CannotRun(f"{where} cannot be converted to Core ML: {reason}") from None


def _drop_aliases(exported: Any) -> None:
    """Remove `alias` nodes, for which coremltools has no lowering: they compute nothing."""
    import torch

    for node in list(exported.graph.nodes):
        if node.target is torch.ops.aten.alias.default:
            node.replace_all_uses_with(node.args[0])
            exported.graph.erase_node(node)


def _feeds_sinusoid(op: Any, within: int = LONGEST_TIME_PATH) -> bool:
    """Whether a MIL operator is a sine or cosine, or only such read it, a few operators on."""
    if op.op_type in ("cos", "sin"):
        return True
    readers = [reader for output in op.outputs for reader in output.child_ops]
    return bool(within and readers) and all(_feeds_sinusoid(r, within - 1) for r in readers)
