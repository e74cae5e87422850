import optuna
import pytest

from search_space.space import SearchSpace
from studies.samplers import SAMPLERS, make_sampler, trial_seed
from studies.sought import Sought


def test_seeds_differ_by_space_seed_and_trial():
    seeds = {trial_seed(n, s, t) for s in ("a", "b") for n in (0, 1) for t in range(50)}
    assert len(seeds) == 200 and all(0 <= seed < 2**32 for seed in seeds)


SOUGHT = Sought(SearchSpace.load("pocket"), ("proxy_loss", "params"))
UNINFORMED = [name for name in SAMPLERS.names() if SAMPLERS.get(name).informed is None]


@pytest.mark.parametrize("kind", UNINFORMED)
@pytest.mark.filterwarnings("error::optuna.exceptions.ExperimentalWarning")
def test_each_sampler_finds_its_way_through_conditional_axes(kind):
    def objective(trial):
        x = trial.suggest_int("x", 0, 9)
        if trial.suggest_categorical("more", [False, True]):
            x += trial.suggest_int("y", 0, 9)
        trial.set_constraint("size", x - 12)
        return float(x), float(-x)

    study = optuna.create_study(
        directions=["minimize", "minimize"], sampler=make_sampler(kind, SOUGHT)
    )
    study.optimize(objective, n_trials=13)
    assert len({tuple(t.params.items()) for t in study.trials}) > 5


def test_tpe_learns_from_candidates_over_budget_that_were_never_trained():
    """What `studies.objective` relies on: TPE reads pruned trials, and their constraints first."""

    def objective(trial):
        x = trial.suggest_int("x", 0, 99)
        trial.set_constraint("size", x / 20 - 1)
        if x > 20:
            raise optuna.TrialPruned
        return float(-x), float(x)

    study = optuna.create_study(
        directions=["minimize", "minimize"], sampler=make_sampler("tpe", SOUGHT)
    )
    study.optimize(objective, n_trials=60)
    kept = [trial.state is optuna.trial.TrialState.COMPLETE for trial in study.trials]
    assert sum(kept[20:]) > len(kept[20:]) / 2  # by chance it would be a fifth
