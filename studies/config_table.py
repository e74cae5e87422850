"""One table of a TOML config, read strictly: types, ranges, no unknown keys.

>>> table = ConfigTable("my.toml", "study", {"trials": 0})
>>> table.whole("trials", least=1)
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: my.toml: [study] trials is 0; an integer of 1 or more is needed
"""

import math
from difflib import get_close_matches
from typing import Any

from search_space.errors import WalkbenchError

REQUIRED: Any = object()


class ConfigTable:
    """One table of a config: reads check type and range, :meth:`done` finds unknown keys."""

    def __init__(self, where: str, name: str, data: Any) -> None:
        if not isinstance(data, dict):
            raise WalkbenchError(f"{where}: {name} is {data!r}; a table [{name}] is needed")
        self.where, self.name, self.data = where, name, data
        self.known: list[str] = []

    def take(self, key: str, default: Any = REQUIRED) -> Any:
        """Return the value unchecked; raises when it is missing and has no default."""
        self.known.append(key)
        if key not in self.data and default is REQUIRED:
            near = get_close_matches(key, set(self.data) - set(self.known), n=1, cutoff=0.5)
            meant = f"; is {near[0]!r} meant for it?" if near else ""
            raise WalkbenchError(f"{self.where}: [{self.name}] {key} is missing{meant}")
        return self.data.get(key, default)

    def bad(self, key: str, needed: str) -> WalkbenchError:
        """Return the error that says what ``key`` is and what is needed instead."""
        value = self.data.get(key)
        return WalkbenchError(f"{self.where}: [{self.name}] {key} is {value!r}; {needed} is needed")

    def text(self, key: str, default: Any = REQUIRED) -> Any:
        """Return text that is not empty."""
        value = self.take(key, default)
        if key in self.data and (not isinstance(value, str) or not value.strip()):
            raise self.bad(key, "some text")
        return value

    def choice(self, key: str, allowed: tuple[str, ...], default: str) -> str:
        """Return one of ``allowed``."""
        value = self.text(key, default)
        if value not in allowed:
            raise self.bad(key, f"one of {', '.join(allowed)}")
        return str(value)

    def whole(self, key: str, default: Any = REQUIRED, *, least: int) -> Any:
        """Return an integer of at least ``least``."""
        value = self.take(key, default)
        if key in self.data and (type(value) is not int or value < least):
            raise self.bad(key, f"an integer of {least} or more")
        return value

    def positive(self, key: str, default: Any = REQUIRED) -> Any:
        """Return a positive finite number as a float."""
        value = self.take(key, default)
        if key not in self.data:
            return value
        if type(value) not in (int, float) or not 0 < value < math.inf:
            raise self.bad(key, "a positive number")
        return float(value)

    def flag(self, key: str, default: bool) -> bool:
        """Return true or false."""
        value = self.take(key, default)
        if not isinstance(value, bool):
            raise self.bad(key, "true or false")
        return value

    def done(self) -> None:
        """Raise for keys that nobody read."""
        unknown = sorted(set(self.data) - set(self.known))
        if unknown:
            raise WalkbenchError(
                f"{self.where}: [{self.name}] has no key {unknown[0]!r}; "
                f"it has {', '.join(self.known)}"
            )
