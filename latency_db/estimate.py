"""Estimate milliseconds on Apple's chips, for a network, a block, or any module that can be traced.

No phone is needed: the estimate is a roofline fitted to other people's published measurements
(:mod:`latency_db.roofline_fit`). Its interval comes from rows whose lab and family were held out.

>>> from search_space.presets import named_spec
>>> latency = ChipEstimate.of("A18 Pro").predict(named_spec("snapgen-t2i"))
>>> latency.source, latency.low < 274 < latency.high  # published: 274 ms
('estimated', True)
"""

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from latency_db.device_model import DeviceModel, chip_model
from latency_db.devices import chip_of
from latency_db.latency import Latency
from latency_db.operators import operators, unknown_names
from latency_db.roofline import Array, Setting
from latency_db.source import revision_of
from latency_db.units import unit_ratio
from search_space.blocks import Block
from search_space.errors import WalkbenchError
from search_space.modules.network import PlannedNetwork
from search_space.network import Network
from search_space.program import Program, is_several, programs_of
from search_space.trace import Op, trace

HALF_BITS = 16  # of a weight, as fits and prices count them
UNKNOWN_WIDENS = 2.0  # an interval grows to this when all the time is in operators never seen


class UnknownOperatorWarning(UserWarning):
    """A module has operators that no published network had; the estimate's interval is wider."""


@dataclass(frozen=True)
class ChipEstimate:
    """The estimate of one device: of its chip, or of a phone that was calibrated.

    ``batch`` inputs pass at once (a pair for classifier-free guidance is 2); ``units`` is "ane",
    "gpu" or "cpu" (:mod:`latency_db.units`). Programs of a picture say their weights' bits.
    """

    model: DeviceModel
    device: str
    name: str = "estimate from published measurements"
    batch: int = 1
    units: str = "ane"

    @classmethod
    def of(cls, chip: str, device: str = "") -> "ChipEstimate":
        """Return the estimate for ``chip``, which may be a phone's name.

        Raises :class:`WalkbenchError` naming the nearest for an unknown one.
        """
        return cls(chip_model(chip_of(chip)), device or chip)

    @property
    def chip(self) -> str:
        """Chip that the estimate is for."""
        return self.model.chip

    @property
    def revision(self) -> str:
        """Digest of the fit, the chip and what was asked of it."""
        if (self.batch, self.units) == (1, "ane"):
            return self.model.revision
        return revision_of((self.model.revision, str(self.batch), self.units))

    def predict(self, network: Network) -> Latency:
        """Return the estimated latency of one forward pass, with its 80 % interval.

        That of a picture where ``network`` stands for several programs: they share the device.
        """
        if is_several(network):
            latency = self._predict_together(programs_of(network))
        else:
            latency = self.model.latency(self.model.price_network(network, self.batch))
        return latency if self.units == "ane" else unit_ratio(self.units).of(latency)

    def _predict_together(self, programs: Iterable[Program]) -> Latency:
        calls: dict[tuple[Network, int], int] = {}
        for one in programs:
            key = (one.network, one.bits)
            calls[key] = calls.get(key, 0) + one.calls
        return self.model.latency_together(
            [(self._price(network, bits), n) for (network, bits), n in calls.items()]
        )

    def _price(self, network: Network, bits: int) -> Array:
        """Return the price of a network whose weights are stored at ``bits``."""
        price = self.model.price_network(network, self.batch)
        if bits == HALF_BITS:
            return price
        return np.concatenate([price[:-1], price[-1:] * bits / HALF_BITS])

    def predict_block(self, block: Block) -> Latency:
        """Return what ``block`` adds to a network; no floor is counted (:func:`estimate_block`)."""
        latency = self.model.latency(self.model.price_block(block, self.batch), floor=False)
        return latency if self.units == "ane" else unit_ratio(self.units).of(latency)


def estimate_block(block: Block, chip: str) -> Latency:
    """Return the latency that ``block`` adds to a network on ``chip``; no floor is counted.

    Blocks of a network hide each other's reading of weights, so their sum is an upper bound.
    """
    model = chip_model(chip_of(chip))
    return model.latency(model.price_block(block, 1), floor=False)


