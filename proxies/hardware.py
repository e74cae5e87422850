"""Where a training step runs and in which arithmetic: device, precision, and their errors.

Weights, gradients, optimizer and averages are float32 everywhere. What ``precision`` decides is the
arithmetic of forward and backward:

- ``float32``   IEEE single precision, on a GPU too (there torch lets convolutions round otherwise)
- ``tf32``      NVIDIA's 10-bit mantissa for matrix products and convolutions, from Ampere on
- ``bfloat16``  autocast, from Ampere on; on a CPU only when asked for, since most gain nothing
- ``auto``      bfloat16 on a CUDA device that has it in hardware, float32 elsewhere

Validation is always float32, so a score says what the weights are worth and not how they were
multiplied; :class:`proxies.score.Fidelity` names the precision of the training.

>>> hardware = Hardware.of("cpu")
>>> str(hardware.device), hardware.precision
('cpu', 'float32')
>>> Hardware.of("tpu")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: device 'tpu' is unknown; use cpu, cuda, cuda:N or mps
"""

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from proxies.compute import PRECISIONS
from search_space.errors import WalkbenchError

AMPERE = (8, 0)  # compute capability of the first NVIDIA GPUs with bfloat16 and TF32


@dataclass(frozen=True)
class Hardware:
    """A device of this machine and the precision of its training; ``auto`` is resolved."""

    device: torch.device
    precision: str

    @classmethod
    def of(cls, device: str = "cpu", precision: str = "auto") -> "Hardware":
        """Return what ``device`` (cpu, cuda, cuda:N, mps) offers at ``precision``.

        Raises :class:`WalkbenchError` for a device that is unknown or not there and for a precision
        that it does not have.
        """
        if precision not in PRECISIONS:
            raise WalkbenchError(f"precision {precision!r} is unknown; use {', '.join(PRECISIONS)}")
        found = _device(device)
        has_short = found.type == "cuda" and torch.cuda.get_device_capability(found) >= AMPERE
        if precision == "auto":
            return cls(found, "bfloat16" if has_short else "float32")
        offered = {
            "cpu": ("float32", "bfloat16"),
            "cuda": ("float32", "tf32", "bfloat16") if has_short else ("float32",),
            "mps": ("float32",),
        }[found.type]
        if precision not in offered:
            raise WalkbenchError(
                f"device {device!r} does not train in {precision}; use {' or '.join(offered)}"
            )
        return cls(found, precision)

    def put(self, tensor: Tensor) -> Tensor:
        """Return ``tensor`` on the device; to a GPU the copy does not wait."""
        if self.device.type == "cuda":
            return tensor.pin_memory().to(self.device, non_blocking=True)
        return tensor.to(self.device)

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context of a forward pass."""
        if self.precision != "bfloat16":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def training(self) -> AbstractContextManager[None]:
        """Return the context of training: torch's global switches for float32, lent."""
        return self._products(exact=self.precision == "float32")

    def validating(self) -> AbstractContextManager[None]:
        """Return the context of a validation: true float32 whatever the training uses."""
        return self._products(exact=True)

    @contextmanager
    def _products(self, exact: bool) -> Iterator[None]:
        if self.device.type != "cuda":  # elsewhere float32 is float32 by torch's default
            yield
            return
        cudnn = torch.backends.cudnn
        before = torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark
        torch.set_float32_matmul_precision("highest" if exact else "high")
        cudnn.allow_tf32, cudnn.benchmark = not exact, True
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(before[0])
            cudnn.allow_tf32, cudnn.benchmark = before[1:]


def _device(name: str) -> torch.device:
    if not re.fullmatch(r"cpu|cuda(:\d+)?|mps", name):
        raise WalkbenchError(f"device {name!r} is unknown; use cpu, cuda, cuda:N or mps")
    device = torch.device(name)
    if device.type == "cuda":
        if not torch.cuda.is_available():
            built = torch.version.cuda is not None
            why = "no CUDA device is visible" if built else "this torch is built without CUDA"
            raise WalkbenchError(f"device {name!r} is not there: {why}; use cpu")
        count = torch.cuda.device_count()
        if (device.index or 0) >= count:
            raise WalkbenchError(
                f"device {name!r} is not there: this machine has {count}; use cuda:{count - 1}"
            )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise WalkbenchError(
            f"device {name!r} is not there: it needs a Mac with Apple silicon and a torch built "
            "for it; use cpu"
        )
    return device


def compiled(model: nn.Module) -> Callable[..., Tensor]:
    """Return ``model`` through `torch.compile`; its weights stay shared.

    The compilation happens in the first call, which raises :class:`WalkbenchError` where it fails.
    """
    fast = torch.compile(model)

    def forward(*inputs: Tensor) -> Tensor:
        try:
            out: Tensor = fast(*inputs)
        except Exception as error:
            if not type(error).__module__.startswith(("torch._dynamo", "torch._inductor")):
                raise
            said = " ".join(str(error).split("\n")[:2])
            raise WalkbenchError(
                f"torch.compile does not work here ({said}); train without it"
            ) from None
        return out

    return forward
