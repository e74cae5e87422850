"""Add a sampler: one file. A config names it, and a resumed study suggests the same designs."""

import optuna
import pytest

from search_space.errors import WalkbenchError
from studies.reading import study_data
from studies.runner import run_study
from studies.samplers import SAMPLERS, SamplerKind, register
from studies.testing import SamplerSuite
from tests.studies.fakes import FakeLatency, make_config


class FirstChoice(optuna.samplers.BaseSampler):
    """Suggests the first choice of every axis, the second of one axis drawn by the seed."""

    def __init__(self, seed):
        self.lucky = seed % 5

    def infer_relative_search_space(self, study, trial):
        return {}

    def sample_relative(self, study, trial, search_space):
        return {}

    def sample_independent(self, study, trial, param_name, param_distribution):
        second = len(trial.params) == self.lucky
        if isinstance(param_distribution, optuna.distributions.CategoricalDistribution):
            return param_distribution.choices[second]
        return param_distribution.low + second


@pytest.fixture(autouse=True)
def first_choice():
    yield register(SamplerKind("first-choice", FirstChoice, repeats_unseen=True))
    SAMPLERS.unregister("first-choice")


def designs(folder, name, *stops):
    config = make_config(
        folder, name=name, sampler="first-choice", objectives=("params",), budgets="", designs=()
    )
    for stop in stops:
        run = run_study(
            config, trials=stop, storage=str(folder / f"{name}.db"), latency=FakeLatency()
        )
    return [trial.params for trial in study_data(run.study).trials]


def test_a_study_runs_with_it_and_resumed_suggests_the_same(tmp_path):
    whole = designs(tmp_path, "whole", 6)
    assert designs(tmp_path, "resumed", 2, 6) == whole
    assert len({tuple(params.items()) for params in whole}) > 1


def test_its_limits_are_those_of_its_registration(tmp_path):
    with pytest.raises(WalkbenchError, match="'first-choice' does not see candidates over budget"):
        make_config(tmp_path, sampler="first-choice")


class TestFirstChoice(SamplerSuite):
    name = "first-choice"
