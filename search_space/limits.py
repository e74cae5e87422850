"""Ranges that sizes of a network must keep, each with an error that names the field.

>>> check_positive(0, "mid.depth")
Traceback (most recent call last):
    ...
search_space.errors.SpecError: mid.depth is 0; a positive number is needed
"""

from search_space.errors import SpecError

# No network comes near it, and no product of sizes below it overflows torch's 64-bit counts.
LARGEST = 1 << 16


def check_positive(value: float, where: str) -> None:
    """Raise :class:`SpecError` unless ``value`` is above 0 and at most :data:`LARGEST`."""
    if not value > 0:  # not a number is not positive either
        raise SpecError(f"{where} is {value}; a positive number is needed")
    check_not_huge(value, where)


def check_not_negative(value: int, where: str) -> None:
    """Raise :class:`SpecError` unless ``value`` is from 0 to :data:`LARGEST`."""
    if value < 0:
        raise SpecError(f"{where} is {value}; 0 or more is needed")
    check_not_huge(value, where)


def check_not_huge(value: float, where: str) -> None:
    """Raise :class:`SpecError` for a ``value`` above :data:`LARGEST`."""
    if value > LARGEST:
        raise SpecError(f"{where} is {value}; at most {LARGEST} is allowed")
