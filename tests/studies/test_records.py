"""Records round-trip through Optuna's attributes, and each is decoded once."""

import dataclasses

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latency_db.latency import Latency
from proxies.score import Fidelity, Score
from search_space.cost import Cost
from search_space.errors import WalkbenchError
from search_space.presets import named_spec
from studies import record_codec
from studies.metric import Measured
from studies.reading import study_data
from studies.record_codec import decode_study, decode_trial, write_study
from studies.records import LatencyOrigin, Revisions, Samples, StudyRecord
from studies.resume import OtherRevision
from studies.runner import run_study
from studies.trial_log import TrialLog
from tests.studies.fakes import FakeLatency, FakeProxy, make_config

SIZES = {"objectives": ("params", "macs"), "budgets": "", "sampler": "random", "designs": ()}


def test_a_trial_comes_back_as_it_was_written():
    study = optuna.create_study(directions=["minimize"])
    trial = study.ask()
    spec = named_spec("F/mqa")
    run = Fidelity(steps=2, seconds=0.1, width=8, latent=24, batch=16, seed=0)
    score = Score.of_losses((0.5, 0.7), run)
    latency, origin = Latency(3.0, 2.0, 4.0, 0.5, "mixed"), LatencyOrigin("A17 Pro", "a table", "7")
    stored = {"params": Measured(1.0, 1.0, 1.0, "exact")}
    record_codec.write_design(trial, spec, "F/mqa")
    record_codec.write_cost(trial, Cost(1, 2, 3, 4, 5))
    record_codec.write_latency(trial, latency, origin)
    record_codec.write_measured(trial, stored)
    record_codec.write_constraints(trial, {"latency_ms": -0.5}, True)
    record_codec.write_score(trial, score, "the-run", 4)
    record_codec.write_samples(trial, Samples("picture", "folder", 8))
    study.tell(trial, [0.6])
    found = decode_trial(study.get_trials()[0], ("proxy_loss",), ("latency_ms",))
    assert found.network == spec and found.name == "F/mqa" and found.digest == spec.digest()
    assert (found.cost, found.latency, found.latency_origin) == (
        Cost(1, 2, 3, 4, 5),
        latency,
        origin,
    )
    assert (found.score, found.run, found.trained_by) == (score, "the-run", 4)
    assert found.stored == stored and found.samples == Samples("picture", "folder", 8)
    assert found.values == {"proxy_loss": 0.6} and found.feasible is True and found.done


revisions = st.builds(Revisions, st.integers(0, 9), st.none() | st.text(), st.none() | st.text())
limits = st.dictionaries(st.text(min_size=1), st.floats(1e-3, 1e12))
records = st.builds(
    StudyRecord,
    space=st.text(),
    space_digest=st.text(),
    objectives=st.lists(st.text(min_size=1)).map(tuple),
    budgets=limits,
    device=st.none() | st.text(),
    latency_by=st.none() | st.text(),
    proxy=st.none() | limits,
    revisions=st.lists(revisions, min_size=1).map(tuple),
)


@given(records)
@settings(max_examples=30, deadline=None)
def test_a_study_record_comes_back_as_it_was_written(record):
    study = optuna.create_study()
    write_study(study, record)
    assert decode_study(study) == record


def test_records_of_a_later_version_are_refused_with_what_to_do():
    study = optuna.create_study(study_name="tomorrow")
    study.set_user_attr("walkbench", {"version": record_codec.VERSION + 1})
    with pytest.raises(WalkbenchError, match=r"'tomorrow'.*version 3.*upgrade walkbench"):
        decode_study(study)


def test_a_trial_with_fields_of_another_version_is_named():
    study = optuna.create_study()
    trial = study.ask()
    trial.set_user_attr("cost", {"flops": 3})
    with pytest.raises(WalkbenchError, match="trial 0 cannot be read"):
        study_data(study)


@pytest.mark.slow
@pytest.mark.parametrize("trials", [10, 40])
def test_a_study_decodes_each_trial_a_constant_number_of_times(tmp_path, monkeypatch, trials):
    counted = []
    plain = record_codec.decode_trial
    monkeypatch.setattr(
        "studies.trial_log.decode_trial", lambda *args: counted.append(1) or plain(*args)
    )
    run_study(
        make_config(tmp_path, trials=trials, **SIZES),
        storage=str(tmp_path / "s.db"),
        latency=FakeLatency(),
    )
    assert len(counted) <= 2 * trials + 2


def test_a_log_decodes_finished_trials_once_and_sees_those_of_others():
    study = optuna.create_study()
    log = TrialLog(study)
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=5)
    assert log.done() == 5 and log.decoded == 5
    running = study.ask()
    running.set_user_attr(record_codec.WORKER, {"host": "here", "pid": 1})
    assert (log.done(), log.running(), log.decoded) == (5, 1, 7)  # an open one at every look
    study.tell(running, 1.0)
    assert (log.done(), log.running(), log.decoded) == (6, 0, 8)
    assert [record.number for record in log.records()] == list(range(6))


# --- revisions ----------------------------------------------------------------------------


@dataclasses.dataclass
class Refitted(FakeLatency):
    """The same source after its model was fitted again."""

    revision: str = "2"


@pytest.fixture
def start(tmp_path):
    def run(trials, latency=None, proxy=None, **options):
        return run_study(
            make_config(tmp_path, budgets=""),
            trials=trials,
            storage=str(tmp_path / "s.db"),
            latency=latency or FakeLatency(),
            proxy=proxy or FakeProxy(),
            **options,
        )

    return run


def test_another_revision_of_the_latency_model_is_refused_by_name_with_what_to_do(start):
    start(2)
    with pytest.raises(OtherRevision, match=r"'small'.*revision 2 here and 1 there.*--accept-rev"):
        start(3, Refitted())
    assert start(3).done == 3  # the study is left as it was


def test_an_accepted_revision_is_marked_in_the_study_and_in_its_trials(start):
    first = start(2)
    before = study_data(first.study).shared.revisions
    run = start(4, Refitted(), accept_revision=True)
    study = study_data(run.study)
    assert study.shared.revisions == (*before, Revisions(2, "2", before[0].proxy))
    assert [t.latency_origin.revision for t in study.trials] == ["1", "1", "2", "2"]
    assert start(5, Refitted()).done == 5  # now it is the study's own
    with pytest.raises(OtherRevision):
        start(6)


def test_another_revision_of_the_trainer_is_refused_and_its_scores_are_not_taken_over(
    start, monkeypatch
):
    start(3)
    monkeypatch.setattr("proxies.training_run.REVISION", 99)
    with pytest.raises(OtherRevision, match="the training of twins has revision"):
        start(4)
    again = FakeProxy()
    found = study_data(start(12, proxy=again, accept_revision=True).study).trials
    later = [trial for trial in found[3:] if trial.score]
    assert all(trial.trained_by is None or trial.trained_by >= 3 for trial in later)
