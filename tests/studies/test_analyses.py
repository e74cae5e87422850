"""Cards of a study: what they say, and where they warn."""

import dataclasses
import json
from importlib.resources import files
from pathlib import Path

import pytest

from search_space.errors import WalkbenchError
from studies.analyses.card import cards
from studies.analyses.columns import heading
from studies.fidelity import ranks, validated
from studies.metrics import METRICS
from studies.reading import open_for_reading, read_study, study_data
from studies.records import Revisions
from studies.runner import run_study
from studies.verdict import NOISE, ONE_SEED, REAL, verdict
from tests.studies.fakes import FakeLatency, FakeProxy, make_config


@pytest.fixture(scope="module")
def example():
    """The study that ships, of version 0.1: 80 steps of training."""
    path = files("studies") / "example" / "example.db"
    return read_study(open_for_reading(f"sqlite:///{path}"), "example")


def card(study, title):
    return next(card for card in cards(study) if card.title == title)


def column(found, name):
    at = [column.heading for column in found.table.columns].index(name)
    return [row[at] for row in found.table.rows]


@pytest.mark.slow
def test_a_loss_that_is_known_not_to_rank_says_so_beside_every_number(example):
    loss = METRICS.get("proxy_loss")
    assert heading(loss, example.trials) == "proxy loss, not a ranking"
    for title in ("Every trial", "The design walk, family F"):
        found = card(example, title)
        assert "proxy loss, not a ranking" in [c.heading for c in found.table.columns]
        assert any("Not a ranking" in note for note in found.notes)


def test_longer_runs_and_other_data_are_not_said_to_rank_or_not(example):
    fidelity = example.trials[0].score.fidelity
    assert ranks(fidelity) is False
    assert ranks(dataclasses.replace(fidelity, steps=1200)) is None
    assert ranks(dataclasses.replace(fidelity, data="digits")) is None


def test_every_validated_budget_is_what_its_report_found():
    root = Path(__file__).parents[2]
    for one in validated():
        summary = json.loads((root / one.source).read_text())["summary"]
        assert round(summary["spearman"], 2) == one.spearman
        assert one.ranks == (summary["spearman_low"] > 0)
        assert (one.steps, one.width) == (summary["short_steps"], summary["width"])
        assert (one.latent, one.batch) == (summary["short_latent"], summary["short_batch"])


@pytest.mark.parametrize(
    ("low", "high", "seeds", "word"),
    [(-0.2, -0.1, 3, REAL), (0.1, 0.2, 2, REAL), (-0.1, 0.1, 3, NOISE), (0.0, 0.1, 2, NOISE),
     (0.1, 0.2, 1, ONE_SEED), (-0.1, 0.2, 1, NOISE)],
)  # fmt: skip
def test_a_change_is_real_only_when_several_seeds_exclude_zero(low, high, seeds, word):
    assert verdict(low, high, seeds) == word


def test_one_seed_never_makes_a_step_of_the_walk_real(example):
    words = column(card(example, "The design walk, family F"), "verdict")
    assert words[0] == "" and set(words[1:]) <= {NOISE, ONE_SEED}


def test_what_version_0_1_did_not_record_is_said_to_be_unknown(example):
    rows = dict(card(example, "Settings").table.rows)
    assert rows["latency revision"] == "not recorded (version 0.1)"


def test_an_accepted_revision_is_said_where_the_study_is_summed_up(example):
    shared = dataclasses.replace(example.shared, revisions=(Revisions(), Revisions(12, "a", "b")))
    marked = dataclasses.replace(example, shared=shared)
    (overview,) = cards(marked, ["overview"])
    assert "the trials from 12 on" in overview.words[0]
    assert dict(card(marked, "Settings").table.rows)["latency revision from trial 12"] == "a"


def test_headings_of_a_table_are_distinct_and_rows_are_rectangular(tmp_path):
    config = make_config(tmp_path, trials=6, budgets="latency_ms = 230")
    run = run_study(
        config, storage=str(tmp_path / "s.db"), latency=FakeLatency(), proxy=FakeProxy()
    )
    for found in cards(study_data(run.study)):
        if found.table is not None:
            headings = [column.heading for column in found.table.columns]
            assert len(set(headings)) == len(headings)
            assert {len(row) for row in found.table.rows} == {len(headings)}
            under = {column.under for column in found.table.columns} - {None}
            assert under <= set(headings)


def test_an_unknown_analysis_names_the_known_ones(example):
    with pytest.raises(WalkbenchError, match=r"unknown analysis 'walks'; did you mean 'walk'"):
        cards(example, ["walks"])


@pytest.mark.slow
def test_latencies_of_two_revisions_are_marked_under_every_figure_and_table(example):
    def priced_again(trial):
        origin = dataclasses.replace(trial.latency_origin, revision="b")
        return dataclasses.replace(trial, latency_origin=origin)

    trials = [priced_again(t) if t.number >= 12 else t for t in example.trials]
    mixed = dataclasses.replace(example, trials=trials)
    words = "trials 0–11 are of an unknown one, trials 12–19 are of revision b"
    for title in ("Proxy loss over Latency", "Every trial"):
        assert any(words in note for note in card(mixed, title).notes)
        assert not any("do not compare" in note for note in card(example, title).notes)
