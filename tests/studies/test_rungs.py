"""Rungs: designs climb, training goes on from checkpoints, and each fidelity keeps to itself."""

import os
import signal
import subprocess
import sys
import textwrap

import pytest

from proxies.recipe import Budget
from proxies.testing import tiny_network
from proxies.trainer import train_run
from proxies.training_run import TrainingSettings
from search_space.errors import WalkbenchError
from studies.agenda import agenda
from studies.config import parse_config
from studies.promotion import SEED_NOISE, Standing, climbers, ranks, seed_noise
from studies.reading import study_data
from studies.records import TrialRecord
from studies.rungs import Rung, mean_score
from studies.runner import run_study
from studies.training import Training
from studies.worker_pool import run_workers
from tests.studies.fakes import FakeLatency, FakeProxy, config_text, make_config

RUNGS = "[proxy]\nwidth = 8\n[[rung]]\nsteps = 2\n[[rung]]\nsteps = 4\n[[rung]]\nsteps = 8\n"
NINE = {"proxy": RUNGS, "budgets": "", "designs": (), "trials": 9, "sampler": "random"}


@pytest.fixture
def start(tmp_path):
    def run(scorer=None, trials=None, **changes):
        config = make_config(tmp_path, **{**NINE, **changes})
        storage = str(tmp_path / "s.db")
        proxy = scorer or FakeProxy()
        return run_study(config, trials=trials, storage=storage, latency=FakeLatency(), proxy=proxy)

    return run


def on(records, rung):
    return [record for record in records if record.rung == rung]