def estimate(
    subject: nn.Module | Network,
    inputs: Sequence[Any] | Mapping[str, Any] | Tensor | None = None,
    chip: str = "A17 Pro",
    setting: Setting | None = None,
) -> Latency:
    """Return the latency of a network or of any traceable module on ``chip``, with its interval.

    ``inputs`` are the module's forward arguments (a tensor, a sequence, or a mapping of names);
    only their shapes and dtypes matter. The module is traced as a copy on meta, so it may be
    anywhere. ``setting`` says how it will be converted: by default as PyTorch writes it, or
    ANE-friendly for a network or the module of one.

    Raises :class:`WalkbenchError` for an unknown chip (naming the nearest), and for a module whose
    shapes depend on values or that cannot be traced. Operators that the tracer does not know are
    named in an :class:`UnknownOperatorWarning`, count as data movement, and widen the interval.
    """
    name = chip_of(chip)
    if not isinstance(subject, nn.Module):
        return ChipEstimate.of(name).predict(subject)
    if inputs is None:
        raise WalkbenchError("estimate needs the inputs of a module; pass its forward arguments")
    ops = _trace(subject, inputs)
    friendly = isinstance(subject, PlannedNetwork)
    chosen = setting if setting is not None else Setting(ane_layout=friendly)
    return estimate_operators(ops, name, chosen)


def estimate_operators(ops: Iterable[Op], chip: str, setting: Setting) -> Latency:
    """Return the latency of a traced network on ``chip``, its floor included."""
    ops = tuple(ops)
    unknown = unknown_names(ops)
    model = chip_model(chip)
    parts = operators(ops)
    price = model.price_operators(parts, setting)
    if not unknown:
        return model.latency(price)
    guessed = {op: n for op, n in parts.items() if op.kind == "unknown"}
    share = model.price_operators(guessed, setting)[0] / price[0]
    # Even a fast-looking one may be a fallback to the CPU, hence a widening that is never small.
    widen = 1.25 + (UNKNOWN_WIDENS - 1.25) * float(share)
    warnings.warn(
        f"no published network had these operators: {', '.join(unknown)}; they count as data "
        f"movement, and the interval is {widen:.2f} times as wide",
        UnknownOperatorWarning,
        stacklevel=3,
    )
    return model.latency(price, widen=widen)


def _trace(module: nn.Module, inputs: Sequence[Any] | Mapping[str, Any] | Tensor) -> tuple[Op, ...]:
    """Trace a copy of ``module`` on meta; the original keeps its device and its weights."""
    try:
        copy = _on_meta(module)
        if isinstance(inputs, Mapping):
            named = {key: _meta_input(value) for key, value in inputs.items()}
            with torch.device("meta"):
                return trace(copy, **named).ops
        given = (inputs,) if isinstance(inputs, Tensor) else inputs
        with torch.device("meta"):
            return trace(copy, *(_meta_input(value) for value in given)).ops
    except WalkbenchError:
        raise
    except Exception as error:  # whatever a user's module raises is the user's to read
        first = str(error).strip().splitlines()[0] if str(error).strip() else ""
        raise WalkbenchError(
            f"{type(module).__name__} cannot be traced on meta: {type(error).__name__} {first}; "
            "it must run on the given inputs, and its shapes must not depend on values"
        ) from error


def _on_meta(module: nn.Module) -> nn.Module:
    """Return a copy whose parameters and buffers are on meta, without copying their values."""
    import copy

    tensors = {
        id(t): t if t.device.type == "meta" else _like_on_meta(t)
        for t in (*module.parameters(), *module.buffers())
    }
    return copy.deepcopy(module, memo=tensors)


def _like_on_meta(tensor: Tensor) -> Tensor:
    made = torch.empty_like(tensor, device="meta")
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(made, requires_grad=tensor.requires_grad)
    return made


def _meta_input(value: Any) -> Any:
    return value.to("meta") if isinstance(value, Tensor) else value
