"""Search axes: named fields of a network that a search changes.

An :class:`AxisField` is one row of a kind's table (:mod:`search_space.axes` has the UNet's): how a
value is read and written, when it has an effect, and what it is called. A :class:`SearchAxis` is a
field at certain places: the whole network (``sampler``), all stages (``conv``), one stage
(``channels.1``), or one direction of it (``depth.0.down``).

Fields read a network or a draft of one, and write drafts: mutable copies that may contradict
themselves until all axes are written. Nothing here knows what a draft is made of, so a table may
read and write something other than a network.

>>> from search_space.unet_kind import UNET_AXES
>>> from search_space.presets import named_spec
>>> spec = named_spec("F/thin")
>>> axis = parse_axis("channels.1", UNET_AXES.fields, stages=3)
>>> draft = UNET_AXES.thaw(spec)
>>> axis.write(draft, 640)
>>> axis.read(spec), axis.read(draft)
(512, 640)
>>> parse_axis("biases", UNET_AXES.fields, stages=3).active(spec)  # dense convs have none
False
"""

from collections.abc import Callable, Container, Hashable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from search_space.conditioning import Conditioning
from search_space.errors import WalkbenchError, raise_unknown

Value = int | float | str | bool
Scope = Literal["network", "stage", "path"]
Place = tuple[Any, ...]  # (), (stage,) or (stage, "down" | "up")
DIRECTIONS: tuple[str, ...] = ("down", "up")


class NotOneValue(WalkbenchError):
    """The places an axis covers hold different values, or a value outside its vocabulary."""


@dataclass(frozen=True)
class AxisField:
    """One row of a table of axes.

    ``get(network, *place)`` and ``set(draft, *place, value)`` read and write one place. With
    ``active``, the field has an effect where ``active(network, *place)``; elsewhere it holds
    ``neutral``, and ``complaint(network, *place)`` is the error for a network that holds another
    value there.

    Values are of type ``kind``, one of ``choices`` where they are given (called each time, as the
    set may grow), numbers of at least ``minimum`` otherwise; ``special`` are allowed besides, and
    ``plain(network, *place)`` reads the number that a special value stands for.
    ``switch`` maps a value to a key: values with equal keys activate the same axes.
    ``stage_form`` replaces a path field where it is given for both directions of a stage at once.
    """

    name: str
    scope: Scope
    words: str
    get: Callable[..., Value]
    set: Callable[..., None]
    kind: type = str
    choices: Callable[[], tuple[Value, ...]] | None = None
    minimum: int = 1
    special: tuple[Value, ...] = ()
    plain: Callable[..., Value] | None = None
    active: Callable[..., bool] | None = None
    neutral: Value | None = None
    complaint: Callable[..., str] | None = None
    switch: Callable[[Value], Hashable] | None = None
    stage_form: "AxisField | None" = None

    def is_active(self, network: Any, place: Place) -> bool:
        """Return whether the field has an effect at ``place``."""
        return self.active is None or self.active(network, *place)

    def places(self, stages: int) -> tuple[Place, ...]:
        """Return every place the field has in a network of ``stages``."""
        return _places(self.scope, range(stages), DIRECTIONS)


@dataclass(frozen=True)
class AxisTable:
    """All fields of one kind of network, in the order in which a search decides them.

    Fields that activate others come first. ``thaw`` makes a draft of a network, ``freeze`` makes a
    network of a draft or raises :class:`SpecError`, and ``check_base`` raises for a network that
    the fields cannot describe. ``conditioning`` makes the field that chooses a named conditioning.
    """

    fields: Mapping[str, AxisField]
    thaw: Callable[[Any], Any]
    freeze: Callable[[Any], Any]
    check_base: Callable[[Any], None] = lambda network: None
    conditioning: Callable[[Mapping[str, Conditioning]], AxisField] | None = None

    def settle(self, draft: Any, stages: int) -> None:
        """Write the neutral value wherever a field has no effect."""
        for field in self.fields.values():
            if field.active is not None:
                for place in field.places(stages):
                    if not field.active(draft, *place):
                        field.set(draft, *place, field.neutral)


@dataclass(frozen=True)
class SearchAxis:
    """A field at certain places, under the name that studies know it by."""

    name: str
    field: AxisField
    places: tuple[Place, ...]
    moves: tuple[Place, ...]  # the places of the field itself; ``places`` may be of its stage form

    def read(self, network: Any) -> Value:
        """Return the value in ``network``, read from the places where it has an effect.

        Raises :class:`NotOneValue` if places disagree.
        """
        return self._read(network, self.field.get)

    def read_within(self, network: Any, allowed: Container[object]) -> Value:
        """Return the value in ``network``, as a plain number where ``allowed`` lacks the word."""
        plain = self.field.plain
        try:
            value = self._read(network, self.field.get)
        except NotOneValue:
            if plain is None:
                raise
            return self._read(network, plain)
        if plain is not None and value not in allowed:
            return self._read(network, plain)
        return value

    def _read(self, network: Any, get: Callable[..., Value]) -> Value:
        field = self.field
        places = [p for p in self.places if field.is_active(network, p)] or self.places
        values = {get(network, *place) for place in places}
        if len(values) > 1:
            listed = ", ".join(map(str, sorted(values, key=str)))
            raise NotOneValue(f"{self.name} covers places that differ: {listed}")
        return values.pop()

    def write(self, draft: Any, value: Value) -> None:
        """Set every place of ``draft`` to ``value``."""
        for place in self.places:
            self.field.set(draft, *place, value)

    def active(self, network: Any) -> bool:
        """Return whether the axis has an effect on ``network``."""
        active = self.field.active
        return active is None or any(active(network, *place) for place in self.places)


def parse_axis(name: str, fields: Mapping[str, AxisField], stages: int) -> SearchAxis:
    """Return the axis called ``name`` in a network of ``stages``; raises on an unknown one."""
    first, *rest = name.split(".")
    if first not in fields:
        raise_unknown("axis", first, fields)
    field = fields[first]
    limit = {"network": 0, "stage": 1, "path": 2}[field.scope]
    if len(rest) > limit:
        form = {"network": "", "stage": "[.STAGE]", "path": "[.STAGE[.down|up]]"}[field.scope]
        raise WalkbenchError(f"axis {name!r} has too many parts; the form is {first}{form}")
    which = range(stages)
    directions = DIRECTIONS
    if rest:
        if not rest[0].isdecimal() or int(rest[0]) >= stages:
            raise WalkbenchError(f"axis {name!r}: stage {rest[0]!r} is not one of 0 … {stages - 1}")
        which = range(int(rest[0]), int(rest[0]) + 1)
    if len(rest) == 2:
        if rest[1] not in DIRECTIONS:
            raise WalkbenchError(f"axis {name!r}: direction {rest[1]!r} is not down or up")
        directions = (rest[1],)
    moves = _places(field.scope, which, directions)
    if field.stage_form is not None and directions == DIRECTIONS:
        field = field.stage_form
    return SearchAxis(name, field, _places(field.scope, which, directions), moves)


@cache
def _places(scope: Scope, stages: range, directions: tuple[str, ...]) -> tuple[Place, ...]:
    if scope == "network":
        return ((),)
    if scope == "stage":
        return tuple((i,) for i in stages)
    return tuple((i, direction) for i in stages for direction in directions)
