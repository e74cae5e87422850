"""`SearchSpace`: a menu of edits over a base spec, with bounds from a TOML file.

A space asks a trial for the axes that have an effect, in an order in which what switches others on
comes first, and returns a valid spec. The other way round, :meth:`SearchSpace.params_of` gives the
values that lead to a known spec, for enqueueing it.

>>> from search_space.presets import named_spec
>>> space = SearchSpace.load("snapgen")
>>> spec = named_spec("M/mqa")
>>> space.suggest(FixedValues(space.params_of(spec))) == spec
True
"""

import hashlib
import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from importlib.resources import files
from itertools import product
from pathlib import Path as FilePath
from typing import Any, Self, cast

from search_space.axis import FIELDS, Axis, Value, order, parse_axis
from search_space.bounds import Bounds, Trial, parse_bounds
from search_space.conditioning import Conditioning, read_conditioning
from search_space.differences import differences
from search_space.errors import WalkbenchError, raise_unknown
from search_space.load import load_spec
from search_space.outline import Outline, outline, to_spec
from search_space.spec import UNetSpec


class OutsideSpace(WalkbenchError):
    """A spec that the space cannot suggest."""


@dataclass(frozen=True)
class FixedValues:
    """A trial that answers with given values, so that ``suggest`` can be replayed."""

    params: Mapping[str, Any]

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        """Return the given value."""
        return cast(int, self.params[name])

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None
    ) -> float:
        """Return the given value."""
        return cast(float, self.params[name])

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        """Return the given value."""
        return self.params[name]


