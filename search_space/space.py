"""`SearchSpace`: axes over a base network, with bounds from a TOML file.

:meth:`SearchSpace.suggest` asks a trial for the axes that have an effect, those that activate
others first, and returns a valid network. :meth:`SearchSpace.params_of` is the inverse: it returns
the values that lead to a known network, for enqueueing it.

>>> from search_space.presets import named_spec
>>> space = SearchSpace.load("snapgen")
>>> spec = named_spec("M/mqa")
>>> space.suggest(FixedValues(space.params_of(spec))) == spec
True
"""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from importlib.resources import files
from itertools import product
from pathlib import Path as FilePath
from typing import Any, Self, cast

from search_space.axis import (
    AxisField,
    AxisTable,
    NotOneValue,
    Place,
    SearchAxis,
    Value,
    parse_axis,
)
from search_space.bounds import Bounds, Trial, parse_bounds
from search_space.codec import digest_of
from search_space.conditioning import Conditioning, read_conditioning
from search_space.differences import differences
from search_space.errors import WalkbenchError, raise_unknown
from search_space.load import load_network
from search_space.network import Network, axes_of, network_from_dict


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
    """Axes with bounds over a base network, a :class:`UNetSpec` in the shipped spaces."""

    name: str
    base: Any
    axes: tuple[tuple[SearchAxis, Bounds], ...]
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
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise WalkbenchError(f"{where} is not TOML: {error}") from None
        unknown = sorted(set(data) - {"name", "base", "conditioning", "axes"})
        if unknown:
            raise WalkbenchError(
                f"{where} has no table {unknown[0]!r}; it has name, base, conditioning, axes"
            )
        if not isinstance(data.get("axes"), dict) or not data["axes"]:
            raise WalkbenchError(f"{where} has no [axes]; a space needs at least one")
        base = load_network(str(data.get("base", "F/thin")))
        conditionings = tuple(
            (name, read_conditioning(name, table))
            for name, table in data.get("conditioning", {}).items()
        )
        fields, stages = _fields(base, conditionings), stages_of(base)
        axes = [parse_axis(name, fields, stages) for name in data["axes"]]
        bounds = [parse_bounds(axis, data["axes"][axis.name]) for axis in axes]
        rank = {name: number for number, name in enumerate(fields)}
        ordered = sorted(
            zip(axes, bounds, strict=True),
            key=lambda pair: (rank[pair[0].field.name], pair[0].places[0], len(pair[0].places)),
        )
        space = cls(str(data.get("name", where)), base, tuple(ordered), conditionings)
        space._check()
        return space

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Return the space that :meth:`to_dict` wrote; raises :class:`WalkbenchError`."""
        base = network_from_dict(data["base"])
        conditionings = tuple(
            (name, read_conditioning(name, table)) for name, table in data["conditioning"].items()
        )
        fields, stages = _fields(base, conditionings), stages_of(base)
        axes = [parse_axis(name, fields, stages) for name in data["axes"]]
        bounded = tuple((axis, parse_bounds(axis, data["axes"][axis.name])) for axis in axes)
        return cls(str(data["name"]), base, bounded, conditionings)

    def __reduce__(self) -> tuple[Any, ...]:
        # Axes hold functions, which are no part of a pickle; their names bring them back.
        named = tuple((axis.name, bounds) for axis, bounds in self.axes)
        return _unpickled, (self.name, self.base, named, self.conditionings)

    def suggest(self, trial: Trial) -> Any:
        """Ask ``trial`` (an Optuna trial will do) for every axis that has an effect."""
        table = self._table
        draft = table.thaw(self.base)
        for axis, bounds in self.axes:
            if axis.active(draft):
                axis.write(draft, bounds.suggest(trial, axis.name))
        return self._frozen(draft)

    def params_of(self, network: Network) -> dict[str, Value]:
        """Return the values with which :meth:`suggest` gives ``network``.

        Raises :class:`OutsideSpace` naming the axis whose bounds exclude it, or the field that no
        axis moves.
        """
        if network.kind != self.base.kind:
            raise OutsideSpace(
                f"network is of kind {network.kind}, space {self.name!r} holds {self.base.kind}"
            )
        if stages_of(network) != stages_of(self.base):
            raise OutsideSpace(
                f"spec has {stages_of(network)} stages, space {self.name!r} has "
                f"{stages_of(self.base)}"
            )
        draft, params = self._table.thaw(self.base), dict[str, Value]()
        for axis, bounds in self.axes:
            if not axis.active(draft):
                continue
            try:
                value = axis.read_within(network, bounds)
            except NotOneValue as error:
                raise OutsideSpace(f"spec is outside space {self.name!r}: {error}") from None
            if value not in bounds:
                raise OutsideSpace(
                    f"spec is outside space {self.name!r}: {axis.name} is {value}, "
                    f"allowed: {bounds}"
                )
            params[axis.name] = value
            axis.write(draft, value)
        self._check_same(self._frozen(draft), network)
        return params

    def __contains__(self, network: object) -> bool:
        if not isinstance(network, type(self.base)):
            return False
        try:
            self.params_of(network)
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
            axis = next(axis for axis, _ in self.axes if axis.name == name)
            given = value if isinstance(value, (list, dict)) else [value]
            narrowed[name] = parse_bounds(axis, given)
            outside = [v for v in narrowed[name] if v not in known[name]]
            if outside:
                raise WalkbenchError(f"axis {name!r}: {outside[0]} is outside {known[name]}")
        axes = tuple((axis, narrowed[axis.name]) for axis, _ in self.axes)
        return replace(self, axes=axes)

    def size(self) -> int:
        """Return the number of designs in the space; inactive axes do not multiply it."""
        switches = [(a, _classes(a, bounds)) for a, bounds in self.axes if a.field.switch]
        others = [pair for pair in self.axes if not pair[0].field.switch]
        total = 0
        for combination in product(*(classes for _, classes in switches)):
            draft, ways = self._table.thaw(self.base), 1
            for (axis, classes), (value, count) in zip(switches, combination, strict=True):
                if axis.active(draft):
                    axis.write(draft, value)
                    ways *= count
                else:
                    ways *= value == classes[0][0]  # an inactive axis counts once
            if ways:
                ways *= math.prod(len(bounds) for axis, bounds in others if axis.active(draft))
            total += ways
        return total

    @property
    def networks(self) -> "tuple[tuple[str, SearchSpace], ...]":
        """Itself; nothing stands before its axes' names."""
        return (("", self),)

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
        return digest_of(content)

    @property
    def _table(self) -> AxisTable:
        return axes_of(self.base.kind)

    def _frozen(self, draft: Any) -> Any:
        self._table.settle(draft, stages_of(self.base))
        return self._table.freeze(draft)

    def _check(self) -> None:
        """Raise for axes that overlap and for a base that axes cannot describe."""
        taken: dict[tuple[str, Place], str] = {}
        for axis, _ in self.axes:
            for place in axis.moves:
                other = taken.setdefault((axis.field.name, place), axis.name)
                if other != axis.name:
                    raise WalkbenchError(
                        f"axes {other!r} and {axis.name!r} move the same thing; keep one"
                    )
        self._table.check_base(self.base)

    def _check_same(self, reached: Network, spec: Network) -> None:
        if reached != spec:
            name, got, want = next(differences(reached.to_dict(), spec.to_dict()))
            raise OutsideSpace(
                f"spec is outside space {self.name!r}: {name} is {want}, "
                f"and no axis moves it from {got}"
            )


