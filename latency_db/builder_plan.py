"""What to measure: the distinct blocks of some designs, in the order that pays soonest.

Designs share blocks. Those that need the fewest new blocks come first, so that after a few minutes
a table already covers some networks whole; the named designs come before sampled ones.

A space of billions of designs is looked at through a sample of it. ``seen`` says how much of the
space that sample stands for: the chance that one more block of one more design is already listed
(Good and Turing's estimate).

>>> from search_space.presets import all_named
>>> listed = plan_blocks({"sd15": all_named()["sd15"], "sd21": all_named()["sd21"]})
>>> listed.designs, len(listed.blocks), listed.blocks[0].uses
(('sd15', 'sd21'), 35, 2)
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from search_space.blocks import Block
from search_space.network import Network
from search_space.plan import plan


@dataclass(frozen=True)
class PlannedBlock:
    """One block to measure: how many designs need it, how often in all, which is the first."""

    block: Block
    designs: int
    uses: int
    first_for: str


@dataclass(frozen=True)
class BlockPlan:
    """Blocks in the order of measuring, and the designs in the order they become complete."""

    blocks: tuple[PlannedBlock, ...]
    designs: tuple[str, ...]
    seen: float


def plan_blocks(named: Mapping[str, Network], sampled: Sequence[Network] = ()) -> BlockPlan:
    """Return the distinct blocks of ``named`` designs, then of ``sampled`` ones."""
    needs = {name: _counts(spec) for name, spec in named.items()}
    others = {f"sampled {spec.digest()}": _counts(spec) for spec in sampled}
    order = [*_smallest_first(needs, set()), *_smallest_first(others, _all(needs.values()))]
    everything = {**needs, **others}
    uses: Counter[Block] = Counter()
    designs: Counter[Block] = Counter()
    first: dict[Block, str] = {}
    for name in order:
        uses.update(everything[name])
        designs.update(everything[name].keys())
        for block in everything[name]:
            first.setdefault(block, name)
    rows = [PlannedBlock(b, designs[b], uses[b], name) for b, name in first.items()]
    return BlockPlan(tuple(rows), tuple(order), _seen(others.values()))


def _counts(spec: Network) -> Counter[Block]:
    counts: Counter[Block] = Counter()
    for block, count in plan(spec).blocks():
        counts[block] += count
    return counts


def _smallest_first(needs: Mapping[str, Counter[Block]], have: set[Block]) -> list[str]:
    """Order designs so that each next one needs the fewest blocks not yet listed."""
    left, have, order = dict(needs), set(have), []
    while left:
        name = min(left, key=lambda n: len(left[n].keys() - have))
        order.append(name)
        have |= left.pop(name).keys()
    return order


def _all(needs: Iterable[Counter[Block]]) -> set[Block]:
    return {block for counts in needs for block in counts}


def _seen(sampled: Iterable[Counter[Block]]) -> float:
    """One minus the share of blocks that only one design needs; 1 where nothing was sampled."""
    designs: Counter[Block] = Counter()
    for counts in sampled:
        designs.update(counts.keys())
    total = sum(designs.values())
    once = sum(1 for count in designs.values() if count == 1)
    return 1.0 - once / total if total else 1.0
