"""Where the weights of an export come from: a seed, or a file that somebody trained.

>>> weights_from("init", seed=3).facts
{'kind': 'initial', 'seed': 3}
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol

from torch import Tensor, nn

from search_space.decoder.spec import DecoderSpec
from search_space.diffusers_bridge import decoder_parameter_names, parameter_names
from search_space.errors import WalkbenchError
from search_space.exported import OWN_WEIGHTS, STOCK_FOLDER, STOCK_WEIGHTS, stored_weights
from search_space.initialise import draws
from search_space.spec import UNetSpec

Spec = UNetSpec | DecoderSpec
# Prefixes that trainers put before a network's own names.
PREFIXES = ("", "unet.", "module.", "_orig_mod.", "module._orig_mod.")
_SHOWN = 3


class Weights(Protocol):
    """Gives every parameter of a network, one at a time."""

    @property
    def facts(self) -> dict[str, Any]:
        """What `export.json` says of them, JSON types."""

    @property
    def moments(self) -> dict[str, float] | None:
        """Mean and variance of the data whose linear guess they add to."""

    @property
    def captions(self) -> Mapping[str, Tensor]:
        """Tables that turn captions into embeddings, where they were trained along."""

    def tensors(self, spec: Spec, unet: nn.Module) -> Iterator[tuple[str, Tensor]]:
        """Yield names and values of the parameters of ``unet``, which is on `meta`, in order."""


@dataclass(frozen=True)
class SeededWeights:
    """Weights that depend on the seed and on each parameter's name alone."""

    seed: int = 0
    moments: dict[str, float] | None = None
    captions: ClassVar[Mapping[str, Tensor]] = {}

    @property
    def facts(self) -> dict[str, Any]:
        """The seed says it all."""
        return {"kind": "initial", "seed": self.seed}

    def tensors(self, spec: Spec, unet: nn.Module) -> Iterator[tuple[str, Tensor]]:
        """Draw them."""
        return draws(unet, self.seed)


@dataclass(frozen=True)
class CheckpointWeights:
    """Weights of a safetensors file, under Walkbench's names or diffusers'."""

    path: Path
    moments: dict[str, float] | None = None
    digest: str = ""
    captions: ClassVar[Mapping[str, Tensor]] = {}

    @classmethod
    def at(cls, place: Path) -> "CheckpointWeights":
        """Find the file in ``place``: itself, or a folder that a trainer saved a network in."""
        path, moments = place, None
        if place.is_dir():
            stored = stored_weights(place)
            names = (STOCK_FOLDER + "/" + STOCK_WEIGHTS, STOCK_WEIGHTS, OWN_WEIGHTS)
            candidates = [stored.path, *(place / name for name in names)]
            found = next((path for path in candidates if path.is_file()), None)
            if found is None:
                raise WalkbenchError(
                    f"checkpoint {str(place)!r} has none of {', '.join(names)}; name a safetensors "
                    "file or the folder of a saved network"
                )
            path, moments = found, stored.moments
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise WalkbenchError(
                f"checkpoint {str(place)!r} cannot be read: {error.strerror}; name a safetensors "
                "file or the folder of a saved network"
            ) from None
        return cls(path, moments, digest)

    @property
    def facts(self) -> dict[str, Any]:
        """The content of the file, not its place."""
        return {"kind": "checkpoint", "file": self.path.name, "sha256": self.digest}

    def tensors(self, spec: Spec, unet: nn.Module) -> Iterator[tuple[str, Tensor]]:
        """Read them one at a time; raises :class:`WalkbenchError` for those of another network."""
        from safetensors import SafetensorError, safe_open

        shapes = {name: parameter.shape for name, parameter in unet.named_parameters()}
        try:
            with safe_open(self.path, framework="pt") as file:
                stored = self._names(spec, shapes, list(file.keys()))
                for name, shape in shapes.items():
                    values = file.get_tensor(stored[name])
                    if values.numel() != shape.numel():
                        raise WalkbenchError(
                            f"checkpoint {str(self.path)!r}: {stored[name]} has shape "
                            f"{tuple(values.shape)}, the design {tuple(shape)}; name a checkpoint "
                            f"of the network {spec.digest()}"
                        )
                    yield name, values.float().reshape(shape)
        except (OSError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise WalkbenchError(
                f"checkpoint {str(self.path)!r} cannot be read: {reason}; name another, perhaps "
                "the one before"
            ) from None

    def _names(self, spec: Spec, shapes: Mapping[str, Any], held: list[str]) -> dict[str, str]:
        """Return the stored name of every parameter."""
        namings = [{name: name for name in shapes}]
        with suppress(WalkbenchError):  # no class of diffusers, so none of its names either
            names = parameter_names if isinstance(spec, UNetSpec) else decoder_parameter_names
            namings.append(names(spec))  # type: ignore[arg-type]  # of its own kind
        there = set(held)
        for prefix in PREFIXES:
            for naming in namings:
                if all(prefix + theirs in there for theirs in naming.values()):
                    return {ours: prefix + theirs for ours, theirs in naming.items()}
        missing = [name for name in shapes if name not in there]
        more = f" and {len(missing) - _SHOWN} more" if len(missing) > _SHOWN else ""
        raise WalkbenchError(
            f"checkpoint {str(self.path)!r} is not of the network {spec.digest()}: it lacks "
            f"{', '.join(missing[:_SHOWN])}{more}; its names begin with "
            f"{', '.join(sorted(held)[:2]) or 'nothing'}"
        )


def weights_from(kind: str, *, seed: int = 0, checkpoint: Path | None = None) -> Weights:
    """Return the weights of this kind.

    Raises :class:`WalkbenchError` for a kind that does not go with ``checkpoint``, and for a
    checkpoint that cannot be read.
    """
    if kind == "init":
        if checkpoint is not None:
            raise WalkbenchError(
                f"--checkpoint {checkpoint} does not go with --weights init; leave one out"
            )
        return SeededWeights(seed)
    if checkpoint is None:
        raise WalkbenchError(f"--weights {kind} needs the file; name it with --checkpoint")
    return CheckpointWeights.at(checkpoint)
