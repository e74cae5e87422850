"""Cards of one design: what they add up to, what they tell apart, what they say they don't know."""

import json
import math
from dataclasses import replace
from importlib.resources import files

import pytest

from latency_db.by_step import step_latencies
from latency_db.sources import source_of
from latency_db.table import Table
from latency_db.table_row import MeasuringConditions, Row
from latency_db.table_source import TableSource
from proxies.score import Fidelity, Score
from search_space.cost import cost
from search_space.cost_table import step_costs
from search_space.errors import WalkbenchError
from search_space.presets import named_spec
from studies.analyses.architecture import architectures, difference
from studies.analyses.design import commands, design_cards, numbers, reference
from studies.analyses.design_costs import costs_by_part, latency_by_step
from studies.analyses.design_training import learning_curves
from studies.figures.curves import curve_points
from studies.reading import open_for_reading, read_study
from studies.records import LatencyOrigin, StudyRecord

URL = f"sqlite:///{files('studies') / 'example' / 'example.db'}"
RUN = Fidelity(steps=9, seconds=1.0, width=8, latent=24, batch=8, seed=0)


@pytest.fixture(scope="module")
def example():
    return read_study(open_for_reading(URL), "example")


def half_measured(spec):
    """A source that measured every other block, and estimates the others."""
    blocks = list(dict.fromkeys(block for block, _ in spec.plan().blocks()))
    where = MeasuringConditions("iPhone 13")
    rows = [Row.of(b.key, where, {1: [1.5], 4: [4.5]}, run="a") for b in blocks[::2]]
    return TableSource.of(Table.of(rows, "half"), "estimate")


@pytest.mark.parametrize("name", ["sdxl", "F/mqa"])
def test_costs_of_steps_add_up_to_the_cost_of_the_network(name):
    steps, whole = step_costs(named_spec(name)), cost(named_spec(name))
    assert sum(step.params for step in steps) == whole.params
    assert sum(step.macs for step in steps) == whole.macs


def test_measured_and_estimated_steps_are_told_apart():
    spec = named_spec("F/mqa")
    source = half_measured(spec)
    by_path = {step.path: step.latency for step in step_latencies(source, spec)}
    assert {latency.source for latency in by_path.values()} == {"measured", "estimated", "mixed"}
    card = latency_by_step(spec, source)
    assert {trace.name for trace in card.figure.data} == {
        "measured", "estimated", "partly measured",
    }  # fmt: skip
    cells = {row[0]: row[2][0] for row in card.table.rows}
    signs = {"measured": "■", "estimated": "○", "mixed": "◧"}
    assert cells == {path: signs[latency.source] for path, latency in by_path.items()}


def test_steps_of_a_fully_measured_table_are_its_sum():
    spec = named_spec("sd15")
    where = MeasuringConditions("iPhone 13")
    rows = [Row.of(b.key, where, {1: [1.5], 4: [4.5]}, run="a") for b, _ in spec.plan().blocks()]
    source = TableSource.of(Table.of(rows, "whole"))
    steps = step_latencies(source, spec)
    assert sum(step.latency.ms for step in steps) == pytest.approx(source.predict(spec).ms - 0.5)
    assert {step.latency.source for step in steps} == {"measured"}


def test_a_source_of_whole_networks_says_that_it_knows_no_blocks():
    class Whole:
        name = "stopwatch"

    with pytest.raises(WalkbenchError, match="stopwatch knows whole networks"):
        step_latencies(Whole(), named_spec("sd15"))


def test_parts_end_in_their_exact_sum():
    card = costs_by_part(named_spec("sdxl"), source_of("A17 Pro"))
    assert card.table.rows[-1][:3] == ("all", "2,567.46 M", "3,380.6 G")
    for trace in card.figure.data:
        assert math.fsum(trace.x) == pytest.approx(100)


def test_a_design_is_drawn_priced_and_compared(example):
    trial = example.trial(5)
    cards = {
        c.title: c for c in design_cards(example, trial, URL, reference(example, "F/thin", trial))
    }
    assert cards["F/mqa against F/thin"].pictures[1].svg.count("differs") > 3
    assert "by an earlier revision" in " ".join(
        cards["Latency step by step on iPhone 16 Pro Max"].words
    )
    assert dict(cards["Provenance"].table.rows)["digest"] == trial.digest
    assert "keeps none" in cards["What its twin draws"].words[0]


def test_a_latency_of_another_source_is_not_mixed_with_this_ones_blocks(example):
    other = replace(example.trial(5), latency_origin=LatencyOrigin("iPhone 15", "somebody", "x"))
    cards = {card.title: card for card in design_cards(example, other, URL)}
    assert "somebody" in cards["Latency step by step"].words[0]


def test_a_published_latency_keeps_its_device_and_confidence(example):
    trial = reference(example, "snapgen-t2i", example.trial(5))
    cells = {row[0]: row[-1] for row in numbers(trial, None).table.rows}
    assert cells["Latency"] == "274 ms on iPhone 16 Pro Max, stated"
    assert cells["Parameters"] == "379.00 M, stated"


def test_a_design_differs_from_itself_in_nothing():
    spec = named_spec("F/mqa")
    assert "nothing differs" in difference(spec, "a", spec, "b").words[0]


@pytest.mark.parametrize("names", [("same", "same"), ("field", "field"), ("<b>", "")])
def test_headings_stay_apart_whatever_designs_are_called(names):
    card = difference(named_spec("F/mqa"), names[0], named_spec("F/thin"), names[1])
    headings = [column.heading for column in card.table.columns]
    assert len(set(headings)) == 3


def test_the_report_draws_the_front_and_the_named_designs(example):
    (card,) = architectures(example)
    assert len(card.pictures) == 6
    assert "9e1cc5ad89c7" in card.pictures[0].title
    unreadable = [replace(t, spec={"kind": "nobody"}) for t in example.trials]
    assert architectures(replace(example, trials=unreadable)) == []


def test_a_curve_has_its_band_and_its_paired_difference(example):
    losses = [0.4 + 0.01 * i for i in range(8)]
    ours = Score.of_losses([x - 0.1 for x in losses], RUN, curve=((3, 0.2, 0.9),), start=1.2)
    theirs = Score.of_losses(losses, RUN, curve=((3, 0.2, 0.8),), start=1.2)
    study = replace(example, trials=[])
    trial = replace(example.trial(5), score=ours)
    card = learning_curves(study, trial, replace(example.trial(4), score=theirs))
    assert [trace.name for trace in card.figure.data] == [
        "F/ffn-3, trial 4", "95 % over validation samples", "F/mqa, trial 5",
    ]  # fmt: skip
    assert "−0.1000 (−0.1000 … −0.1000), 95 % interval, ONE SEED" in card.words[1]


def test_a_run_that_diverged_has_only_its_finite_points():
    score = Score.failure("nan", RUN, curve=((3, 0.2, 0.9), (6, 0.4, math.inf)), start=1.0)
    assert curve_points(score) == [(0, 1.0), (3, 0.9)]


def test_commands_quote_names_and_hide_passwords(example):
    study = replace(example, name="my study; rm -rf", shared=StudyRecord())
    found = commands(study, example.trial(5), "postgresql://me:secret@db/studies").commands
    assert "'my study; rm -rf'" in found[0] and "secret" not in " ".join(found)


def test_cards_are_json(example):
    for card in design_cards(example, example.trial(15), URL):
        json.dumps(card.to_dict())
