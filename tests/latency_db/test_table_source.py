"""Networks from tables: sums of parts, explicit gaps, intervals, and speed by design."""

import dataclasses

import pytest

from latency_db.latency import Latency
from latency_db.source import LatencySource
from latency_db.table import Table
from latency_db.table_correction import fit_correction
from latency_db.table_interpolation import interpolate
from latency_db.table_missing import MissingEntry
from latency_db.table_row import MeasuringConditions, Row, network_key
from latency_db.table_source import TableSource
from latency_db.table_sum import Summation, missing_blocks
from search_space.blocks import ConvIn, TransformerLayer, TransformerStack
from search_space.cost import block_cost
from search_space.errors import WalkbenchError
from search_space.plan import plan
from search_space.presets import all_named, named_spec

CPU = MeasuringConditions("cpu")
SPEC = named_spec("F/mqa")


def ms_of(block):
    """A device that does 1 GMAC in 1 ms and moves 100 MB in 1 ms."""
    cost = block_cost(block)
    return 0.001 + cost.macs / 1e9 + (cost.moved_values + cost.params) / 5e7


def rows_of(blocks, scale=1.0, floor=0.2):
    for block in dict.fromkeys(blocks):
        ms = scale * ms_of(block)
        yield Row.of(block.key, CPU, {1: [floor + ms], 4: [floor + 4 * ms]}, run="a")


def table_of(*specs, without=(), networks=()):
    blocks = [b for spec in specs for b, _ in plan(spec).blocks() if b not in without]
    rows = list(rows_of(blocks))
    for spec, ms in networks:
        rows.append(Row.of(network_key(spec), CPU, {1: [ms]}, run="a", spec=spec.to_json()))
    return Table.of(rows, "demo")


def predict(spec, table, missing="error"):
    return TableSource.of(table, missing).predict(spec)


def test_a_network_is_the_sum_of_its_blocks_and_one_call():
    total = sum(count * ms_of(block) for block, count in plan(SPEC).blocks())
    latency = predict(SPEC, table_of(SPEC))
    assert latency.ms == pytest.approx(0.2 + total, rel=1e-3)
    assert (latency.coverage, latency.source) == (1.0, "measured")
    assert latency.low < latency.ms < latency.high


def test_a_stack_is_its_projections_and_depth_times_one_layer():
    stack = next(s.block for _, s in plan(SPEC).steps() if isinstance(s.block, TransformerStack))
    deeper = dataclasses.replace(stack, depth=stack.depth + 3)
    parts = dict(deeper.parts())
    assert parts == {deeper.projection: 1, deeper.layer: stack.depth + 3}


def test_a_table_makes_a_latency_source():
    table = table_of(SPEC)
    source = TableSource.of(table)
    assert isinstance(source, LatencySource)
    assert (source.name, source.device) == ("table demo", "cpu")


def test_a_missing_block_is_an_error_that_names_the_nearest_measured_ones():
    layer = next(b for b, _ in plan(SPEC).blocks() if isinstance(b, TransformerLayer))
    table = table_of(SPEC, without={layer})
    assert missing_blocks(SPEC, table) == [layer]
    with pytest.raises(MissingEntry, match="nearest measured: transformer_layer"):
        predict(SPEC, table)
    assert TableSource.of(table).block_sum(SPEC) is None


def test_a_kind_that_was_never_measured_is_said_to_be():
    conv = next(b for b, _ in plan(SPEC).blocks() if isinstance(b, ConvIn))
    with pytest.raises(MissingEntry, match="no conv_in was measured"):
        predict(SPEC, table_of(SPEC, without={conv}))


def test_an_interpolation_is_flagged_widens_the_interval_and_is_near_the_truth():
    specs = [spec for name, spec in all_named().items() if name.startswith(("M/", "F/"))]
    layer = next(b for b, _ in plan(SPEC).blocks() if isinstance(b, TransformerLayer))
    whole, holed = table_of(*specs), table_of(*specs, without={layer})
    known, guessed = predict(SPEC, whole), predict(SPEC, holed, "interpolate")
    assert guessed.source == "mixed" and 0 < guessed.coverage < 1
    assert guessed.high - guessed.low > known.high - known.low
    assert guessed.ms == pytest.approx(known.ms, rel=0.1)


