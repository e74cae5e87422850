"""Effects of choices: exact where they are constructed, one rule for the verdict, text as text."""

from dataclasses import replace
from importlib.resources import files

import pytest

from latency_db.sources import source_of
from proxies.score import Fidelity, Score
from search_space.cost import Cost
from search_space.presets import named_spec
from search_space.space import SearchSpace
from studies.ablation import LossChange, around, costs_of
from studies.analyses.distributions import distributions
from studies.analyses.effects import choice_effects, effects, one_factor, walk_effects
from studies.analyses.walk_steps import walk_steps
from studies.reading import StudyData, open_for_reading, read_study
from studies.records import StudyRecord, TrialRecord
from studies.verdict import NOISE, ONE_SEED
from studies.walk import measured_walk

RUN = Fidelity(steps=9, seconds=1.0, width=8, latent=24, batch=8, seed=0)
SAMPLES = (0.3, 0.5, 0.7, 0.9)


def trial(number, params, shift=0.0, wobble=0.0):
    """A trained trial whose losses are those of all, moved by ``shift`` and back and forth."""
    losses = [s + shift + wobble * (-1) ** i for i, s in enumerate(SAMPLES)]
    size = 100 + number
    return TrialRecord(
        number,
        "COMPLETE",
        digest=f"{number:012x}",
        params=params,
        cost=Cost(size, size, size, size, size),
        score=Score.of_losses(losses, RUN),
        values={"proxy_loss": sum(losses) / 4},
        feasible=True,
    )


def study(*trials):
    return StudyData("s", ("proxy_loss",), StudyRecord(), trials)


def test_a_pair_that_differs_in_one_choice_gives_its_paired_effect():
    a = trial(0, {"conv": "dense", "depth": 2})
    b = trial(1, {"conv": "separable", "depth": 2}, shift=-0.1)
    c = trial(2, {"conv": "separable", "depth": 4}, shift=0.3)  # differs from a in two
    found = {(e.axis, e.before, e.after): e for e in choice_effects([a, b, c])}
    conv = found["conv", "dense", "separable"]
    assert (conv.change, conv.pairs, conv.verdict) == (pytest.approx(-0.1), 1, ONE_SEED)
    assert found["depth", 2, 4].change == pytest.approx(0.4)
    assert len(found) == 2


def test_pairs_of_one_change_are_averaged_sample_by_sample():
    trials = [
        trial(0, {"conv": "a", "depth": 1}), trial(1, {"conv": "b", "depth": 1}, 0.1, 0.2),
        trial(2, {"conv": "a", "depth": 2}), trial(3, {"conv": "b", "depth": 2}, 0.3, -0.2),
    ]  # fmt: skip
    (conv,) = [e for e in choice_effects(trials) if e.axis == "conv"]
    assert (conv.change, conv.pairs) == (pytest.approx(0.2), 2)
    assert conv.high - conv.low < 1e-9  # the wobbles cancel sample by sample


def test_one_seed_is_never_real_and_noise_is_said():
    noisy = [trial(0, {"x": 1}), trial(1, {"x": 2}, shift=0.01, wobble=0.5)]
    assert [e.verdict for e in choice_effects(noisy)] == [NOISE]
    assert effects(study(*noisy))[0].table.rows[0][3] == NOISE


def test_runs_that_do_not_compare_give_no_effect():
    other = replace(trial(1, {"x": 2}), score=Score.of_losses((0.1, 0.2), RUN))
    assert choice_effects([trial(0, {"x": 1}), other]) == []
    assert effects(study(trial(0, {"x": 1}))) == []


def test_the_walks_effects_are_the_words_of_walkbench_walk():
    rows = {row[0]: row[3] for row in walk_effects().table.rows}
    assert rows == {step: one["verdict"] for step, one in measured_walk().items()}


def test_a_step_that_several_seeds_call_noise_is_noise_in_a_study_too():
    path = files("studies") / "example" / "example.db"
    example = read_study(open_for_reading(f"sqlite:///{path}"), "example")
    (card,) = walk_steps(example)
    headings = [column.heading for column in card.table.columns]
    rows = {row[0]: dict(zip(headings, row, strict=True)) for row in card.table.rows}
    step = rows["F/no-high-res-sa"]
    assert step["over seeds"] == "+3.0 % INSIDE NOISE" and step["verdict"] == NOISE
    assert "…" in step["Δ loss (95 %)"] and "±" not in step["Δ loss (95 %)"]
    assert rows["F/mqa"]["verdict"] == ONE_SEED


def test_shares_on_the_front_and_among_all_each_add_up_to_one():
    trials = [trial(i, {"conv": "ab"[i % 2], "depth": i % 3}, shift=0.1 * i) for i in range(9)]
    (card,) = distributions(study(*trials))
    for choice in ("conv", "depth"):
        rows = [row for row in card.table.rows if row[0].startswith(f"{choice} = ")]
        assert sum(int(row[1].removesuffix(" %")) for row in rows) in (99, 100, 101)
        assert sum(int(row[2].removesuffix(" %")) for row in rows) in (99, 100, 101)
    (only,) = distributions(study(*trials), ["conv"])
    assert {row[0] for row in only.table.rows} == {"conv = a", "conv = b"}


def test_a_value_like_markup_is_text_in_the_figure():
    trials = [trial(i, {"conv": ["<b>x</b>", "plain"][i % 2]}, shift=0.1 * i) for i in range(4)]
    (card,) = distributions(study(*trials))
    drawn = card.figure.to_json()
    assert "<b>x" not in drawn.replace("\\u003c", "<")


def test_one_factor_has_costs_and_the_loss_once_it_is_trained():
    space = SearchSpace.load("pocket")
    ablation = around(space, named_spec("F/mqa"), ["ff_ratio"])
    found = costs_of(ablation, source_of("iPhone 15 Pro"))
    card = one_factor(found, ablation.title, "iPhone 15 Pro")
    assert [trace.name for trace in card.figure.data] == ["latency", "params", "MACs"]
    loss = LossChange(-0.02, -0.03, -0.01, "REAL", 3)
    trained = one_factor([replace(found[0], loss=loss)], ablation.title, "iPhone 15 Pro")
    assert trained.table.rows[0][-2:] == ("−2.0 % (−3.0 % … −1.0 %)", "REAL")
