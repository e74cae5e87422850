"""`arms(network)`: the plan of a network as a drawing needs it: rows, sites and skips.

A UNet has two arms of rows, one row a stage: its sites on the way down and on the way up, side by
side where one takes the other's skip. Any other network is one column of its segments.

>>> from search_space.presets import named_spec
>>> rows = arms(named_spec("sdxl")).rows
>>> [(row.name, len(row.down), len(row.up)) for row in rows]
[('stage 1', 2, 3), ('stage 2', 2, 3), ('stage 3', 2, 3)]
>>> [site.takes for site in rows[0].up]  # the newest skip first, the one of the input last
['down0.res1', 'down0.res0', 'input.conv_in']
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from search_space.network import Network
from search_space.plan import Plan, Step


@dataclass(frozen=True)
class Site:
    """Consecutive steps with their paths, and the path of the step whose skip they take."""

    steps: tuple[tuple[str, Step], ...]
    takes: str | None = None

    @property
    def leaves_skip(self) -> bool:
        """Whether some step saves its output."""
        return any(step.push for _, step in self.steps)


@dataclass(frozen=True)
class Row:
    """One stage: sites in forward order; ``enters`` leads to it, ``leaves`` out of it."""

    name: str
    down: tuple[Site, ...] = ()
    up: tuple[Site, ...] = ()
    enters: tuple[tuple[str, Step], ...] = ()
    leaves: tuple[tuple[str, Step], ...] = ()


@dataclass(frozen=True)
class Arms:
    """A network as rows from the highest resolution down, and the middle under them.

    ``aside`` are steps that work on no feature map: embeddings of time, text and conditions.
    """

    rows: tuple[Row, ...]
    mid: tuple[tuple[str, Step], ...] = ()
    aside: tuple[tuple[str, Step], ...] = ()


def arms(network: Network) -> Arms:
    """Return the rows of ``network``."""
    plan = network.plan()
    skips = _skips(plan)
    segments = dict(zip(plan.names, (_named(plan, name) for name in plan.names), strict=True))
    stages = sum(bool(re.fullmatch(r"down\d+", name)) for name in plan.names)
    inputs = segments.get("input", [])
    aside = tuple(pair for pair in inputs if pair[1].leaves != "x")
    enters = tuple(pair for pair in inputs if pair[1].leaves == "x")
    if not stages:
        rows = [Row(name, _sites(steps, skips)) for name, steps in segments.items()]
        return Arms(tuple(rows))
    rows = []
    for i in range(stages):
        down, next_enters = _without(segments[f"down{i}"], "downsample")
        up, upsample = _without(segments.get(f"up{i}", []), "upsample")
        leaves = upsample if i else tuple(segments.get("output", []))
        rows.append(Row(f"stage {i + 1}", _sites(down, skips), _sites(up, skips), enters, leaves))
        enters = next_enters
    return Arms(tuple(rows), tuple(segments.get("mid", [])), aside)


def _named(plan: Plan, name: str) -> list[tuple[str, Step]]:
    segment = plan.segments[plan.names.index(name)]
    return [(f"{name}.{step.name}", step) for step in segment.steps]


def _skips(plan: Plan) -> dict[str, str]:
    """Return by path of each step that takes a skip the path of the step that saved it."""
    saved: list[str] = []
    taken = {}
    for path, step in plan.steps():
        if step.pop:
            taken[path] = saved.pop()
        if step.push:
            saved.append(path)
    return taken


def _without(
    steps: Sequence[tuple[str, Step]], name: str
) -> tuple[list[tuple[str, Step]], tuple[tuple[str, Step], ...]]:
    """Return the steps but the one called ``name``, and that one."""
    found = tuple(pair for pair in steps if pair[1].name == name)
    return [pair for pair in steps if pair not in found], found


def _sites(steps: Sequence[tuple[str, Step]], skips: Mapping[str, str]) -> tuple[Site, ...]:
    return tuple(
        Site(tuple(site), next((skips[path] for path, _ in site if path in skips), None))
        for site in _by_number(steps)
    )


def _by_number(steps: Sequence[tuple[str, Step]]) -> Iterator[list[tuple[str, Step]]]:
    """Group steps by the number at the end of their names: res0 and stack0 are one site."""
    site: list[tuple[str, Step]] = []
    number: str | None = None
    for path, step in steps:
        found = re.search(r"\d+$", step.name)
        own = found[0] if found else None
        if site and (own is None or own != number):
            yield site
            site = []
        site.append((path, step))
        number = own
    if site:
        yield site