def test_an_interpolation_needs_enough_blocks_of_the_kind():
    with pytest.raises(WalkbenchError, match="5 are needed"):
        interpolate(ConvIn(4, 8, 8), table_of(SPEC).entries)


def test_a_guess_counts_as_not_measured_and_widens_the_interval_by_its_own():
    layer = next(b for b, _ in plan(SPEC).blocks() if isinstance(b, TransformerLayer))
    table = table_of(SPEC, without={layer})
    guess = Latency(5.0, 4.0, 7.0, 0.0, "estimated")
    source = TableSource(table, "interpolate", Summation(table, lambda block: guess), None)
    count = sum(n for b, n in plan(SPEC).blocks() if b == layer)
    latency = source.predict(SPEC)
    measured = sum(n * ms_of(b) for b, n in plan(SPEC).blocks() if b != layer)
    assert latency.coverage == pytest.approx(measured / (measured + 5 * count), rel=1e-3)
    assert latency.source == "mixed"
    assert latency.high - latency.ms > 2.0 * count


def test_policies_do_not_share_what_they_have_added_up():
    layer = next(b for b, _ in plan(SPEC).blocks() if isinstance(b, TransformerLayer))
    specs = [spec for name, spec in all_named().items() if name.startswith(("M/", "F/"))]
    table = table_of(*specs, without={layer})
    predict(SPEC, table, "interpolate")
    with pytest.raises(MissingEntry):
        predict(SPEC, table)


def test_whole_networks_in_a_table_correct_its_sums_and_earn_the_interval():
    specs = list(all_named().values())[:12]
    plain = table_of(*specs)
    whole = [(spec, 3.0 + 1.1 * predict(spec, plain).ms) for spec in specs]
    table = table_of(*specs, networks=whole)
    correction = TableSource.of(table).correction
    assert correction is not None
    assert correction.scale == pytest.approx(1.1, rel=1e-3)
    assert correction.offset_ms == pytest.approx(3.0, rel=1e-2)
    corrected = predict(specs[0], table)
    assert corrected.ms == pytest.approx(whole[0][1], rel=1e-3)
    assert corrected.high - corrected.low < predict(specs[0], plain).high


def test_four_networks_are_too_few_to_correct_by():
    specs = list(all_named().values())[:4]
    plain = table_of(*specs)
    table = table_of(*specs, networks=[(s, 2 * predict(s, plain).ms) for s in specs])
    assert TableSource.of(table).correction is None
    with pytest.raises(WalkbenchError, match="5 networks"):
        fit_correction([1, 2, 3, 4], [1, 2, 3, 4])


def test_one_wild_network_does_not_carry_the_correction_away():
    sums = [float(10 * i) for i in range(1, 11)]
    whole = [1.05 * s for s in sums]
    whole[4] *= 3
    fitted = fit_correction(sums, whole)
    assert fitted.scale == pytest.approx(1.05, rel=0.02)


def test_a_second_look_up_adds_up_segments_and_not_blocks():
    table = table_of(SPEC)
    source = TableSource.of(table)
    first = source.predict(SPEC)
    object.__setattr__(table, "entries", {})  # whatever is looked up now would be missing
    assert source.predict(SPEC) == first
    assert source.predict(SPEC.replace()) == first


def test_the_revision_follows_what_the_table_says_and_not_when_it_was_measured():
    one, again, other = table_of(SPEC), table_of(SPEC), Table.of(rows_of(blocks(), 1.01), "demo")
    assert TableSource.of(one).revision == TableSource.of(again).revision
    assert TableSource.of(one).revision != TableSource.of(other).revision
    assert TableSource.of(one).revision != TableSource.of(one, "interpolate").revision


def blocks():
    return [block for block, _ in plan(SPEC).blocks()]
