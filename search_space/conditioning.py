"""Named text encoders of a space: its `[conditioning.NAME]` tables.

>>> read_conditioning("clip-l", {"width": 768, "tokens": 77}).context.width
768
"""

from dataclasses import dataclass
from typing import Any

from search_space.errors import WalkbenchError, raise_unknown
from search_space.parts import Conditions, Context


@dataclass(frozen=True)
class Conditioning:
    """The fields of a spec that the text encoder determines."""

    context: Context
    conditions: Conditions


def read_conditioning(name: str, table: Any) -> Conditioning:
    """Read one table; raises :class:`WalkbenchError` naming a field that does not exist."""
    context, conditions = Context.__dataclass_fields__, Conditions.__dataclass_fields__
    if not isinstance(table, dict):
        raise WalkbenchError(f"conditioning.{name} is {table!r}; a table is needed")
    for key in table:
        if key not in context and key not in conditions:
            raise_unknown(f"field of conditioning.{name}", key, [*context, *conditions])
    return Conditioning(
        Context(**{k: v for k, v in table.items() if k in context}),
        Conditions(**{k: v for k, v in table.items() if k in conditions}),
    )