def stages_of(network: Any) -> int:
    """Return the number of stages that axes may name, 0 for a network without."""
    return len(getattr(network, "stages", ()))


def _fields(
    base: Network, conditionings: tuple[tuple[str, Conditioning], ...]
) -> dict[str, AxisField]:
    """The fields of the base's kind by name, in the order in which they are decided."""
    table = axes_of(base.kind)
    if table.conditioning is None:
        return dict(table.fields)
    return {"conditioning": table.conditioning(dict(conditionings)), **table.fields}


def _classes(axis: SearchAxis, bounds: Bounds) -> list[tuple[Value, int]]:
    """One value of each sort that switches other axes the same way, with its count."""
    assert axis.field.switch is not None
    sorts: dict[Any, list[Value]] = {}
    for value in bounds:
        sorts.setdefault(axis.field.switch(value), []).append(value)
    return [(values[0], len(values)) for values in sorts.values()]


def _unpickled(
    name: str,
    base: Any,
    named: tuple[tuple[str, Bounds], ...],
    conditionings: tuple[tuple[str, Conditioning], ...],
) -> SearchSpace:
    fields, stages = _fields(base, conditionings), stages_of(base)
    axes = tuple((parse_axis(axis, fields, stages), bounds) for axis, bounds in named)
    return SearchSpace(name, base, axes, conditionings)


def shipped_spaces() -> list[str]:
    """Return the names of the spaces that come with Walkbench."""
    folder = files("search_space") / "spaces"
    return sorted(
        p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
    )
