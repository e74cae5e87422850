"""Dataclasses to plain JSON types and back, and the digest that names a value.

Reading is strict: an unknown field, a missing one, or a value of another type raises
:class:`SpecError` with the path of the offending field. A field of an open set of names, such as
the kinds of convolution, is annotated with the registry that knows them::

    kind: Annotated[str, OneOf(CONV_KINDS)]

>>> digest_of({"b": 1, "a": 2}) == digest_of({"a": 2, "b": 1})
True
"""

import dataclasses
import hashlib
import json
import types
from collections.abc import Collection, Mapping
from functools import cache
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from search_space.errors import SpecError


@dataclasses.dataclass(frozen=True, eq=False)
class OneOf:
    """Annotates a field that holds a name of a registry, which may grow, or one of ``others``."""

    registry: Collection[str]
    others: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The names that the field may hold now."""
        return (*self.registry, *self.others)

    def check(self, value: Any, where: str) -> None:
        """Raise :class:`SpecError` listing the names unless ``value`` is one of them."""
        known = isinstance(value, str) and (value in self.registry or value in self.others)
        if not known:
            raise SpecError(f"{where} is {value!r}; allowed: {', '.join(self.names)}")


def digest_of(data: Mapping[str, Any]) -> str:
    """Return twelve hex digits of the SHA-256 of canonical JSON."""
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:12]


def parse_json(text: str, what: str) -> Any:
    """Return the value of JSON ``text``; raises :class:`SpecError` saying where it is malformed."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise SpecError(
            f"{what} is not JSON: {error.msg} at line {error.lineno}, column {error.colno}"
        ) from None
    except RecursionError:
        raise SpecError(
            f"{what} is not JSON: it is nested too deeply; a spec has four levels"
        ) from None
    except ValueError as error:  # an integer of thousands of digits
        raise SpecError(f"{what} is not JSON: {error}") from None


@cache
def field_types(cls: type) -> dict[str, Any]:
    """Return the annotation of every field of a dataclass, those of open sets included."""
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls)}


def open_choices(hint: Any) -> OneOf | None:
    """Return the :class:`OneOf` of an annotation, or None where it has none."""
    if get_origin(hint) is not Annotated:
        return None
    return next((extra for extra in hint.__metadata__ if isinstance(extra, OneOf)), None)


def read(kind: Any, value: Any, where: str) -> Any:
    """Turn JSON ``value`` into ``kind`` (a field's annotation); raises naming ``where``."""
    choices = open_choices(kind)
    if choices is not None:
        choices.check(value, where)
        return value
    origin = get_origin(kind)
    if origin is Literal:
        if value not in get_args(kind):
            raise SpecError(f"{where} is {value!r}; allowed: {', '.join(map(str, get_args(kind)))}")
        return value
    if origin is tuple:
        if not isinstance(value, (list, tuple)):
            raise SpecError(f"{where} is {value!r}; a list is needed")
        item = get_args(kind)[0]
        return tuple(read(item, v, f"{where}[{i}]") for i, v in enumerate(value))
    if origin is types.UnionType:  # only `X | None` occurs
        return None if value is None else read(get_args(kind)[0], value, where)
    if dataclasses.is_dataclass(kind):
        return read_fields(kind, value, where)
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if type(value) is not kind:
        raise SpecError(f"{where} is {value!r}; {kind.__name__} is needed")
    return value


def read_fields(cls: Any, value: Any, where: str) -> Any:
    """Turn a JSON object into the dataclass ``cls``; raises naming the offending field."""
    if not isinstance(value, Mapping):
        raise SpecError(f"{where} is {value!r}; an object is needed")
    hints = field_types(cls)
    unknown = sorted(set(value) - set(hints))
    if unknown:
        raise SpecError(f"{where} has no field {unknown[0]!r}; fields: {', '.join(hints)}")
    for field in dataclasses.fields(cls):
        required = field.default is dataclasses.MISSING
        if required and field.name not in value:
            raise SpecError(f"{where}.{field.name} is missing")
    return cls(**{k: read(hints[k], v, f"{where}.{k}") for k, v in value.items()})
