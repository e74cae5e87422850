"""A design walk that one edits: steps left out, put in, moved, and other changes between them.

A path is a list of names: steps of the walk, or changes of one axis such as ``kv_heads.2=1``. Each
edits the design before it; one that cannot be applied there is reported and leaves it as it was.

>>> found = edited_path("F", ["thin", "mqa", "ff_ratio=2.5", "channels.9=3"])
>>> [(step.name, step.problem is None) for step in found]
[('sdxl', True), ('thin', True), ('mqa', True), ('ff_ratio=2.5', True), ('channels.9=3', False)]
>>> found[3].network.stages[2].ff_ratio
2.5
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from search_space.axes import UNET_FIELDS
from search_space.axis import AxisField, parse_axis
from search_space.errors import SpecError, WalkbenchError, raise_unknown
from search_space.presets import FAMILIES, WALK, walk_specs
from search_space.spec import UNetSpec
from search_space.unet_kind import UNET_AXES

MOST = 40  # steps of a path, which may come from the address of a page


@dataclass(frozen=True)
class PathStep:
    """One step: the design after it, or why it could not be applied to the one before."""

    name: str
    network: UNetSpec
    problem: str | None = None


def steps_of(family: str) -> list[str]:
    """Return the names of the walk's steps after the first; raises for an unknown ``family``."""
    if family not in FAMILIES:
        raise_unknown("family", family, FAMILIES)
    return [step.name for step in WALK[1:]]


def edited_path(family: str, names: Sequence[str]) -> list[PathStep]:
    """Return the path from SDXL through ``names``, at most :data:`MOST` of them."""
    chosen = FAMILIES[family] if family in FAMILIES else raise_unknown("family", family, FAMILIES)
    known = {step.name: step for step in WALK}
    spec = walk_specs(chosen)[WALK[0].name]
    path = [PathStep(WALK[0].name, spec)]
    for name in names[:MOST]:
        try:
            if name in known:
                after = known[name].edit(spec, chosen)
            elif "=" in name:
                after = with_axis(spec, name)
            else:
                raise_unknown("step", name, [*known, "AXIS=VALUE"])
        except (WalkbenchError, ValueError) as error:
            path.append(PathStep(name, spec, str(error)))
            continue
        path.append(PathStep(name, after))
        spec = after
    return path


def with_axis(spec: UNetSpec, change: str) -> UNetSpec:
    """Return ``spec`` with one axis changed, written AXIS=VALUE.

    Raises :class:`WalkbenchError` for an unknown axis, a value that it does not take, and a change
    that contradicts the rest or has no effect.
    """
    name, _, text = change.partition("=")
    stages = len(spec.stages)
    axis = parse_axis(name.strip(), UNET_FIELDS, stages)
    draft = UNET_AXES.thaw(spec)
    if not axis.active(draft):
        raise WalkbenchError(f"{name.strip()} has no effect here")
    axis.write(draft, _value(axis.field, text.strip(), change))
    UNET_AXES.settle(draft, stages)
    changed = UNET_AXES.freeze(draft)
    if not isinstance(changed, UNetSpec) or changed == spec:
        raise SpecError(f"{change} changes nothing here")
    return changed


def _value(field: AxisField, text: str, change: str) -> Any:
    """Read a value of ``field``: one of its special words, true or false, a number, a word."""
    if text in field.special:
        return text
    if field.kind is bool:
        if text.lower() not in ("true", "false"):
            raise WalkbenchError(f"{change}: the value is true or false")
        return text.lower() == "true"
    try:
        return field.kind(text)
    except ValueError:
        raise WalkbenchError(f"{change}: {text!r} is no {field.kind.__name__}") from None
