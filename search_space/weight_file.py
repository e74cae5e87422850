"""Writing and reading safetensors files one tensor at a time.

The library's writer wants all tensors in memory at once; SDXL is 10 GB. The format
(https://github.com/huggingface/safetensors#format) is a JSON header with every tensor's type, shape
and place, then the bytes, so a file can be written from a stream as soon as the shapes are known.

>>> import tempfile
>>> with tempfile.TemporaryDirectory() as folder:
...     path = Path(folder) / "one.safetensors"
...     write_weights(path, {"a": (2,)}, [("a", torch.tensor([1.0, 2.0]))], torch.float16)
...     read_weights(path)
{'a': tensor([1., 2.], dtype=torch.float16)}
"""

import json
import math
import struct
from collections.abc import Iterable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from search_space.errors import WalkbenchError

# dtype → its name in the format and its bytes per value
DTYPES = {torch.float64: ("F64", 8), torch.float32: ("F32", 4), torch.float16: ("F16", 2)}


def file_bytes(shapes: Iterable[tuple[int, ...]], dtype: torch.dtype) -> int:
    """Return the bytes that tensors of these shapes take in a file, header aside."""
    return sum(map(math.prod, shapes)) * DTYPES[dtype][1]


def write_weights(
    path: Path,
    shapes: Mapping[str, tuple[int, ...]],
    tensors: Iterable[tuple[str, Tensor]],
    dtype: torch.dtype,
) -> None:
    """Write ``tensors``, which come in the order of ``shapes``, to ``path`` as ``dtype``.

    Holds one tensor at a time. A tensor that does not match ``shapes`` is the caller's bug and
    raises ``ValueError``; the file is then incomplete.
    """
    with path.open("wb") as file:
        file.write(_header(shapes, dtype))
        announced = iter(shapes.items())
        for name, tensor in tensors:
            expected = next(announced, None)
            if expected != (name, tuple(tensor.shape)):
                raise ValueError(
                    f"{name} {tuple(tensor.shape)} came where {expected} was announced"
                )
            file.write(tensor.to(dtype).contiguous().numpy().data.cast("B"))
        if (left := next(announced, None)) is not None:
            raise ValueError(f"{left[0]} was announced and never came")


def _header(shapes: Mapping[str, tuple[int, ...]], dtype: torch.dtype) -> bytes:
    kind, size = DTYPES[dtype]
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for name, shape in shapes.items():
        end = start + math.prod(shape) * size
        header[name] = {"dtype": kind, "shape": list(shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the bytes that follow are aligned
    return struct.pack("<Q", len(text)) + text


def read_weights(path: Path) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file, mapped from disk.

    Raises :class:`WalkbenchError` for a file that is missing, cut off or something else.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        reason = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise WalkbenchError(f"weights {str(path)!r} cannot be read: {reason}") from None
