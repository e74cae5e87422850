"""The values an axis may take: a list of choices, or a range with a step.

Read from TOML, checked against the field, suggested by a trial, or counted.

>>> from search_space.axes import UNET_FIELDS
>>> from search_space.axis import parse_axis
>>> bounds = parse_bounds(parse_axis("depth.2", UNET_FIELDS, 3), {"low": 0, "high": 10})
>>> 4 in bounds, 11 in bounds, len(bounds)
(True, False, 11)
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, cast

from search_space.axis import SearchAxis, Value
from search_space.errors import WalkbenchError


class Trial(Protocol):
    """The part of an Optuna trial that a space needs; any object with it will do."""

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """Return an integer between ``low`` and ``high`` inclusive."""

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None
    ) -> float:
        """Return a float between ``low`` and ``high`` inclusive."""

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Return one of ``choices``."""


@dataclass(frozen=True)
class Bounds:
    """Allowed values of one axis: explicit choices, or ``low … high`` in steps."""

    choices: tuple[Value, ...] | None = None
    low: float = 0
    high: float = 0
    step: float = 1

    def __contains__(self, value: object) -> bool:
        if self.choices is not None:
            return any(value == c and isinstance(value, bool) == isinstance(c, bool) for c in self)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        steps = (value - self.low) / self.step
        return self.low <= value <= self.high and math.isclose(steps, round(steps), abs_tol=1e-9)

    def __iter__(self) -> Iterator[Value]:
        if self.choices is not None:
            return iter(self.choices)
        count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
        return iter([self.low + i * self.step for i in range(count)])

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __str__(self) -> str:
        if self.choices is not None:
            return ", ".join(map(str, self.choices))
        return f"{self.low:g} … {self.high:g} in steps of {self.step:g}"

    def suggest(self, trial: Trial, name: str) -> Value:
        """Ask ``trial`` for a value."""
        if self.choices is not None:
            return cast(Value, trial.suggest_categorical(name, list(self.choices)))
        if all(isinstance(x, int) for x in (self.low, self.high, self.step)):
            return trial.suggest_int(name, int(self.low), int(self.high), step=int(self.step))
        return trial.suggest_float(name, self.low, self.high, step=self.step)

    def to_json(self) -> Any:
        """Return what :func:`parse_bounds` reads."""
        if self.choices is not None:
            return list(self.choices)
        return {"low": self.low, "high": self.high, "step": self.step}


def parse_bounds(axis: SearchAxis, value: Any) -> Bounds:
    """Read the bounds of ``axis``; raises :class:`WalkbenchError` naming the value out of place."""
    if isinstance(value, list):
        if not value:
            raise WalkbenchError(f"axis {axis.name!r} has no choices; list at least one")
        if len(set(map(repr, value))) != len(value):
            raise WalkbenchError(f"axis {axis.name!r} lists a choice twice: {value}")
        return Bounds(choices=tuple(_checked(axis, item) for item in value))
    if isinstance(value, dict):
        return _parse_range(axis, value)
    raise WalkbenchError(
        f"axis {axis.name!r} is {value!r}; a list of choices or {{low, high, step}} is needed"
    )


def _parse_range(axis: SearchAxis, value: dict[str, Any]) -> Bounds:
    field = axis.field
    if field.choices is not None or field.kind not in (int, float):
        raise WalkbenchError(f"axis {axis.name!r} takes a list of choices, not a range")
    unknown = sorted(set(value) - {"low", "high", "step"})
    if unknown or not {"low", "high"} <= set(value):
        raise WalkbenchError(
            f"axis {axis.name!r} has {', '.join(sorted(value))}; low, high (and step) are needed"
        )
    low, high = _checked(axis, value["low"]), _checked(axis, value["high"])
    step = value.get("step", 1)
    if isinstance(step, bool) or not isinstance(step, (int, float)) or step <= 0:
        raise WalkbenchError(f"axis {axis.name!r}: step is {step!r}; a positive number is needed")
    assert isinstance(low, (int, float)) and isinstance(high, (int, float))
    if low > high:
        raise WalkbenchError(f"axis {axis.name!r}: low {low:g} is above high {high:g}")
    bounds = Bounds(None, low, high, step)
    if high not in bounds:
        raise WalkbenchError(
            f"axis {axis.name!r}: high {high:g} is not low {low:g} plus a multiple of step {step:g}"
        )
    return bounds


def _checked(axis: SearchAxis, value: Any) -> Value:
    """Return ``value`` if the field may hold it."""
    field = axis.field
    if isinstance(value, str) and value in field.special:
        return value
    if field.choices is not None:
        choices = field.choices()
        if value not in choices or isinstance(value, bool) != (field.kind is bool):
            allowed = ", ".join(map(str, choices))
            raise WalkbenchError(f"axis {axis.name!r}: {value!r} is not one of {allowed}")
        return cast(Value, value)
    if field.kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not field.kind:
        raise WalkbenchError(f"axis {axis.name!r}: {value!r} is not of type {field.kind.__name__}")
    if isinstance(value, int) and value < field.minimum and field.kind is int:
        raise WalkbenchError(f"axis {axis.name!r}: {value} is below {field.minimum}")
    if isinstance(value, float) and value <= 0:
        raise WalkbenchError(f"axis {axis.name!r}: {value} is not positive")
    return cast(Value, value)
