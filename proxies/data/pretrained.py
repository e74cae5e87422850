"""Find a network of diffusers or transformers, and check that its weights are complete.

Both libraries fill what a file lacks with random weights and a warning; a cache made by such a
network would be noise. Here that is an error, as is a network that is not there.

>>> place("stabilityai/sdxl-vae"), place("org/name/text_encoder_2")
(('stabilityai/sdxl-vae', ''), ('org/name', 'text_encoder_2'))
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from proxies.hardware import Hardware
from proxies.memory import is_out_of_memory
from search_space.errors import WalkbenchError

_UNSTABLE = ("transformers_version", "dtype", "torch_dtype")  # of a config: not the network


def place(name: str) -> tuple[str, str]:
    """Return what both libraries load from: a folder, or a hub id and the folder inside it.

    Raises `FileNotFoundError` for what can be neither.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return str(path), ""
    parts = name.split("/")
    if path.exists() or not all(parts) or parts[0] in (".", "..", "~"):
        raise FileNotFoundError("there is no folder of that name")
    return "/".join(parts[:2]), "/".join(parts[2:])


@contextmanager
def loading(what: str, name: str, library: str) -> Iterator[None]:
    """Turn any error within into a :class:`WalkbenchError` about ``what``."""
    try:
        yield
    except ImportError as error:
        raise WalkbenchError(
            f"{what} {name!r} needs {error.name or library}, which is missing "
            f"({first_line(error)}); pip install 'walkbench[cache]'"
        ) from None
    except Exception as error:  # libraries raise whatever they like at files they cannot read
        raise WalkbenchError(
            f"{what} {name!r} cannot be loaded: {first_line(error)}; name a folder with a "
            "config.json and weights, or, with a network, the id of a model on the hub"
        ) from None


@contextmanager
def quiet(logging: Any) -> Iterator[None]:
    """Silence a library's log and bars; ``logging`` is the module of that name in its ``utils``."""
    before, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(before)
        if bars:
            logging.enable_progress_bar()


def check_complete(what: str, name: str, info: Mapping[str, Any]) -> None:
    """Refuse a network that would be left with random weights."""
    if missing := sorted(info["missing_keys"]):
        raise WalkbenchError(
            f"{what} {name!r} lacks {len(missing)} weights, {missing[0]} the first; its files are "
            "of another network: name one whose config.json and weights belong together"
        )


def frozen(model: Any, device: str) -> nn.Module:
    """Return ``model`` in evaluation, float32, on ``device``, without gradients.

    Raises :class:`WalkbenchError` for a device that is not there or has too little memory.
    """
    there = Hardware.of(device).device
    try:
        found: nn.Module = model.eval().requires_grad_(False).float().to(there)
    except RuntimeError as error:
        if not is_out_of_memory(error):
            raise
        raise WalkbenchError(
            f"device {device!r} has too little memory for {type(model).__name__}; use cpu"
        ) from None
    return found


def digest(model: nn.Module, config: Mapping[str, Any], *more: object) -> str:
    """Return the SHA-256 of a network: its config, its weights and what else decides its output."""
    stable = {k: v for k, v in config.items() if not k.startswith("_") and k not in _UNSTABLE}
    text = json.dumps([type(model).__name__, stable, *more], sort_keys=True, default=str)
    total = hashlib.sha256(text.encode())
    for name, tensor in sorted(model.state_dict().items()):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        total.update(tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy())
    return total.hexdigest()


def first_line(error: BaseException) -> str:
    """Return the first line of a message that may have many."""
    lines = (line.strip().rstrip(".") for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)
