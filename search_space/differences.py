"""Where two specs, or any two JSON values, differ.

>>> list(differences({"a": {"b": 1, "c": [1, 2]}}, {"a": {"b": 1, "c": [1, 3]}}))
[('a.c[1]', 2, 3)]
"""

from collections.abc import Iterator
from typing import Any


def differences(a: Any, b: Any, where: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield ``(path, in a, in b)`` for every leaf in which two JSON values differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in dict.fromkeys((*a, *b)):
            inner = f"{where}.{key}" if where else str(key)
            yield from differences(a.get(key), b.get(key), inner)
    elif isinstance(a, (list, tuple)) and isinstance(b, (list, tuple)) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b, strict=True)):
            yield from differences(x, y, f"{where}[{i}]")
    elif a != b:
        yield where, a, b
