"""`PlannedSpec`: what specs of networks have in common, whatever they say about theirs.

A plan and a digest that are made once, copies with changes, JSON text.
"""

import dataclasses
import json
from typing import Any, Self, cast

from search_space.codec import digest_of
from search_space.plan import Plan


class PlannedSpec:
    """The base of frozen dataclasses that have :meth:`made_plan` and :meth:`to_dict`."""

    def made_plan(self) -> Plan:
        """Return the blocks in forward order, planned anew."""
        raise NotImplementedError

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types."""
        raise NotImplementedError

    def plan(self) -> Plan:
        """Return the blocks in forward order; planned once per spec."""
        cached: Plan | None = self.__dict__.get("_plan")
        if cached is None:
            cached = self.__dict__["_plan"] = self.made_plan()
        return cached

    def digest(self) -> str:
        """Return twelve hex digits that name this network: SHA-256 of its canonical JSON."""
        cached: str | None = self.__dict__.get("_digest")
        if cached is None:
            cached = self.__dict__["_digest"] = digest_of(self.to_dict())
        return cached

    def replace(self, **changes: Any) -> Self:
        """Return a copy with ``changes``, validated anew."""
        return cast(Self, dataclasses.replace(cast(Any, self), **changes))

    def to_json(self, indent: int | None = None) -> str:
        """Return the spec as JSON text; `from_json` and `network_from_json` read it back equal."""
        return json.dumps(self.to_dict(), indent=indent)
