"""Settings as users write them: one function turns a dataclass into TOML keys and options.

:func:`keys_of` lists what a settings dataclass (:mod:`proxies.setting`) lets people set, nested
dataclasses included. :func:`read_table` reads those keys from a TOML table, strictly;
:func:`with_settings` makes them options of a command; :func:`build` makes the dataclass of what was
given. What nobody gives keeps its default.

>>> from proxies.recipe import Recipe
>>> [key.name for key in keys_of(Recipe)][:5]
['batch', 'learning_rate', 'warm_up', 'beta1', 'beta2']
>>> build(Recipe, read_table(Recipe, ConfigTable("my.toml", "proxy", {"beta2": 0.95}))).betas
(0.9, 0.95)
>>> read_table(Recipe, ConfigTable("my.toml", "proxy", {"batch": 0}))
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: my.toml: [proxy] batch is 0; an integer of 1 or more is needed
"""

import dataclasses
import inspect
import math
import tomllib
import typing
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer

from proxies.setting import KEY, Setting
from search_space.errors import WalkbenchError
from studies.config_table import ConfigTable

T = TypeVar("T")


@dataclass(frozen=True)
class Key:
    """One thing to set: its TOML key, the type of its value, its help and default, its dataclass.

    ``kind`` is int, float, str or bool, or dict where the value is one of several dataclasses.
    """

    name: str
    kind: type[Any]
    help: str
    default: Any
    setting: Setting
    owner: type[Any]


def keys_of(cls: type[Any]) -> Iterator[Key]:
    """Yield the keys of a settings dataclass in the order of its fields."""
    hints = typing.get_type_hints(cls)
    for field in dataclasses.fields(cls):
        setting: Setting | None = field.metadata.get(KEY)
        default: Any = field.default
        if setting is None:
            if dataclasses.is_dataclass(hints[field.name]):
                yield from keys_of(hints[field.name])
        elif setting.parts is not None:
            kind = typing.get_args(hints[field.name])[0]
            for (name, text), value in zip(setting.parts.items(), default, strict=True):
                yield Key(name, kind, text, value, setting, cls)
        else:
            named = setting.key or field.name
            shown = default.kind if setting.union else default
            kind = dict if setting.union else _scalar(hints[field.name])
            yield Key(named, kind, setting.help, shown, setting, cls)


def _scalar(hint: Any) -> type[Any]:
    """Return the type of a value that may be None."""
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)] or [hint]
    assert kinds[0] in (int, float, str, bool), f"settings of type {hint} have no key"
    return typing.cast(type[Any], kinds[0])


def build(cls: type[T], given: Mapping[str, Any]) -> T:
    """Return the dataclass with the values ``given`` by key, and its defaults for all else.

    Raises :class:`WalkbenchError` as the dataclass does.
    """
    hints, fields = typing.get_type_hints(cls), dict[str, Any]()
    for field in dataclasses.fields(cls):  # type: ignore[arg-type]
        setting: Setting | None = field.metadata.get(KEY)
        if setting is None:
            if dataclasses.is_dataclass(hints[field.name]):
                fields[field.name] = build(typing.cast(type[Any], hints[field.name]), given)
        elif setting.parts is not None:
            default: Any = field.default
            pairs = zip(setting.parts, default, strict=True)
            fields[field.name] = tuple(given.get(name, value) for name, value in pairs)
        elif (name := setting.key or field.name) in given:
            fields[field.name] = given[name]
    return cls(**fields)


def read_table(cls: type[Any], table: ConfigTable, folder: Path | None = None) -> dict[str, Any]:
    """Return the values that ``table`` gives to keys of ``cls``; paths are relative to ``folder``.

    Raises :class:`WalkbenchError` for a value of another type or out of range. Keys that are not of
    ``cls`` are left to the caller, who ends with ``table.done()``.
    """
    given = {}
    for key in keys_of(cls):
        value = table.take(key.name, None)
        if key.name not in table.data:
            continue
        if not _is(key.kind, value, key.setting):
            raise table.bad(key.name, _needed(key))
        if key.kind is dict:
            value = read_one_of(key, value, table.where, f"{table.name}.{key.name}", folder)
        elif key.setting.is_path:
            value = str((folder or Path()) / value)
        given[key.name] = float(value) if key.kind is float else value
    return given


