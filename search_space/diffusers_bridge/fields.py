"""`Fields`: reads the fields of a diffusers config and collects those a spec cannot express.

The error names every field that cannot be expressed, so nothing raises before
:meth:`Fields.check`; until then a refused field reads as a harmless default.

>>> fields = Fields({"in_channels": 9, "conv_in_kernel": 1}, {"in_channels": 4})
>>> fields.count("in_channels")
9
>>> fields.only("conv_in_kernel", 3)
>>> fields.check()
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: this config cannot be expressed as a spec: conv_in_kernel is 1
(allowed: 3)
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

from search_space.errors import WalkbenchError
from search_space.limits import LARGEST

T = TypeVar("T")


def is_count(value: Any) -> bool:
    """Whether ``value`` is a positive integer that a spec may hold (a bool is none)."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value <= LARGEST


def show(value: Any) -> str:
    """Write a value as JSON does, which is how the user wrote it."""
    return json.dumps(value, default=repr)


class Fields:
    """The fields of one config over the defaults of its class, and the problems found so far."""

    def __init__(self, config: Mapping[str, Any], defaults: Mapping[str, Any]):
        self._config, self._defaults = config, defaults
        self._problems: dict[str, str] = {}

    def __getitem__(self, name: str) -> Any:
        """The field as given, or its default where it is missing."""
        return self._config.get(name, self._defaults.get(name))

    def refuse(self, name: str, allowed: str, value: Any = ...) -> None:
        """Record once that a field cannot be expressed, with its value and what is allowed."""
        shown = show(self[name] if value is ... else value)
        self._problems.setdefault(name, f"{name} is {shown} (allowed: {allowed})")

    def check(self) -> None:
        """Raise :class:`WalkbenchError` naming every refused field, if there is one."""
        if self._problems:
            listed = "; ".join(self._problems.values())
            raise WalkbenchError(f"this config cannot be expressed as a spec: {listed}")

    def only(self, name: str, value: Any) -> None:
        """Refuse the field unless it equals ``value``; 1 and 1.0 are equal, 1 and true are not."""
        given = self[name]
        same_kind = isinstance(given, bool) is isinstance(value, bool)
        if not (same_kind and given == value):
            self.refuse(name, show(value))

    def count(self, name: str) -> int:
        """Read a positive integer."""
        if is_count(self[name]):
            return int(self[name])
        self.refuse(name, f"an integer from 1 to {LARGEST}")
        return 1

    def optional_count(self, name: str) -> int | None:
        """Read a positive integer or null."""
        return None if self[name] is None else self.count(name)

    def number(self, name: str) -> float:
        """Read a positive number."""
        value = self[name]
        if isinstance(value, (int, float)) and not isinstance(value, bool) and value > 0:
            return float(value)
        self.refuse(name, "a positive number")
        return 1.0

    def flag(self, name: str) -> bool:
        """Read true or false."""
        if not isinstance(self[name], bool):
            self.refuse(name, "true, false")
        return self[name] is True

    def choice(self, name: str, table: Mapping[Any, T], default: T) -> T:
        """Return the table entry of the field's value, or ``default`` after refusing it."""
        value = self[name]
        if isinstance(value, str | None) and value in table:
            return table[value]
        self.refuse(name, _alternatives(table))
        return default

    def activation(self, table: Mapping[str, T]) -> T:
        """Read `act_fn`, whose case diffusers ignores."""
        value = self["act_fn"]
        name = value.lower() if isinstance(value, str) else ""
        if name in table:
            return table[name]
        self.refuse("act_fn", _alternatives(table))
        return table["silu"]

    def per_stage(self, name: str, stages: int) -> list[Any]:
        """Read a field that is one value for all stages or a list with one for each."""
        value = self[name]
        if not isinstance(value, (list, tuple)):
            return [value] * stages
        if len(value) == stages:
            return list(value)
        self.refuse(name, f"one value, or {stages} as block_out_channels has")
        return [value[0] if value else None] * stages

    def counts(self, name: str, stages: int) -> list[int]:
        """Read a positive integer for each stage."""
        values = self.per_stage(name, stages)
        if all(is_count(value) for value in values):
            return values
        self.refuse(name, f"integers from 1 to {LARGEST}")
        return [1] * stages

    def kinds(self, name: str, table: Mapping[str, T], stages: int) -> list[T | None]:
        """Read a list of block types through a table of the expressible ones."""
        value = self[name]
        if not isinstance(value, (list, tuple)) or len(value) != stages:
            self.refuse(name, f"a list of {stages} block types, as block_out_channels has")
            return [None] * stages
        # diffusers drops this prefix of its oldest configs
        plain = [v.removeprefix("UNetRes") if isinstance(v, str) else v for v in value]
        unknown = [v for v in plain if not (isinstance(v, str) and v in table)]
        if unknown:
            self.refuse(name, _alternatives(table), unknown[0] if len(unknown) == 1 else unknown)
        return [table.get(v) if isinstance(v, str) else None for v in plain]


def _alternatives(values: Iterable[Any]) -> str:
    return ", ".join(show(value) if value is None else str(value) for value in values)