def test_a_third_of_the_designs_climbs_each_rung_on_top_of_the_asked_number(start):
    run = start()
    found = study_data(run.study).trials
    below = {record.digest for record in on(found, 0)}
    assert (run.done, run.total) == (9, 9) and len(on(found, 0)) == 9
    assert len(on(found, 1)) == -(-len(below) // 3) and len(on(found, 2)) == 1
    assert {r.state for r in found} == {"COMPLETE"}
    for record in on(found, 1) + on(found, 2):
        before = found[record.again_of]
        assert (before.digest, before.rung) == (record.digest, record.rung - 1)
        assert record.score.fidelity.steps == (2, 4, 8)[record.rung]
    assert start().ran == 0


def test_more_trials_let_more_designs_climb(start):
    start(trials=4)
    found = study_data(start(trials=12).study).trials
    assert sum(record.done for record in found) == 12
    climbed = [record.digest for record in on(found, 1)]
    assert len(climbed) == len(set(climbed)) >= 3


def test_a_design_that_diverges_on_a_higher_rung_does_not_climb_again(start):
    class Late(FakeProxy):
        def __call__(self, run):
            self.diverging = frozenset(
                [run.network.digest()] if run.settings.budget.steps == 4 else []
            )
            return super().__call__(run)

    run = start(Late())
    found = study_data(run.study).trials
    assert {r.state for r in on(found, 1)} == {"FAIL"} and not on(found, 2)
    assert run.done == 9 and start(Late()).ran == 0


def test_a_rung_of_several_seeds_has_their_mean_and_their_spread(start):
    class Noisy(FakeProxy):
        def __call__(self, run):
            score = super().__call__(run)
            moved = [loss * (1 + 0.1 * run.settings.seed) for loss in score.losses]
            return type(score).of_losses(moved, score.fidelity)

    proxy = RUNGS.replace("steps = 8", "steps = 8\nseeds = 3")
    top = on(study_data(start(Noisy(), proxy=proxy).study).trials, 2)[0]
    assert len(top.seed_losses) == 3
    assert top.values["proxy_loss"] == pytest.approx(sum(top.seed_losses) / 3)
    loss, spread = top.seed_losses[1], top.seed_losses[1] - top.seed_losses[0]
    assert top.score.stderr > spread / 3**0.5 and loss == pytest.approx(top.score.value)
    assert top.score.fidelity.seconds == pytest.approx(0.3)


@pytest.mark.slow
def test_several_workers_let_each_design_climb_once(tmp_path):
    config = make_config(
        tmp_path, **{**NINE, "fix": '{"depth.1.down" = 0, "depth.2.down" = 1, "depth.2.up" = 1}'}
    )
    run = run_workers(config, 2, f"sqlite:///{tmp_path / 's.db'}")
    found = [r for r in study_data(run.study).trials if not r.interrupted]
    assert len(on(found, 0)) == 9 and {r.state for r in found} == {"COMPLETE"}
    keys = [(r.digest, r.rung) for r in found if r.rung]
    assert len(keys) == len(set(keys))
    assert not list((tmp_path / "s.checkpoints").glob(f"{on(found, 2)[0].run}*"))


@pytest.mark.slow
def test_a_climb_goes_on_from_the_checkpoint_and_ends_as_one_long_run(tmp_path):
    settings = [TrainingSettings(Budget(n), width=8) for n in (2, 5)]
    rungs = tuple(map(Rung, settings))
    steps = []
    training = Training(rungs, tmp_path, lambda progress: steps.append(progress.step))
    network = tiny_network()
    low, high = (one.run(network) for one in settings)
    training(low)
    training.stored([low])
    assert [path.stem for path in tmp_path.iterdir()] == [low.digest()]
    steps.clear()
    score = training(high)
    assert steps[:3] == [3, 4, 5]  # the first two are not trained again
    assert score.losses == train_run(high).losses
    training.stored([high])
    assert not list(tmp_path.iterdir())


EIGHT = "[proxy]\nsteps = 8\nwidth = 8\n"
WORKER = """
import os, sys
import proxies.callbacks
from pathlib import Path
from studies.runner import Silent, run_study
from tests.studies.fakes import FakeLatency, make_config

proxies.callbacks.CHECKPOINT_SECONDS = 0.0

class Die(Silent):
    def training(self, progress):
        if progress.step == 5:
            os.kill(os.getpid(), 9)

folder = Path(sys.argv[1])
config = make_config(folder, trials=1, budgets="", designs=(), proxy=sys.argv[2])
run_study(config, storage=str(folder / "s.db"), latency=FakeLatency(), watch=Die())
"""


@pytest.mark.slow
def test_the_run_of_a_killed_worker_goes_on_in_another_one(tmp_path):
    (tmp_path / "worker.py").write_text(textwrap.dedent(WORKER))
    command = [sys.executable, str(tmp_path / "worker.py"), str(tmp_path), EIGHT]
    ended = subprocess.run(command, env={**os.environ, "PYTHONPATH": os.getcwd()}, check=False)
    assert ended.returncode == -signal.SIGKILL
    config = make_config(
        tmp_path, trials=1, budgets="", designs=(), proxy="[proxy]\nsteps = 8\nwidth = 8\n"
    )
    steps = []

    class Watch:
        def training(self, progress):
            steps.append(progress.step)

        def trial_ended(self, trial, done, total):
            pass

    run = run_study(config, storage=str(tmp_path / "s.db"), latency=FakeLatency(), watch=Watch())
    first, second = study_data(run.study).trials
    assert first.interrupted and second.again_of == 0 and second.digest == first.digest
    assert steps[0] in (5, 6) and steps[-1] == 8 and run.done == 1
    assert second.score.losses == train_run(config.rungs[0].runs(second.network)[0]).losses
    assert not list((tmp_path / "s.checkpoints").iterdir())


@pytest.mark.parametrize(
    ("proxy", "said"),
    [
        (RUNGS.replace("width = 8", "steps = 3"), r"\[\[rung\]\] says how long"),
        (RUNGS.replace("steps = 4", "steps = 1"), r"\[rung 2\] trains no more"),
        (RUNGS.replace("steps = 2", "steps = 2\nshare = 0.5"), r"\[rung 1\] share is 0.5"),
        (
            RUNGS.replace("steps = 4", "steps = 4\nshare = 2"),
            r"\[rung 2\] share is 2; a share below",
        ),
        (
            RUNGS.replace("steps = 4", "stepps = 4"),
            r"\[rung 2\] steps is missing; is 'stepps' meant",
        ),
        (
            RUNGS.replace("width = 8", "width = 8\ncooldown = 0.2"),
            r"fallen to zero \(cooldown 0.2\)",
        ),
        (RUNGS.replace("steps = 4", "steps = 4\nseeds = 5"), r"\[rung 3\] (seeds|trains no more)"),
        (
            RUNGS.replace("steps = 4\n", "steps = 4\nseeds = 2\n").replace(
                "steps = 8", "steps = 20"
            ),
            r"\[rung 3\] seeds is None; at least the 2",
        ),
        ("[rung]\nsteps = 3\n[proxy]\nwidth = 8\n", r"rung is .*tables \[\[rung\]\] are needed"),
    ],
)
def test_rungs_that_make_no_sense_are_refused(tmp_path, proxy, said):
    with pytest.raises(WalkbenchError, match=said):
        make_config(tmp_path, proxy=proxy)


def test_rungs_that_start_anew_may_anneal(tmp_path):
    proxy = "[proxy]\nwidth = 8\ncooldown = 0.2\n[[rung]]\nsteps = 4\nlatent = 12\n"
    proxy += "[[rung]]\nsteps = 4\n"
    low, high = make_config(tmp_path, proxy=proxy).rungs
    assert (low.settings.latent, high.settings.latent) == (12, 24)
    assert make_config(tmp_path, proxy=proxy).proxy == high.settings


def test_rungs_need_something_to_train_and_a_sampler_that_tells_them_apart(tmp_path):
    with pytest.raises(WalkbenchError, match=r"\[rung\] has no effect"):
        make_config(tmp_path, objectives=("params",), proxy="[[rung]]\nsteps = 2\n")
    with pytest.raises(WalkbenchError, match="'gp' takes losses of all rungs"):
        make_config(tmp_path, **{**NINE, "sampler": "gp"})


def test_a_study_of_other_rungs_is_refused(start):
    start(trials=2)
    with pytest.raises(WalkbenchError, match="another rungs"):
        start(proxy=RUNGS.replace("steps = 4", "steps = 6"))


def test_designs_within_noise_are_ties_and_no_lucky_one_beats_them():
    near = [Standing(0.300, (100.0,)), Standing(0.302, (110.0,)), Standing(0.29, (120.0,))]
    assert ranks(near, noise=0.05) == [0, 0, 0]
    assert ranks(near, noise=0.0) == [0, 1, 0]
    far = [Standing(0.30, (100.0,)), Standing(0.40, (110.0,)), Standing(0.39, (90.0,))]
    assert ranks(far, noise=0.05) == [0, 1, 0]
    assert ranks([], noise=0.05) == []


def test_every_latency_band_gives_its_best_before_one_gives_its_second():
    designs = [Standing(0.30 + 0.001 * i, (100.0 + i,)) for i in range(9)]
    assert climbers(designs, 1 / 3, noise=0.05) == [0, 3, 6]
    assert climbers(designs[:8], 1 / 3, noise=0.05) == []  # more are to come
    assert len(climbers(designs[:4], 1 / 3, noise=0.05, is_final=True)) == 2


def test_noise_is_that_of_a_studys_own_seeds_where_it_has_several():
    few = [Standing(0.3, (1.0,), 2, 0.1)] * 2
    assert seed_noise(few) == SEED_NOISE
    assert seed_noise([*few, Standing(0.3, (1.0,), 2, 0.2)]) == pytest.approx(0.02**0.5)


def test_a_design_that_keeps_killing_its_workers_is_let_go():
    rung = Rung(TrainingSettings(Budget(2)))
    killed = [TrialRecord(n, "FAIL", digest="a", feasible=True, interrupted=True) for n in range(6)]
    assert [one.trial.number for one in agenda(killed[:5], [rung], ("proxy_loss",))] == [0]
    assert agenda(killed, [rung], ("proxy_loss",)) == []
    waiting = TrialRecord(9, "WAITING", digest="a", again_of=0)
    assert agenda([*killed[:2], waiting], [rung], ("proxy_loss",)) == []


def test_the_mean_of_seeds_fails_where_one_does():
    from proxies.score import Fidelity, Score

    fidelity = Fidelity(2, 1.0, 8, 24, 8, 0)
    good, bad = Score.of_losses((0.3, 0.4), fidelity), Score.failure("nan", fidelity)
    assert mean_score([good, bad]) == bad and mean_score([good]) is good


def test_the_text_of_a_config_with_rungs_says_the_same_everywhere(tmp_path):
    make_config(tmp_path)
    config = parse_config(config_text(**NINE), "study.toml", tmp_path)
    assert [rung.to_dict()["steps"] for rung in config.rungs] == [2, 4, 8]
    assert config.shared(FakeLatency()).rungs[0] == {
        "steps": 2,
        "latent": 24,
        "batch": 8,
        "seeds": 1,
    }


def test_a_front_holds_the_highest_rung_and_marks_the_rest(start):
    from studies.analyses.designs import designs_table
    from studies.analyses.front import fronts
    from studies.analyses.overview import overview
    from studies.summary import best_designs, design_rows, study_status

    study = study_data(start().study)
    best = best_designs(study)
    assert best and {trial.rung for trial in best} == {2}
    status = study_status(study)
    assert [row["steps"] for row in status["rungs"]] == [2, 4, 8]
    designs = {trial.digest for trial in study.trials}
    assert sum(row["designs"] for row in status["rungs"]) == len(designs) == status["trained"]
    # A climb's seconds hold those of the rungs below, which are counted once.
    trained = len([t for t in study.trials if t.trained and not t.rung])
    assert status["training_seconds"] == pytest.approx(0.1 * trained)
    rows = design_rows(study, study.trials)
    assert {(row["rung"], row["steps"]) for row in rows} == {(1, 2), (2, 4), (3, 8)}
    table = designs_table(study, study.trials, "all").to_dict()
    assert {row["rung"] for row in table["rows"]} == {
        "1 of 3, 2 steps",
        "2 of 3, 4 steps",
        "3 of 3, 8 steps",
    }
    assert any("within one rung only" in note for note in table["notes"])
    assert "Of 3 rungs, designs have reached:" in overview(study)[0].words[0]
    figure = fronts(study)[0].figure
    traces = {trace.name: trace for trace in figure.data}
    drawn = [point[0] for name in traces for point in (traces[name].customdata or ())]
    assert len(drawn) == len(set(drawn)) == len(designs)
    lower = {number for number, _ in traces["on a lower rung"].customdata}
    assert {study.trials[n].rung for n in lower} == {0, 1}


@pytest.mark.slow
def test_greybox_brings_losses_of_lower_rungs_to_the_highest(start):
    found = study_data(start(trials=14, sampler="greybox", fix="{}").study).trials
    assert sum(t.done for t in found) == 14 and {t.rung for t in found} == {0, 1, 2}


@pytest.mark.slow
def test_a_full_disk_stops_the_study_with_a_message_and_it_goes_on(tmp_path, monkeypatch):
    short = "[proxy]\nsteps = 3\nwidth = 8\nbatch = 2\n"
    config = make_config(tmp_path, **{**NINE, "trials": 2, "proxy": short})
    options = {"storage": str(tmp_path / "s.db"), "latency": FakeLatency()}

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("proxies.checkpoint.save_file", full)
        with pytest.raises(WalkbenchError, match="No space left on device"):
            run_study(config, **options)
    run = run_study(config, **options)
    found = study_data(run.study).trials
    assert run.done == 2 and found[0].interrupted
    assert found[1].again_of == 0 and found[1].digest == found[0].digest
