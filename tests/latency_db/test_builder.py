"""Building a table: copies that cannot be merged, runs that survive a kill, plans that pay soon."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from latency_db.backends.backend import CannotRun
from latency_db.backends.prepare import prepare_graphs
from latency_db.builder import Effort, measure, time_left
from latency_db.builder_chain import Chain, program_of
from latency_db.builder_designs import designs, subjects
from latency_db.builder_plan import plan_blocks
from latency_db.builder_time import seconds_by_block
from latency_db.builder_width import with_first_width
from latency_db.table import Table
from latency_db.table_file import read_rows, unfinished_rows
from latency_db.table_row import MeasuringConditions
from search_space.errors import WalkbenchError
from search_space.modules import block_inputs, build
from search_space.plan import plan
from search_space.presets import all_named, named_spec
from search_space.sample import draw_distinct
from search_space.space import SearchSpace
from search_space.spec import UNetSpec
from tests.latency_db import small_blocks

LAYER = small_blocks.MQA
BLOCKS = list(small_blocks.BLOCKS.values())
SERIAL = [6, 7, 10, 11]


class Clock:
    """A backend whose times are known: a call costs 0.5 ms, a block 0.1 ms a copy."""

    name = "clock"
    copies = (1, 4)
    seconds_per_graph = 0.0

    def __init__(self, cannot=(), conditions=MeasuringConditions("clock", threads=0)):  # noqa: B008
        self.conditions, self.cannot = conditions, set(cannot)
        self.open, self.prepared = 0, []

    def prepare(self, subject, copies):
        if subject in self.cannot:
            raise CannotRun("no such operator here")
        self.open += 1
        self.prepared.append((subject, copies))
        ms = 7.0 if isinstance(subject, UNetSpec) else 0.5 + 0.1 * copies

        def close():
            self.open -= 1

        return SimpleNamespace(
            units_planned="clock", sample=lambda count: [ms] * count, close=close
        )

    def close(self):
        pass


@pytest.mark.parametrize("i", range(len(BLOCKS)), ids=lambda i: f"{i}-{BLOCKS[i].kind}")
def test_a_chain_of_one_is_the_block_and_a_chain_of_three_is_three_different_ones(i):
    block = BLOCKS[i]
    program = program_of(block, copies=3)
    chain = program.module
    assert isinstance(chain, Chain)
    assert chain.serial == (i in SERIAL)
    with torch.no_grad():
        out = program.module(*program.inputs)
        single = build(block)(**block_inputs(block))
    outputs = [out] if chain.serial else list(out)
    assert len(outputs) == (1 if chain.serial else 3)
    assert all(o.shape == single.shape for o in outputs)
    parameters = [list(copy.parameters()) for copy in chain.copies]
    for one, other in zip(parameters[0], parameters[1], strict=True):
        assert not torch.equal(one, other)  # nothing that an optimiser could merge


def test_a_series_feeds_each_copy_with_the_one_before():
    program = program_of(BLOCKS[6], copies=2)
    first, second = program.module.copies
    x, time_embedding = program.inputs
    with torch.no_grad():
        by_hand = second(first(x, time_embedding), time_embedding)
        assert torch.allclose(program.module(*program.inputs), by_hand)


def test_parallel_copies_share_the_time_embedding_and_nothing_else():
    program = program_of(BLOCKS[8], copies=3)
    assert [t.shape[1] for t in program.inputs] == [16, 8] * 3 + [32]


def test_a_whole_network_is_a_program_too():
    spec = with_first_width(named_spec("dreamlite"), width=32, latent=8)
    program = program_of(spec)
    with torch.no_grad():
        assert program.module(*program.inputs).shape == (1, 4, 8, 8)


def test_a_table_of_known_times_has_those_slopes(tmp_path):
    backend = Clock()
    outcome = measure(BLOCKS[:3], backend, tmp_path / "t.csv", Effort(passes=2, rounds=3))
    table = Table.load(tmp_path / "t.csv")
    assert outcome.measured == 6 and backend.open == 0
    assert {round(e.ms, 9) for e in table.entries.values()} == {0.1}
    assert table.floor_ms == pytest.approx(0.5)


def test_passes_visit_every_block_once_each_in_an_order_of_its_own(tmp_path):
    measure(BLOCKS[:6], Clock(), tmp_path / "t.csv", Effort(passes=3, rounds=1))
    passes = [[], [], []]
    for row in read_rows(tmp_path / "t.csv"):
        assert not any(passes[row.pass_number + 1 :])
        passes[row.pass_number].append(row.key)
    assert passes[0] == [block.key for block in BLOCKS[:6]]  # the order that pays soonest
    assert set(passes[0]) == set(passes[1]) == set(passes[2])
    assert passes[0] != passes[1] != passes[2] != passes[0]


def test_a_block_that_cannot_run_is_named_and_the_others_are_measured(tmp_path):
    backend = Clock(cannot=[BLOCKS[1]])
    outcome = measure(BLOCKS[:3], backend, tmp_path / "t.csv", Effort(passes=2, rounds=1))
    assert list(outcome.skipped) == [BLOCKS[1].key]
    assert len(Table.load(tmp_path / "t.csv").entries) == 2


def test_a_time_of_zero_is_not_a_time(tmp_path):
    backend = Clock()
    backend.prepare = lambda s, c: SimpleNamespace(
        units_planned="x", sample=lambda n: [0.0] * n, close=lambda: None
    )
    outcome = measure(BLOCKS[:1], backend, tmp_path / "t.csv", Effort(1, 1))
    assert "not positive" in next(iter(outcome.skipped.values()))


def test_an_existing_table_needs_resume_and_the_same_conditions(tmp_path):
    path, effort = tmp_path / "t.csv", Effort(passes=1, rounds=1)
    measure(BLOCKS[:1], Clock(), path, effort)
    with pytest.raises(WalkbenchError, match="--resume"):
        measure(BLOCKS[:2], Clock(), path, effort)
    elsewhere = Clock(conditions=MeasuringConditions("clock", threads=2))
    with pytest.raises(WalkbenchError, match="threads was 0, is 2"):
        measure(BLOCKS[:2], elsewhere, path, effort, resume=True)
    outcome = measure(BLOCKS[:2], Clock(), path, effort, resume=True)
    assert (outcome.resumed, outcome.measured) == (1, 1)
    assert len({row.run for row in read_rows(path)}) == 1


RUN = """
import sys
from pathlib import Path
from latency_db.backends.torch import TorchBackend
from latency_db.builder import Effort, measure
from search_space.blocks import ConvIn
blocks = [ConvIn(4, width, 8) for width in range(8, 40)]
backend = TorchBackend(cold=False)
outcome = measure(blocks, backend, Path(sys.argv[1]), Effort(passes=2, rounds=2), resume=True)
print(outcome.resumed, outcome.measured)
"""


def start(path):
    root = Path(__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", RUN, str(path)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )


@pytest.mark.slow
def test_a_killed_measurement_resumes_and_repeats_at_most_the_block_it_was_on(tmp_path):
    path = tmp_path / "t.csv"
    first = start(path)
    while not path.exists() or path.read_bytes().count(b"\n") < 6:
        assert first.poll() is None
        time.sleep(0.005)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    kept = len(unfinished_rows(path))
    assert 5 <= kept < 64
    out, _ = start(path).communicate(timeout=120)
    assert out.split() == [str(kept), str(64 - kept)]
    rows = read_rows(path)
    assert len({(row.key, row.pass_number) for row in rows}) == len(rows) == 64
    assert len({row.run for row in rows}) == 1


def test_effort_that_measures_nothing_is_refused():
    for change in ({"passes": 0}, {"rounds": 0}, {"copies": (4, 1)}):
        with pytest.raises(WalkbenchError):
            Effort(**change)


def test_time_left_is_the_pace_so_far():
    assert time_left(0, 10, time.monotonic()) is None
    left = time_left(5, 10, time.monotonic() - 10)
    assert left is not None and 9.9 < left < 10.5


def test_the_plan_completes_the_cheapest_design_first_and_lists_each_block_once():
    named = {name: all_named()[name] for name in ("sdxl", "F/thin", "F/mqa")}
    listed = plan_blocks(named)
    blocks = [row.block for row in listed.blocks]
    assert len(set(blocks)) == len(blocks)
    assert {b for s in named.values() for b, _ in plan(s).blocks()} == set(blocks)
    sizes = [sum(1 for r in listed.blocks if r.first_for == name) for name in listed.designs]
    assert sizes[0] == min(len({b for b, _ in plan(s).blocks()}) for s in named.values())
    total = sum(count for s in named.values() for _, count in plan(s).blocks())
    assert sum(row.uses for row in listed.blocks) == total


def test_the_share_of_a_space_that_was_seen_grows_with_the_sample():
    space = SearchSpace.load("pocket")
    few, many = (plan_blocks({}, draw_distinct(space, n, seed=3)).seen for n in (4, 200))
    assert few < many and many > 0.99


def test_the_pocket_space_has_few_blocks_and_holds_the_walk_of_family_f():
    space = SearchSpace.load("pocket")
    assert len(plan_blocks({}, draw_distinct(space, 300, seed=1)).blocks) < 200
    assert all(named_spec(f"F/{step}") in space for step in ("thin", "mqa", "early-condition"))


def test_a_network_comes_right_after_the_last_block_it_needs():
    chosen = designs(space="pocket", samples=3, width=32, latent=8, named=False)
    order = subjects(chosen, chosen.sampled)
    for spec in chosen.sampled:
        at = order.index(spec)
        needed = {b for b, _ in plan(spec).blocks()}
        assert needed <= set(order[:at])
        assert order[at - 1] in needed or isinstance(order[at - 1], UNetSpec)


def test_narrowing_keeps_heads_and_operators():
    spec = named_spec("F/mqa")
    small = with_first_width(spec, width=64, latent=32)
    assert [s.heads for s in small.stages] == [s.heads for s in spec.stages]
    assert [b.kind for b, _ in plan(small).blocks()] == [b.kind for b, _ in plan(spec).blocks()]
    with pytest.raises(WalkbenchError, match="fraction"):
        with_first_width(spec, width=3, latent=32)


def test_a_time_is_expected_of_every_block_on_every_backend():
    for backend in ("onnxruntime", "torch", "coreml", "coreml-iphone"):
        seconds = seconds_by_block(BLOCKS, backend)
        assert set(seconds) == set(BLOCKS) and all(s > 0 for s in seconds.values())


@pytest.mark.slow
def test_graphs_are_exported_once_and_found_again(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert prepare_graphs([BLOCKS[0]], "onnxruntime", {}, None, workers=1) == 2
    graphs = sorted((tmp_path / "walkbench" / "onnx").iterdir())
    assert len(graphs) == 2 and all(g.suffix == ".onnx" for g in graphs)
    before = [g.stat().st_mtime_ns for g in graphs]
    assert prepare_graphs([BLOCKS[0]], "onnxruntime", {}, None, workers=1) == 2
    assert [g.stat().st_mtime_ns for g in graphs] == before


def test_samples_need_a_space():
    with pytest.raises(WalkbenchError, match="--space"):
        designs(samples=3)
