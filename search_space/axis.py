"""Axes: the moves a search can make on an outline, by name.

An axis is a field of the outline, for the whole network (``sampler``), for all stages (``conv``),
for one stage (``channels.1``) or for one direction of it (``depth.0.down``). It knows how to read
and write its value and when it has no effect: such an axis is not asked for, so that one network is
not suggested under several names.

>>> from search_space.outline import outline
>>> from search_space.presets import named_spec
>>> view = outline(named_spec("F/thin"))
>>> axis = parse_axis("channels.1", stages=3)
>>> axis.read(view), axis.read(axis.write(view, 640))
(512, 640)
>>> parse_axis("biases", stages=3).active(view)  # dense convolutions have no such choice
False
"""

from dataclasses import dataclass, replace
from typing import Any, Literal, TypeVar, get_args

from search_space.conv import CONV, SAMPLER
from search_space.errors import WalkbenchError, raise_unknown
from search_space.outline import Biases, Outline, PathOutline, StageOutline
from search_space.spec import Activation, ConvBase, QKNorm

T = TypeVar("T", Outline, StageOutline, PathOutline)
Value = int | float | str | bool
Direction = Literal["down", "up"]
Scope = Literal["network", "stage", "path"]

NEUTRAL: dict[str, Value] = {  # what an outline holds where the field has no effect
    "kv_heads": "all",
    "ff_ratio": 4.0,
    "biases": "none",
    "self_attention": False,
    "cross_attention": False,
    "resblocks": True,
    "mid_depth": 0,
    "mid_resblocks": 0,
    "mid_self_attention": False,
    "mid_cross_attention": False,
}


@dataclass(frozen=True)
class Field:
    """A field of the outline that an axis may move: where it lives and what it may hold."""

    scope: Scope
    kind: type
    choices: tuple[Value, ...] | None = None  # None: any positive number of ``kind``
    minimum: int = 1


# In the order in which a search decides them: what switches other axes on comes first.
FIELDS: dict[str, Field] = {
    "conditioning": Field("network", str),
    "sampler": Field("network", str, SAMPLER.names),
    "qk_norm": Field("network", str, get_args(QKNorm)),
    "rope": Field("network", bool, (False, True)),
    "activation": Field("network", str, get_args(Activation)),
    "mid": Field("network", bool, (False, True)),
    "mid_depth": Field("network", int, minimum=0),
    "mid_resblocks": Field("network", int, minimum=0),
    "mid_self_attention": Field("network", bool, (False, True)),
    "mid_cross_attention": Field("network", bool, (False, True)),
    "channels": Field("stage", int),
    "sites": Field("path", int),
    "depth": Field("path", int, minimum=0),
    "self_attention": Field("path", bool, (False, True)),
    "cross_attention": Field("path", bool, (False, True)),
    "resblocks": Field("path", bool, (False, True)),
    "conv": Field("stage", str, CONV.names),
    "expansion": Field("stage", float),
    "base": Field("stage", str, get_args(ConvBase)),
    "biases": Field("stage", str, get_args(Biases)),
    "kv_heads": Field("stage", int),  # or the word "all"
    "ff_ratio": Field("stage", float),
}


