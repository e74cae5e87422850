"""Rows of axis tables that more than one kind of network has: fields of the spec and of its mid.

>>> field = mid_field("mid_depth", "depth of the mid", 0, kind=int)
>>> from types import SimpleNamespace
>>> field.get(SimpleNamespace(mid=None)), field.get(SimpleNamespace(mid=SimpleNamespace(depth=4)))
(0, 4)
"""

from typing import Any

from search_space.axis import AxisField, Value


def network_field(name: str, words: str, **more: Any) -> AxisField:
    """A field of the spec itself."""
    return AxisField(name, "network", words, lambda n: getattr(n, name), setter(name), **more)


def setter(name: str) -> Any:
    """Return what writes the field called ``name`` of a draft."""

    def write(draft: Any, value: Value) -> None:
        setattr(draft, name, value)

    return write


def mid_field(name: str, words: str, neutral: Value, **more: Any) -> AxisField:
    """A field of the mid; reads as ``neutral`` without one."""
    own = name.removeprefix("mid_")

    def get(network: Any) -> Value:
        return neutral if network.mid is None else getattr(network.mid, own)

    def write(draft: Any, value: Value) -> None:
        if draft.mid is not None:
            setattr(draft.mid, own, value)

    return AxisField(name, "network", words, get, write, neutral=neutral, **more)
