"""Transformer layers per site, as diffusers writes them: one number, one per stage, one per site.

`transformer_layers_per_block` lists stages from the first; the up path reads it backwards, or reads
`reverse_transformer_layers_per_block`, which lists stages from the last. Stages without transformer
ignore their entry. Both directions are read as the blocks of diffusers do: an entry may be longer
than the path, never shorter.

>>> from search_space.diffusers_bridge.fields import Fields
>>> ssd = Fields({"transformer_layers_per_block": [0, [2, 2], [4, 4]],
...               "reverse_transformer_layers_per_block": [[4, 4, 10], [2, 1, 1], 0]}, {})
>>> down_depths(ssd, [2, 2, 2], [False, True, True])
[[0, 0], [2, 2], [4, 4]]
>>> up_depths(ssd, [2, 2, 2], [False, True, True])
[[0, 0, 0], [2, 1, 1], [4, 4, 10]]
"""

from typing import Any

from search_space.diffusers_bridge.fields import Fields, is_count

DOWN, UP = "transformer_layers_per_block", "reverse_transformer_layers_per_block"


def down_depths(fields: Fields, sites: list[int], attends: list[bool]) -> list[list[int]]:
    """Return the depth of every site on the way down, first stage first."""
    entries = fields.per_stage(DOWN, len(sites))
    return _expand(fields, DOWN, entries, sites, attends)


def up_depths(fields: Fields, sites: list[int], attends: list[bool]) -> list[list[int]]:
    """Return the depth of every site on the way up, first stage first."""
    up_sites = [count + 1 for count in sites]
    if fields[UP] is not None:
        entries = fields.per_stage(UP, len(sites))[::-1]
        return _expand(fields, UP, entries, up_sites, attends)
    entries = fields.per_stage(DOWN, len(sites))
    if any(isinstance(entry, (list, tuple)) for entry in entries):
        fields.refuse(UP, f"a list for each stage, because {DOWN} has one", None)
        return [[1 if has else 0] * n for n, has in zip(up_sites, attends, strict=True)]
    return _expand(fields, DOWN, entries, up_sites, attends)


def mid_depth(fields: Fields) -> int:
    """Return the depth of the middle: that of the last stage's first site on the way down."""
    value = fields[DOWN]
    last = value[-1] if isinstance(value, (list, tuple)) and value else value
    first = last[0] if isinstance(last, (list, tuple)) and last else last
    if is_count(first):
        return int(first)
    fields.refuse(DOWN, "a positive last entry, which a mid block with attention reads")
    return 1


def _expand(
    fields: Fields, name: str, entries: list[Any], sites: list[int], attends: list[bool]
) -> list[list[int]]:
    """Write every entry as one depth per site; refuse the field once where that is impossible."""
    depths, good = [], True
    for entry, count, has in zip(entries, sites, attends, strict=True):
        if not has:
            depths.append([0] * count)
            continue
        each = list(entry)[:count] if isinstance(entry, (list, tuple)) else [entry] * count
        fits = len(each) == count and all(map(is_count, each))
        good = good and fits
        depths.append(each if fits else [1] * count)
    if not good:
        fields.refuse(name, "1 or more layers at every site of a block with attention")
    return depths
