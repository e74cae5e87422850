"""Set torch's number of CPU threads for a while.

Twins are so small that a second thread hardly helps, and on a machine that does other work two
threads waiting for one another at every operator are many times slower than one. One thread is also
what makes two runs of a seed agree to the last bit.

>>> import torch
>>> with cpu_threads(1):
...     torch.get_num_threads()
1
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from search_space.errors import WalkbenchError


@contextmanager
def cpu_threads(number: int) -> Iterator[None]:
    """Use ``number`` threads within, and restore the number before."""
    if number < 1:
        raise WalkbenchError(f"threads is {number}; 1 or more is needed")
    before = torch.get_num_threads()
    torch.set_num_threads(number)
    try:
        yield
    finally:
        torch.set_num_threads(before)
