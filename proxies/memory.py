"""Out of memory: recognise the error, and find the batch that fits.

>>> is_out_of_memory(torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"))
True
>>> is_out_of_memory(RuntimeError("shapes do not match"))
False
>>> def attempt(size):
...     if size > 5:
...         raise torch.OutOfMemoryError("CUDA out of memory")
>>> largest_that_fits(attempt, 32)
4
"""

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from search_space.errors import WalkbenchError

# torch raises a plain RuntimeError where a CPU or MPS allocation fails.
MESSAGES = ("out of memory", "can't allocate memory", "not enough memory")


def is_out_of_memory(error: BaseException) -> bool:
    """Whether ``error`` says that an allocation failed, on any device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(m in str(error).lower() for m in MESSAGES)


def allocator_says(error: BaseException) -> str:
    """Return what an allocator said, without its advice on settings."""
    return str(error).strip().partition("\n")[0].partition(". ")[0] or type(error).__name__


@contextmanager
def explain_out_of_memory(device: str) -> Iterator[None]:
    """Turn an error of too little memory, whatever the batch, into a :class:`WalkbenchError`."""
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
        raise WalkbenchError(
            f"{device} has too little memory for the weights and averages of this twin "
            f"({allocator_says(error)}); use a smaller width"
        ) from None


def largest_that_fits(attempt: Callable[[int], object], size: int) -> int:
    """Return the first of size, size/2, size/4 … 1 at which ``attempt`` has memory enough, or 0."""
    while size:
        try:
            attempt(size)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
        else:
            return size
        free_memory()  # not before the exception is gone: its frames hold the tensors
        size //= 2
    return 0


def free_memory() -> None:
    """Release unused memory, so that the next attempt starts from a clean state."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    if torch.backends.mps.is_available():
        torch.mps.empty_cache()
