"""The one exception users see: what was wrong, what is allowed, what to do next.

Every room raises :class:`WalkbenchError` (or a subclass) for user mistakes, and the command line
prints its single line and exits with code 2. Bugs of our own stay ordinary exceptions with a
traceback.

>>> raise_unknown("spec", "snapgenn", ["snapgen-t2i", "sdxl"])
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: unknown spec 'snapgenn'; did you mean 'snapgen-t2i'?
known: sdxl, snapgen-t2i
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import NoReturn


class WalkbenchError(ValueError):
    """A user's mistake, explained in one line."""


class SpecError(WalkbenchError):
    """A spec that is malformed or contradicts itself."""


def raise_unknown(what: str, value: str, known: Iterable[str]) -> NoReturn:
    """Raise a :class:`WalkbenchError` naming ``value``, the nearest known name and all of them."""
    names = sorted(known)
    near = get_close_matches(value, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise WalkbenchError(f"unknown {what} {value!r}; {hint}known: {', '.join(names)}")
