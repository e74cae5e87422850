"""`parse_key(key)`: the block that a key names.

>>> parse_key("conv_in in_channels=4 out_channels=32 size=16").size
16
"""

import dataclasses
import math
from typing import Any, get_args

from search_space.blocks.block import BLOCK_KINDS, Block
from search_space.codec import field_types, open_choices
from search_space.errors import WalkbenchError


def parse_key(key: str) -> Block:
    """Read a block from its key; raises :class:`WalkbenchError` naming the word that is wrong."""
    kind, *words = key.split() or [""]
    if not kind:
        raise WalkbenchError("block key is empty; it begins with a kind such as conv_in")
    if kind not in BLOCK_KINDS:
        known = ", ".join(BLOCK_KINDS)
        raise WalkbenchError(f"block key {key!r}: kind {kind!r} is not one of {known}")
    pairs = dict(word.partition("=")[::2] for word in words)
    if len(pairs) < len(words):
        names = [word.partition("=")[0] for word in words]
        twice = next(name for name in names if names.count(name) > 1)
        raise WalkbenchError(f"block key {key!r} says {twice} twice")
    try:
        block: Block = _parse(BLOCK_KINDS[kind], pairs, "")
    except KeyError as missing:
        raise WalkbenchError(f"block key {key!r} lacks {missing.args[0]}") from None
    except ValueError as error:
        raise WalkbenchError(f"block key {key!r}: {error}") from None
    if pairs:
        raise WalkbenchError(f"block key {key!r} has unknown fields: {', '.join(pairs)}")
    return block


def _parse(cls: Any, pairs: dict[str, str], prefix: str) -> Any:
    """Consume the words of ``pairs`` that belong to ``cls``."""
    values: dict[str, Any] = {}
    for name, hint in field_types(cls).items():
        where, optional = prefix + name, type(None) in get_args(hint)
        inner = get_args(hint)[0] if optional else hint
        if optional and pairs.get(where) == "none":
            del pairs[where]
            values[name] = None
        elif dataclasses.is_dataclass(inner):
            values[name] = _parse(inner, pairs, where + ".")
        else:
            values[name] = _value(inner, pairs.pop(where), where)
    return cls(**values)


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan


def _value(hint: Any, text: str, where: str) -> Any:
    if hint is bool:
        if text not in ("0", "1"):
            raise ValueError(f"{where} is {text!r}, 0 or 1 is needed")
        return text == "1"
    if hint is int:
        if not text.isdecimal():
            raise ValueError(f"{where} is {text!r}, a whole number is needed")
        return int(text)
    if hint is float:
        number = _float(text)
        if not 0 < number < math.inf:
            raise ValueError(f"{where} is {text!r}, a number is needed")
        return number
    choices = open_choices(hint)
    allowed = get_args(hint) if choices is None else choices.names
    if text not in allowed:
        raise ValueError(f"{where} is {text!r}, not one of {', '.join(map(str, allowed))}")
    return text