@dataclass(frozen=True)
class Axis:
    """One named move. ``stages`` are those it writes; ``directions`` the paths, for path fields."""

    name: str
    field: str
    stages: tuple[int, ...]
    directions: tuple[Direction, ...]

    def read(self, view: Outline) -> Value:
        """Return the value in ``view``; raises :class:`WalkbenchError` where places disagree."""
        values = set(self._each(view))
        if len(values) > 1:
            listed = ", ".join(map(str, sorted(values, key=str)))
            raise WalkbenchError(f"{self.name} covers places that differ: {listed}")
        return values.pop()

    def active(self, view: Outline) -> bool:
        """Whether the axis has an effect on ``view``."""
        match self.field:
            case "mid_depth" | "mid_resblocks":
                return view.mid
            case "mid_self_attention" | "mid_cross_attention":
                return view.mid and view.mid_depth > 0
            case "self_attention" | "cross_attention" | "resblocks":
                return any(path.depth > 0 for path in self._paths(view))
            case "kv_heads" | "ff_ratio":
                return any(view.has_transformer(i) for i in self.stages)
            case "biases":
                return any(view.stages[i].conv == "separable" for i in self.stages)
        return True

    def write(self, view: Outline, value: Value) -> Outline:
        """Return ``view`` with this axis at ``value``, where it has an effect."""
        scope = FIELDS[self.field].scope
        if scope == "network":
            return _with(view, self.field, value)
        stages = list(view.stages)
        for i in self.stages:
            if scope == "stage":
                stages[i] = _with(stages[i], self.field, value)
            else:
                stages[i] = self._write_paths(stages[i], value)
        return replace(view, stages=tuple(stages))

    def rest(self, view: Outline) -> Outline:
        """Return ``view`` with this inactive axis at its neutral value."""
        return self.write(view, NEUTRAL[self.field]) if self.field in NEUTRAL else view

    def _write_paths(self, stage: StageOutline, value: Any) -> StageOutline:
        for direction in self.directions:
            path: PathOutline = getattr(stage, direction)
            # one site more on the way up, for the skip from where the stage began
            extra = int(self.field == "sites" and direction == "up" and len(self.directions) == 2)
            new = _with(path, self.field, value + extra if extra else value)
            stage = _with(stage, direction, new)
        return stage

    def _paths(self, view: Outline) -> list[PathOutline]:
        return [getattr(view.stages[i], d) for i in self.stages for d in self.directions]

    def _each(self, view: Outline) -> list[Value]:
        """The value at every place, leaving out places where the field has no effect."""
        match FIELDS[self.field].scope:
            case "network":
                return [getattr(view, self.field)]
            case "stage":
                places = [i for i in self.stages if self._matters(view, i)] or list(self.stages)
                return [getattr(view.stages[i], self.field) for i in places]
        if self.field == "sites" and len(self.directions) == 2:
            return self._site_counts(view)
        paths = self._paths(view)
        if self.field in ("self_attention", "cross_attention", "resblocks"):
            paths = [path for path in paths if path.depth > 0] or paths
        return [getattr(path, self.field) for path in paths]

    def _site_counts(self, view: Outline) -> list[Value]:
        counts: list[Value] = []
        for i in self.stages:
            down, up = view.stages[i].down.sites, view.stages[i].up.sites
            if up != down + 1:
                raise WalkbenchError(
                    f"{self.name} means one more site up than down; stage {i} has {down} and {up}; "
                    f"use the axes sites.{i}.down and sites.{i}.up"
                )
            counts.append(down)
        return counts

    def _matters(self, view: Outline, i: int) -> bool:
        if self.field in ("kv_heads", "ff_ratio"):
            return view.has_transformer(i)
        return self.field != "biases" or view.stages[i].conv == "separable"


def parse_axis(name: str, stages: int) -> Axis:
    """Return the axis called ``name`` in a network of ``stages``; raises on an unknown one."""
    field, *rest = name.split(".")
    if field not in FIELDS:
        raise_unknown("axis", field, FIELDS)
    scope = FIELDS[field].scope
    limit = {"network": 0, "stage": 1, "path": 2}[scope]
    if len(rest) > limit:
        form = field + {"network": "", "stage": "[.STAGE]", "path": "[.STAGE[.down|up]]"}[scope]
        raise WalkbenchError(f"axis {name!r} has too many parts; the form is {form}")
    which = tuple(range(stages))
    directions: tuple[Direction, ...] = ("down", "up") if scope == "path" else ()
    if rest:
        if not rest[0].isdecimal() or int(rest[0]) >= stages:
            raise WalkbenchError(f"axis {name!r}: stage {rest[0]!r} is not one of 0 … {stages - 1}")
        which = (int(rest[0]),)
    if len(rest) == 2:
        if rest[1] not in ("down", "up"):
            raise WalkbenchError(f"axis {name!r}: direction {rest[1]!r} is not down or up")
        directions = ("down",) if rest[1] == "down" else ("up",)
    return Axis(name, field, which, directions)


def order(axis: Axis) -> tuple[int, tuple[int, ...], tuple[str, ...]]:
    """Sort key: fields that switch others on first, then by stage and direction."""
    return list(FIELDS).index(axis.field), axis.stages, axis.directions


def _with(view: T, field: str, value: Any) -> T:
    """`dataclasses.replace` for a field known only by name."""
    changes: dict[str, Any] = {field: value}
    return replace(view, **changes)
