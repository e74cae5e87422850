"""Where a part's parameters come from: a seed, or the folder that `walkbench export` wrote.

Either reads only the part's own parameters, so a network is never held whole.

>>> from latency_db.packages.parts import cut_into, sizes_at, whole
>>> from latency_db.packages.part_module import PartModule
>>> from search_space.presets import named_spec
>>> spec = named_spec("F/mqa")
>>> first = cut_into(spec, 8, sizes_at(16))[0]
>>> state = InitialWeights(seed=0).read(spec, PartModule(first))
>>> state["input.conv_in.conv.weight"].shape
torch.Size([256, 4, 3, 3])
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from search_space.diffusers_bridge import parameter_names
from search_space.errors import WalkbenchError
from search_space.exported import stored_weights
from search_space.initialise import draws, stream
from search_space.network import Network
from search_space.spec import UNetSpec

SAMPLES = 64


class WeightSource(Protocol):
    """Gives the parameters of any part of a network."""

    @property
    def revision(self) -> str:
        """Text that changes when the weights do."""

    def read(self, network: Network, module: nn.Module) -> dict[str, Tensor]:
        """Return a tensor in float32 for every parameter name of ``module``."""


@dataclass(frozen=True)
class InitialWeights:
    """The weights that :func:`search_space.initialise.initialise` draws."""

    seed: int = 0

    @property
    def revision(self) -> str:
        """The seed says it all."""
        return f"initial, seed {self.seed}"

    def read(self, network: Network, module: nn.Module) -> dict[str, Tensor]:
        """Draw the parameters of ``module``; names alone decide them."""
        return dict(draws(module, self.seed))


@dataclass(frozen=True)
class RandomWeights:
    """Random values for timing: no bias of zero or scale of one, which a compiler would drop."""

    seed: int = 0

    @property
    def revision(self) -> str:
        """Text that names the draw."""
        return f"random, seed {self.seed}"

    def read(self, network: Network, module: nn.Module) -> dict[str, Tensor]:
        """Draw the parameters of ``module`` at which activations stay of order one."""
        state = {}
        for name, p in module.named_parameters():
            noise = torch.randn(p.shape, generator=stream(self.seed, name))
            if p.ndim > 1:
                state[name] = noise * p[0].numel() ** -0.5
            else:
                state[name] = noise * 0.1 + (1.0 if name.endswith("weight") else 0.0)
        return state


@dataclass(frozen=True)
class FolderWeights:
    """The weights in the folder of an export."""

    folder: Path

    @property
    def revision(self) -> str:
        """Digest of the file's size and of 64 samples of a kilobyte, its header among them."""
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, 2)
                digest = hashlib.sha256(str(size).encode())
                for i in range(SAMPLES):
                    file.seek(i * size // SAMPLES)
                    digest.update(file.read(1024))
        except OSError as error:
            raise WalkbenchError(
                f"weights {str(self._path)!r} cannot be read: {error.strerror}; export them again"
            ) from None
        return f"file {digest.hexdigest()[:16]}"

    @property
    def _path(self) -> Path:
        return stored_weights(self.folder).path

    def read(self, network: Network, module: nn.Module) -> dict[str, Tensor]:
        """Read the parameters of ``module``; raises :class:`WalkbenchError` for a damaged file."""
        from safetensors import SafetensorError, safe_open

        stored = stored_weights(self.folder)
        path = stored.path
        names = {name: name for name, _ in module.named_parameters()}
        if stored.stock:
            theirs = parameter_names(_unet(network))
            names = {name: theirs[name] for name in names}
        state: dict[str, Tensor] = {}
        try:
            with safe_open(path, framework="pt") as file:
                for name, parameter in module.named_parameters():
                    state[name] = file.get_tensor(names[name]).float().reshape(parameter.shape)
        except (OSError, SafetensorError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:200]
            raise WalkbenchError(
                f"weights {str(path)!r} cannot be read: {reason}; export the folder again"
            ) from None
        return state


def _unet(network: Network) -> UNetSpec:
    """The spec whose stock diffusers class wrote a file: exports of other kinds have own names."""
    assert isinstance(network, UNetSpec)
    return network


def fill(module: nn.Module, network: Network, weights: WeightSource) -> nn.Module:
    """Give ``module``, on the meta device, its parameters; return it in eval mode."""
    module.load_state_dict(weights.read(network, module), assign=True)
    return module.eval()
