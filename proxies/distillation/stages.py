"""Stages side by side: how well each stage of a UNet does what the same stage of another does.

A plan is cut into segments: input, one per stage and direction, mid, output. :func:`traced` runs a
network and keeps what enters and leaves each; :class:`StageImitation` runs the stages of another on
those inputs and compares what they leave. Stages are found by name and skips by their order, so
networks may differ in sites, depth, blocks and widths, not in their number of stages. Where widths
differ, 1×1 adapters stand in between: they are trained along and thrown away.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from search_space.errors import WalkbenchError
from search_space.plan import SKIP, Segment
from search_space.spec import UNetSpec

INPUT = "input"  # the segment that makes the first feature map, the time and the text


@dataclass(frozen=True, eq=False)
class StageTrace:
    """What a stage reads and leaves: feature maps (B, C, H, W), and the skips it takes in order."""

    enters: Tensor | None  # None for the input
    skips: tuple[Tensor, ...]
    leaves: Tensor


def _run(
    network: nn.Module,
    name: str,
    segment: Segment,
    values: dict[str, Tensor],
    take: Iterator[Tensor],
    pushed: list[Tensor],
) -> list[Tensor]:
    """Run one segment on ``values``, which it extends; return the skips it took from ``take``."""
    taken: list[Tensor] = []
    for step in segment.steps:
        if step.pop:
            taken.append(next(take))
        read = [taken[-1] if what == SKIP else values[what] for what in step.reads]
        given = dict(zip(step.block.arguments, read, strict=True))
        out: Tensor = network.get_submodule(f"{name}.{step.name}")(**given)
        if step.adds:
            out = values[step.leaves] + out
        values[step.leaves] = out
        if step.push:
            pushed.append(out)
    return taken


def _popping(stack: list[Tensor]) -> Iterator[Tensor]:
    while True:
        yield stack.pop()


def traced(
    network: nn.Module, spec: UNetSpec, inputs: Mapping[str, Tensor]
) -> dict[str, StageTrace]:
    """Run ``network``, which ``spec`` plans, on its named inputs; return what its stages saw."""
    plan, values, stack = spec.plan(), dict(inputs), list[Tensor]()
    found: dict[str, StageTrace] = {}
    for name, segment in zip(plan.names, plan.segments, strict=True):
        enters = None if name == INPUT else values["x"]
        taken = _run(network, name, segment, values, _popping(stack), stack)
        found[name] = StageTrace(enters, tuple(taken), values["x"])
    return found


class StageImitation(nn.Module):
    """Compares the stages of a UNet with those of a reference; its parameters are the adapters.

    ``own`` and ``reference`` are traces of both on the same inputs, for their widths alone. Raises
    :class:`WalkbenchError` for networks that differ in their stages or in a map's size.
    """

    def __init__(
        self,
        spec: UNetSpec,
        own: Mapping[str, StageTrace],
        reference: Mapping[str, StageTrace],
    ) -> None:
        super().__init__()
        if list(own) != list(reference):
            raise WalkbenchError(
                f"the student has stages {', '.join(own)} and the reference "
                f"{', '.join(reference)}; stage-wise imitation needs the same"
            )
        self.spec = spec
        self.adapters = nn.ModuleDict()
        with torch.random.fork_rng(devices=[]):  # weights come from a stream of their own
            for name, one in own.items():
                other = reference[name]
                if one.leaves.shape[-2:] != other.leaves.shape[-2:]:
                    raise WalkbenchError(
                        f"stage {name} leaves {tuple(one.leaves.shape[-2:])} places in the student "
                        f"and {tuple(other.leaves.shape[-2:])} in the reference; use one latent"
                    )
                if one.enters is not None and other.enters is not None:
                    self._add(f"{name}:enters", other.enters, one.enters)
                pairs = zip(one.skips, _as_many(other, one), strict=True)
                for i, (skip, theirs) in enumerate(pairs):
                    self._add(f"{name}:skip{i}", theirs, skip)
                self._add(f"{name}:leaves", one.leaves, other.leaves)

    def _add(self, name: str, read: Tensor, needed: Tensor) -> None:
        if read.shape[1] != needed.shape[1]:
            self.adapters[name] = nn.Conv2d(read.shape[1], needed.shape[1], 1)

    def _adapted(self, name: str, value: Tensor) -> Tensor:
        out: Tensor = self.adapters[name](value) if name in self.adapters else value
        return out

    def _fed(self, name: str, value: Tensor) -> Tensor:
        # torch 2.13 on a CPU crashes in the backward pass of GroupNorm on a channels-last input
        # that needs no gradient, so every input of a stage asks for one.
        out = self._adapted(name, value)
        wants = torch.is_grad_enabled() and not out.requires_grad
        return out.detach().requires_grad_(True) if wants else out

    def losses(
        self,
        network: nn.Module,
        inputs: Mapping[str, Tensor],
        reference: Mapping[str, StageTrace],
    ) -> dict[str, Tensor]:
        """Return the loss of every stage of ``network``, (B,), fed with the reference's values.

        The time and the text are what the network's own input stage makes of ``inputs``.
        """
        plan, values = self.spec.plan(), dict(inputs)
        found = {}
        for name, segment in zip(plan.names, plan.segments, strict=True):
            like = reference[name]
            if like.enters is not None:
                values["x"] = self._fed(f"{name}:enters", like.enters)
            count = sum(step.pop for step in segment.steps)
            skips = _as_many(like, count)
            take = iter([self._fed(f"{name}:skip{i}", skip) for i, skip in enumerate(skips)])
            _run(network, name, segment, values, take, [])
            found[name] = self._loss(name, values["x"], like)
        return found

    def losses_of(
        self, own: Mapping[str, StageTrace], reference: Mapping[str, StageTrace]
    ) -> dict[str, Tensor]:
        """Return the loss of every stage of a network that ran on its own values, (B,)."""
        return {name: self._loss(name, one.leaves, reference[name]) for name, one in own.items()}

    def _loss(self, name: str, leaves: Tensor, like: StageTrace) -> Tensor:
        """Return the squared error over the mean square of the reference: 1 is a map of zeros."""
        made = self._adapted(f"{name}:leaves", leaves).float()
        wanted = like.leaves.float()
        error = (made - wanted).square().flatten(1).mean(dim=1)
        size: Tensor = wanted.square().flatten(1).mean(dim=1).clamp(min=1e-6)
        return error / size


def _as_many(reference: StageTrace, wanted: StageTrace | int) -> list[Tensor]:
    """Return as many skips of the reference as ``wanted``, the newest first; the oldest repeat."""
    count = wanted if isinstance(wanted, int) else len(wanted.skips)
    held = reference.skips
    return [held[min(i, len(held) - 1)] for i in range(count)]
