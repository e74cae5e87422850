"""`Registry`: things of one kind by name, those with heavy imports loaded when they are asked for.

>>> numbers: Registry[float] = Registry("number", {"pi": "math:pi"})
>>> numbers.register("one", 1.0)
>>> numbers.names(), numbers.get("pi") > numbers.get("one")
(('pi', 'one'), True)
>>> numbers.get("pie")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: unknown number 'pie'; did you mean 'pi'? known: one, pi
"""

from collections.abc import Mapping
from importlib import import_module
from typing import Generic, TypeVar, cast

from search_space.errors import WalkbenchError, raise_unknown

T = TypeVar("T")


class Registry(Generic[T]):
    """Entries by name; an entry given as `module:attribute` is imported on first use.

    ``kind`` names the entries in errors. Entries must not be text themselves.
    """

    def __init__(self, kind: str, entries: Mapping[str, T | str] | None = None) -> None:
        self.kind = kind
        self._entries: dict[str, T | str] = dict(entries or {})

    def register(self, name: str, entry: T | str) -> None:
        """Add ``entry`` under ``name``; raises :class:`WalkbenchError` where another has it."""
        if self._entries.get(name, entry) != entry:
            raise WalkbenchError(f"there is a {self.kind} {name!r} already; choose another name")
        self._entries[name] = entry

    def unregister(self, name: str) -> None:
        """Remove the entry called ``name``, if there is one."""
        self._entries.pop(name, None)

    def names(self) -> tuple[str, ...]:
        """Return the names in the order of their registration."""
        return tuple(self._entries)

    def get(self, name: str) -> T:
        """Return the entry called ``name``; raises :class:`WalkbenchError` for an unknown one."""
        if name not in self._entries:
            raise_unknown(self.kind, name, self.names())
        entry = self._entries[name]
        if not isinstance(entry, str):
            return entry
        module, _, attribute = entry.partition(":")
        loaded = cast(T, getattr(import_module(module), attribute))
        self._entries[name] = loaded
        return loaded
