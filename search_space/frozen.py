"""Frozen dataclasses that compute their hash once.

Specs, blocks and segments are dictionary keys on the hot path: pricing a candidate looks up the
segments it shares with earlier candidates. A plain dataclass hashes all its fields at every lookup;
:func:`frozen` caches the hash on the instance.

>>> @frozen
... class Point:
...     x: int
...     y: int = 0
>>> hash(Point(1)) == hash(Point(1, 0))
True
"""

import dataclasses
from collections.abc import Callable
from functools import lru_cache
from operator import attrgetter
from typing import Any, TypeVar, cast, dataclass_transform

T = TypeVar("T")


def _hash_once(names: tuple[str, ...]) -> Callable[[Any], int]:
    fields = attrgetter("__class__", *names)

    def cached_hash(self: Any) -> int:
        state = self.__dict__
        value: int | None = state.get("_hash")
        if value is None:
            value = state["_hash"] = hash(fields(self))
        return value

    return cached_hash


def _state_without_cache(self: Any) -> dict[str, Any]:
    """Pickle the fields without caches: string hashes differ between processes."""
    return {k: v for k, v in self.__dict__.items() if not k.startswith("_")}


def keep_float(self: Any, field: str) -> None:
    """Turn an int in a float field into a float: 3 and 3.0 are equal and need one digest."""
    value = getattr(self, field)
    if type(value) is int:
        object.__setattr__(self, field, float(value))


@dataclass_transform(frozen_default=True)
def frozen(cls: type[T]) -> type[T]:
    """Return ``cls`` as a frozen dataclass whose hash is computed once per instance."""
    made: Any = dataclasses.dataclass(frozen=True)(cls)
    made.__hash__ = _hash_once(tuple(field.name for field in dataclasses.fields(made)))
    made.__getstate__ = _state_without_cache
    return cast(type[T], made)


def plain_dict(instance: Any) -> dict[str, Any]:
    """Return what `dataclasses.asdict` does, some five times as fast: leaves are not copied."""
    return {name: _plain(getattr(instance, name)) for name in _names(instance.__class__)}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple([_plain(one) for one in value])
    return plain_dict(value) if dataclasses.is_dataclass(value) else value


@lru_cache(maxsize=256)
def _names(cls: type[Any]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(cls))
