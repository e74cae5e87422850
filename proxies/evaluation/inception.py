"""Inception's feature space from a local file: the space that published FIDs are taken in.

Two files are in use, both of the 2015-12-05 network of Szegedy et al., neither shipped here:

- NVIDIA's TorchScript archive ``inception-2015-12-05.pt`` (StyleGAN2-ADA, EDM, clean-fid): it
  scales pictures itself and needs no further library;
- the weights ``pt_inception-2015-12-05-6726825d.pth`` (pytorch-fid, torch-fidelity), which need
  torch-fidelity.

A file is named by its stem and the first digits of its SHA-256, so other weights have another name.
"""

import hashlib
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from proxies.evaluation.image_space import ImageSpace
from proxies.hardware import Hardware
from search_space.errors import WalkbenchError

SUFFIXES = (".pt", ".pth")


def inception_space(path: Path, device: str = "cpu") -> ImageSpace:
    """Return the space of the network in ``path``; raises :class:`WalkbenchError`.

    That is: for a file that is missing or no such network, and where torch-fidelity is missing.
    """
    if path.suffix not in SUFFIXES or not path.is_file():
        raise WalkbenchError(
            f"{str(path)!r} is no file ending in .pt or .pth; name inception-2015-12-05.pt "
            "(TorchScript) or pt_inception-2015-12-05-6726825d.pth (weights)"
        )
    there = Hardware.of(device).device
    run = _script(path, there) if path.suffix == ".pt" else _weights(path, there)
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    probe = torch.zeros(1, 3, 64, 64, dtype=torch.uint8, device=there)
    try:
        found = run(probe)
        dim = int(found.shape[1])
    except Exception as error:  # whatever a foreign program raises
        raise _not_inception(path, error) from None
    if found.ndim != 2:
        raise _not_inception(path, f"it returns {found.ndim} dimensions")
    stem = path.stem if path.stem.endswith(digest[:8]) else f"{path.stem}@{digest[:8]}"

    def features(images: NDArray[np.uint8]) -> Tensor:
        pixels = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous().to(there)
        return run(pixels).double().cpu()

    return ImageSpace(stem, digest[:12], dim, features)


def _script(path: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of TorchScript as such
        try:
            load: Any = torch.jit.load
            net = load(str(path), map_location=device).eval()
        except Exception as error:
            raise _not_inception(path, error) from None
    return lambda pixels: net(pixels, return_features=True)


def _weights(path: Path, device: torch.device) -> Callable[[Tensor], Tensor]:
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)  # no code is run
    except Exception as error:
        raise _not_inception(path, error) from None
    try:
        import torch_fidelity  # type: ignore[import-not-found, unused-ignore]  # noqa: F401
        from torchmetrics.image.fid import NoTrainInceptionV3
    except ImportError as error:
        raise WalkbenchError(
            f"{path.name} needs {error.name}, which is missing; pip install torch-fidelity and the "
            "torchvision of your torch, or name NVIDIA's inception-2015-12-05.pt, which needs none"
        ) from None
    del state
    try:
        net = NoTrainInceptionV3("inception-v3-compat", ["2048"], str(path)).to(device)
    except RuntimeError as error:
        raise _not_inception(path, error) from None

    def run(pixels: Tensor) -> Tensor:
        found: Tensor = net(pixels)
        return found.reshape(len(pixels), -1)

    return run


def _not_inception(path: Path, why: object) -> WalkbenchError:
    first = (str(why).strip().splitlines() or [type(why).__name__])[0]
    return WalkbenchError(
        f"{str(path)!r} is no Inception network ({first}); a .pt is a TorchScript archive that "
        "takes uint8 pictures and return_features=True, a .pth the weights of torch-fidelity's"
    )