@dataclass(frozen=True)
class SearchSpace:
    """Axes with bounds over a base spec."""

    name: str
    base: UNetSpec
    axes: tuple[tuple[Axis, Bounds], ...]
    conditionings: tuple[tuple[str, Conditioning], ...] = ()

    @classmethod
    def load(cls, name_or_path: str | FilePath) -> Self:
        """Read a shipped space by name, or a TOML file; raises :class:`WalkbenchError`."""
        shipped = shipped_spaces()
        path = FilePath(name_or_path)
        if str(name_or_path) in shipped:
            text = (files("search_space") / "spaces" / f"{name_or_path}.toml").read_text("utf-8")
        elif path.suffix == ".toml" or path.is_file():
            try:
                text = path.read_text(encoding="utf-8")
            except OSError as error:
                raise WalkbenchError(
                    f"space {path}: {error.strerror}; name a readable file"
                ) from None
        else:
            raise_unknown("space", str(name_or_path), shipped)
        return cls.from_toml(text, str(name_or_path))

    @classmethod
    def from_toml(cls, text: str, where: str = "space") -> Self:
        """Read a space from TOML text; raises :class:`WalkbenchError` naming what is wrong."""
        try:
            data = tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise WalkbenchError(f"{where} is not TOML: {error}") from None
        unknown = sorted(set(data) - {"name", "base", "conditioning", "axes"})
        if unknown:
            raise WalkbenchError(
                f"{where} has no table {unknown[0]!r}; it has name, base, conditioning, axes"
            )
        if not isinstance(data.get("axes"), dict) or not data["axes"]:
            raise WalkbenchError(f"{where} has no [axes]; a space needs at least one")
        base = load_spec(str(data.get("base", "F/thin")))
        conditionings = tuple(
            (name, read_conditioning(name, table))
            for name, table in data.get("conditioning", {}).items()
        )
        axes = [parse_axis(name, len(base.stages)) for name in data["axes"]]
        bounds = [parse_bounds(axis, data["axes"][axis.name]) for axis in axes]
        ordered = sorted(zip(axes, bounds, strict=True), key=lambda pair: order(pair[0]))
        space = cls(str(data.get("name", where)), base, tuple(ordered), conditionings)
        space._check()
        return space

    def suggest(self, trial: Trial) -> UNetSpec:
        """Ask ``trial`` (an Optuna trial will do) for every axis that has an effect."""
        view = outline(self.base)
        for axis, bounds in self.axes:
            if axis.active(view):
                view = self._write(axis, view, bounds.suggest(trial, axis.name))
            else:
                view = axis.rest(view)
        return to_spec(view)

    def params_of(self, spec: UNetSpec) -> dict[str, Value]:
        """Return the values with which :meth:`suggest` gives ``spec``.

        Raises :class:`OutsideSpace` naming the axis whose bounds exclude it, or the field that no
        axis moves.
        """
        try:
            target, view = outline(spec), outline(self.base)
        except WalkbenchError as error:
            raise OutsideSpace(f"spec is outside space {self.name!r}: {error}") from None
        if len(target.stages) != len(view.stages):
            raise OutsideSpace(
                f"spec has {len(target.stages)} stages, space {self.name!r} has {len(view.stages)}"
            )
        params: dict[str, Value] = {}
        for axis, bounds in self.axes:
            if not axis.active(view):
                view = axis.rest(view)
                continue
            value = self._read(axis, target)
            if value not in bounds:
                raise OutsideSpace(
                    f"spec is outside space {self.name!r}: {axis.name} is {value}, "
                    f"allowed: {bounds}"
                )
            params[axis.name] = value
            view = self._write(axis, view, value)
        self._check_same(to_spec(view), spec)
        return params

    def __contains__(self, spec: object) -> bool:
        if not isinstance(spec, UNetSpec):
            return False
        try:
            self.params_of(spec)
        except OutsideSpace:
            return False
        return True

    def fix(self, values: Mapping[str, Any]) -> Self:
        """Return the space with some axes narrowed to a value, a list of choices or a range.

        Raises :class:`WalkbenchError` for an unknown axis or a value outside its present bounds.
        """
        known = {axis.name: bounds for axis, bounds in self.axes}
        narrowed = dict(known)
        for name, value in values.items():
            if name not in known:
                raise_unknown("axis", name, known)
            axis = parse_axis(name, len(self.base.stages))
            given = value if isinstance(value, (list, dict)) else [value]
            narrowed[name] = parse_bounds(axis, given)
            outside = [v for v in narrowed[name] if v not in known[name]]
            if outside:
                raise WalkbenchError(f"axis {name!r}: {outside[0]} is outside {known[name]}")
        axes = tuple((axis, narrowed[axis.name]) for axis, _ in self.axes)
        return replace(self, axes=axes)

    def size(self) -> int:
        """Return how many designs the space holds, axes without effect not counted."""
        controllers = [pair for pair in self.axes if pair[0].field in _CONTROLLERS]
        others = [pair for pair in self.axes if pair[0].field not in _CONTROLLERS]
        total = 0
        classes = [_classes(axis, bounds) for axis, bounds in controllers]
        for combination in product(*classes):
            view, ways = outline(self.base), 1
            for (axis, _), (value, count) in zip(controllers, combination, strict=True):
                if axis.active(view):
                    view, ways = axis.write(view, value), ways * count
                else:
                    view = axis.rest(view)
                    ways *= value == _classes(axis, self.bounds(axis.name))[0][0]  # count it once
            ways *= math.prod(len(bounds) for axis, bounds in others if axis.active(view))
            total += ways
        return total

    def bounds(self, name: str) -> Bounds:
        """Return the bounds of the axis called ``name``."""
        known = {axis.name: bounds for axis, bounds in self.axes}
        return known[name] if name in known else raise_unknown("axis", name, known)

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain JSON types: what its digest is computed from."""
        return {
            "name": self.name,
            "base": self.base.to_dict(),
            "conditioning": {
                name: {**asdict(c.context), **asdict(c.conditions)}
                for name, c in self.conditionings
            },
            "axes": {axis.name: bounds.to_json() for axis, bounds in self.axes},
        }

    def digest(self) -> str:
        """Return twelve hex digits that change with base, axes or bounds, not with the name."""
        content = {k: v for k, v in self.to_dict().items() if k != "name"}
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:12]

    @cached_property
    def _conditioning(self) -> dict[str, Conditioning]:
        return dict(self.conditionings)

    def _read(self, axis: Axis, view: Outline) -> Value:
        if axis.field != "conditioning":
            try:
                return axis.read(view)
            except WalkbenchError as error:
                raise OutsideSpace(f"spec is outside space {self.name!r}: {error}") from None
        given = Conditioning(view.context, view.conditions)
        for name, known in self.conditionings:
            if known == given:
                return name
        raise OutsideSpace(
            f"spec is outside space {self.name!r}: its conditioning (text of width "
            f"{given.context.width}) is none of {', '.join(self._conditioning)}"
        )

    def _write(self, axis: Axis, view: Outline, value: Value) -> Outline:
        if axis.field != "conditioning":
            return axis.write(view, value)
        chosen = self._conditioning[str(value)]
        return replace(view, context=chosen.context, conditions=chosen.conditions)

    def _check(self) -> None:
        """Raise for axes that overlap or bounds that no table backs."""
        places: dict[tuple[str, int, str], str] = {}
        for axis, bounds in self.axes:
            for place in _places(axis):
                if place in places:
                    raise WalkbenchError(
                        f"axes {places[place]!r} and {axis.name!r} move the same thing; keep one"
                    )
                places[place] = axis.name
            if axis.field == "conditioning":
                for name in bounds:
                    if name not in self._conditioning:
                        raise_unknown("conditioning", str(name), self._conditioning)
        outline(self.base)  # raises when the base has uneven sites

    def _check_same(self, reached: UNetSpec, spec: UNetSpec) -> None:
        if reached != spec:
            name, got, want = next(differences(reached.to_dict(), spec.to_dict()))
            raise OutsideSpace(
                f"spec is outside space {self.name!r}: {name} is {want}, "
                f"and no axis moves it from {got}"
            )


# Axes whose value decides whether others have an effect; of the depths only zero or not matters.
_CONTROLLERS = ("mid", "mid_depth", "depth", "conv")


def _classes(axis: Axis, bounds: Bounds) -> list[tuple[Value, int]]:
    """Values of a controlling axis by what they switch on: one of each sort, with its count."""
    if axis.field not in ("mid_depth", "depth"):
        return [(value, 1) for value in bounds]
    zero = [v for v in bounds if v == 0]
    rest = [v for v in bounds if v != 0]
    return [(group[0], len(group)) for group in (zero, rest) if group]


def _places(axis: Axis) -> Iterator[tuple[str, int, str]]:
    if FIELDS[axis.field].scope == "network":
        yield axis.field, 0, ""
    for stage in axis.stages if FIELDS[axis.field].scope != "network" else ():
        for direction in axis.directions or ("",):
            yield axis.field, stage, direction


def shipped_spaces() -> list[str]:
    """Return the names of the spaces that come with Walkbench."""
    folder = files("search_space") / "spaces"
    return sorted(
        p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
    )