def _is(kind: type[Any], value: Any, setting: Setting) -> bool:
    """Whether ``value`` is of this type and within the bounds, and of the choices."""
    if kind in (int, float):
        right = type(value) is int if kind is int else type(value) in (int, float)
        return right and math.isfinite(value) and setting.admits(value)
    if kind is str:
        return isinstance(value, str) and bool(value.strip()) and _is_choice(value, setting)
    return isinstance(value, str | dict) if kind is dict else isinstance(value, kind)


def _is_choice(value: str, setting: Setting) -> bool:
    return setting.choices is None or value in setting.choices()


def _needed(key: Key) -> str:
    if key.kind is bool:
        return "true or false"
    if key.kind is dict and key.setting.union is not None:
        return f"one of {', '.join(key.setting.union.names())}, or a table with its kind,"
    if key.kind is str and key.setting.choices is None:
        return "some text"
    return key.setting.allowed(key.kind is int)


def read_one_of(
    key: Key, value: str | dict[str, Any], where: str, name: str, folder: Path | None = None
) -> Any:
    """Return the dataclass of a union that a kind, or a table with its kind and settings, says.

    A path is relative to ``folder`` where it leads somewhere from there; it may be a name too.
    """
    assert key.setting.union is not None
    table = ConfigTable(where, name, {"kind": value} if isinstance(value, str) else value)
    kind = table.text("kind")
    try:
        chosen = key.setting.union.get(kind)
    except WalkbenchError as error:
        raise WalkbenchError(f"{where}: [{name}] {error}") from None
    given = read_table(chosen, table)
    table.done()
    for one in keys_of(chosen):
        if one.setting.is_path and one.name in given and folder is not None:
            beside = folder / given[one.name]
            given[one.name] = str(beside) if beside.exists() else given[one.name]
    return build(chosen, given)


def with_settings(
    cls: type[Any], *, without: Collection[str] = (), rename: Mapping[str, str] | None = None
) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Return a decorator that gives a command one option per key of ``cls``.

    The command's parameter ``given`` becomes the options; it receives the values that were typed,
    by key. Keys in ``without`` get no option; ``rename`` maps keys to other option names.
    """
    keys = [key for key in keys_of(cls) if key.name not in without]
    names = {key.name: (rename or {}).get(key.name, key.name) for key in keys}

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        parameters = []
        for one in inspect.signature(command, eval_str=True).parameters.values():
            if one.name != "given":
                parameters.append(one.replace(kind=inspect.Parameter.KEYWORD_ONLY))
                continue
            parameters += [_option(key, names[key.name]) for key in keys]

        def wrapped(**values: Any) -> None:
            typed = {key.name: values.pop(names[key.name]) for key in keys}
            given = {key.name: _typed(key, typed[key.name]) for key in keys if _was(typed, key)}
            command(**values, given=given)

        wrapped.__doc__, wrapped.__name__ = command.__doc__, command.__name__
        wrapped.__annotations__ = {one.name: one.annotation for one in parameters}
        wrapped.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        return wrapped

    return decorate


_PANELS = {"DataSource": "Data", "Recipe": "Recipe", "Compute": "Device"}


def _option(key: Key, name: str) -> inspect.Parameter:
    """Return the parameter that Typer makes an option of; None or False: not typed."""
    option, shown = f"--{name.replace('_', '-')}", key.default
    is_flag = key.kind is bool and key.default is False
    about = typer.Option(
        f"{option}/--no-{option[2:]}" if key.kind is bool and not is_flag else option,
        help=key.help,
        show_default=False if shown is None or is_flag else f"{shown}",
        rich_help_panel=_PANELS.get(key.owner.__name__),
    )
    kind = str if key.kind is dict else key.kind
    annotation = Annotated[bool, about] if is_flag else Annotated[kind | None, about]
    default = False if is_flag else None
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _was(typed: Mapping[str, Any], key: Key) -> bool:
    value = typed[key.name]
    return value is not None and (value is not False or key.default is True)


def _typed(key: Key, value: Any) -> Any:
    """Return the value of an option; one of several dataclasses may be an inline TOML table."""
    if key.kind is not dict:
        return value
    if value.lstrip().startswith("{"):
        try:
            value = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError as error:
            raise WalkbenchError(f"--{key.name} is not an inline table of TOML: {error}") from None
    return read_one_of(key, value, "command line", key.name)
