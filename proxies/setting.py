"""Fields of settings: their help, their allowed values, and what files without them mean.

A settings dataclass says all of it once, in its fields. Its range checks, its JSON, its TOML keys
and its command-line options (:mod:`studies.settings`) follow from there.

>>> @dataclass(frozen=True)
... class Brew:
...     minutes: int = setting(3, help="Minutes in the pot.", least=1)
...     milk: bool = setting(True, help="With milk.", absent=False)
...
...     def __post_init__(self) -> None:
...         check(self)
>>> Brew(minutes=0)
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: minutes is 0; an integer of 1 or more is needed
>>> as_dict(Brew(milk=False)), from_dict(Brew, {"minutes": 3}) == Brew(milk=False)
({'minutes': 3}, True)
"""

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast, get_type_hints

from search_space.errors import WalkbenchError, raise_unknown

T = TypeVar("T")
KEY = "setting"  # of a field's metadata
WRITTEN: Any = object()  # ``absent`` of a field that every file has


class Union(Protocol):
    """Dataclasses by their ``kind``, one of which a field holds."""

    def get(self, name: str, /) -> type[Any]: ...  # noqa: D102

    def names(self) -> tuple[str, ...]: ...  # noqa: D102


@dataclass(frozen=True)
class Setting:
    """What a field's metadata holds; see :func:`setting`."""

    help: str = ""
    key: str | None = None
    parts: Mapping[str, str] | None = None
    least: float | None = None
    above: float | None = None
    below: float | None = None
    choices: Callable[[], Sequence[str]] | None = None
    absent: Any = WRITTEN
    union: Union | None = None
    is_path: bool = False

    def allowed(self, whole: bool) -> str:
        """Return the allowed values in words: `an integer of 1 or more`."""
        noun = "an integer" if whole else "a number"
        if self.choices is not None:
            return f"one of {', '.join(self.choices())}"
        if self.above == 0 and self.below is None:
            return "a positive number"
        bounds = [f"of {self.least:g} or more"] if self.least is not None else []
        bounds += [f"above {self.above:g}"] if self.above is not None else []
        bounds += [f"below {self.below:g}"] if self.below is not None else []
        return f"{noun} {' and '.join(bounds)}" if bounds else noun

    def admits(self, value: float) -> bool:
        """Whether ``value`` is a number within the bounds."""
        return (
            not math.isnan(value)
            and (self.least is None or value >= self.least)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
        )


def setting(default: T, **meaning: Any) -> T:
    """Return a dataclass field with ``default`` and the meaning of a :class:`Setting`.

    ``key`` is the TOML key and option where the field's name is not; ``parts`` are keys and helps
    of a tuple's members; ``choices`` are called when needed. ``absent`` is what a file without the
    field means (older files lack the fields that came later); a field with this value is not
    written, so digests of older settings stay. ``union`` has the dataclasses of which the field
    holds one; ``is_path`` says that text is a path, which a file gives relative to its own folder.
    """
    made: T = field(default=default, metadata={KEY: Setting(**meaning)})
    return made


def settings_of(cls: Any) -> Iterator[tuple[str, Setting]]:
    """Yield the name and the setting of every field that has one."""
    for one in dataclasses.fields(cls):
        if KEY in one.metadata:
            yield one.name, one.metadata[KEY]


def is_whole(cls: Any, name: str) -> bool:
    """Whether the field called ``name`` holds integers."""
    return get_type_hints(cls)[name] in (int, int | None)


def check(instance: Any) -> None:
    """Raise :class:`WalkbenchError` for the first value that its setting does not allow."""
    for name, about in settings_of(instance):
        value = getattr(instance, name)
        if about.choices is not None and isinstance(value, str) and value not in about.choices():
            raise_unknown(name.replace("_", " "), value, about.choices())
        values = value if about.parts else (value,)
        for part, one in zip(about.parts or (name,), values, strict=True):
            if isinstance(one, int | float) and not about.admits(one):
                needed = about.allowed(is_whole(type(instance), name))
                raise WalkbenchError(f"{part} is {one}; {needed} is needed")


def as_dict(instance: Any) -> dict[str, Any]:
    """Return a settings dataclass as JSON types, without what a file may leave out."""
    found = {}
    for one in dataclasses.fields(instance):
        about: Setting | None = one.metadata.get(KEY)
        value = getattr(instance, one.name)
        if about is None or value != about.absent:
            is_one_of = about is not None and about.union is not None
            found[one.name] = as_dict_of_kind(value) if is_one_of else _plain(value)
    return found


def as_dict_of_kind(value: Any) -> dict[str, Any]:
    """Return one dataclass of a union as JSON types, its ``kind`` first."""
    return {"kind": value.kind, **as_dict(value)}


def from_dict(cls: type[T], data: Mapping[str, Any]) -> T:
    """Return the instance that :func:`as_dict` wrote; raises TypeError for unknown fields."""
    read, hints = dict(data), get_type_hints(cls)
    for name in read.keys() & hints.keys():
        if dataclasses.is_dataclass(hints[name]):
            read[name] = from_dict(cast(type[Any], hints[name]), read[name])
    for name, about in settings_of(cls):
        if name in read:
            value = read[name]
            if about.union is not None:
                fields = dict(value)
                value = from_dict(about.union.get(fields.pop("kind")), fields)
            read[name] = tuple(value) if isinstance(value, list) else value
        elif about.absent is not WRITTEN:
            read[name] = about.absent
    return cls(**read)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value):
        return as_dict(value)
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value
