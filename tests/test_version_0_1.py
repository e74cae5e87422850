"""Files that version 0.1 wrote load today, and figures have not moved by a digit."""

import dataclasses
import json
import shutil
from pathlib import Path

import pytest
import torch

from latency_db.sources import source_of
from latency_db.table import Table
from latency_db.table_source import TableSource
from proxies import checkpoint
from proxies.recipe import Budget, Recipe
from proxies.score import Score
from proxies.setting import from_dict
from proxies.trainer import Trainer
from proxies.training_run import TrainingSettings
from search_space.cost import cost
from search_space.errors import WalkbenchError
from search_space.exported import load_exported
from search_space.initialise import draws
from search_space.load import load_spec
from search_space.presets import all_named
from search_space.space import SearchSpace
from search_space.unet import UNet
from studies import pareto
from studies.config import load_config
from studies.export_design import find_design
from studies.gallery import read_grid
from studies.proxy_validation.baselines import read_baselines
from studies.proxy_validation.plan import ValidationPlan, load_plan
from studies.proxy_validation.report import report
from studies.proxy_validation.runs import results_of, runs_of, train
from studies.reading import study_data
from studies.report import write_report
from studies.resume import OtherRevision
from studies.runner import run_study
from studies.store import open_storage, open_study, storage_url
from studies.summary import one_design, study_status
from studies.walk import walk_rows

FOLDER = Path(__file__).parent / "fixtures" / "v0_1"
FIGURES = json.loads((FOLDER / "figures.json").read_text())
DEVICE = "iPhone 15 Pro"


def read(name):
    return json.loads((FOLDER / name).read_text())


def agree(now, then):
    """Whether every field that version 0.1 knew has its value: floats to the last digit but one."""
    if isinstance(then, dict):
        return all(agree(now[key], value) for key, value in then.items())
    if isinstance(then, list):
        return len(now) == len(then) and all(map(agree, now, then))
    if isinstance(then, float):
        return now == pytest.approx(then, rel=1e-14)
    return now == then


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    """The folder, writable: opening a database may upgrade it, and runs add to it."""
    return shutil.copytree(FOLDER, tmp_path_factory.mktemp("v0_1") / "v0_1")


@pytest.fixture(scope="module")
def trained(copied):
    return study_data(open_study(open_storage(storage_url(str(copied / "studies.db"))), "trained"))


# --- specs, spaces, figures ---------------------------------------------------------------


@pytest.mark.parametrize("name", all_named())
def test_digest_and_cost_of_a_named_spec_are_those_of_version_0_1(name):
    spec = all_named()[name]
    then = {key: value for key, value in FIGURES["specs"][name].items() if key != DEVICE}
    assert agree({"digest": spec.digest(), **dataclasses.asdict(cost(spec))}, then)


def test_an_estimate_lies_within_a_factor_of_two_of_the_older_model_s():  # it has been refitted
    for name, then in FIGURES["specs"].items():
        now = source_of(DEVICE).predict(all_named()[name])
        assert 0.5 < now.ms / then[DEVICE]["ms"] < 2, name


def test_every_name_of_version_0_1_still_names_a_spec():
    assert set(FIGURES["specs"]) <= set(all_named())


@pytest.mark.parametrize("path", sorted((FOLDER / "specs").iterdir()), ids=lambda path: path.stem)
def test_a_spec_file_loads_and_is_written_back_as_it_was(path):
    assert load_spec(str(path)).to_json(indent=2) + "\n" == path.read_text()


@pytest.mark.parametrize("name", FIGURES["spaces"])
def test_a_shipped_space_has_the_same_digest_size_and_parameters(name):
    space, then = SearchSpace.load(name), FIGURES["spaces"][name]
    assert (space.digest(), space.size()) == (then["digest"], then["size"])
    for design, params in then["params_of"].items():
        assert space.params_of(all_named()[design]) == params


def test_the_walk_is_that_of_version_0_1_but_for_its_estimated_latencies():
    now, then = walk_rows("both"), FIGURES["walk"]
    assert len(now) == len(then)
    for row, before in zip(now, then, strict=True):
        assert agree(row, {key: value for key, value in before.items() if "latency" not in key})


# --- studies ------------------------------------------------------------------------------


def test_a_study_with_trials_of_every_outcome_loads(trained):
    found = trained.trials
    states = ["PRUNED", "COMPLETE", "PRUNED", "FAIL", "COMPLETE", "FAIL", *["COMPLETE"] * 3]
    assert [trial.state for trial in found] == [*states, "WAITING"]
    assert [trial.failed for trial in found if trial.state == "FAIL"] == [
        "interrupted",
        "training loss is nan at step 1",
    ]
    assert found[0].name == "F/mqa" and found[0].feasible is False
    assert found[4].trained_by == 1 and found[4].values == found[1].values
    assert found[1].values == pytest.approx(
        {"proxy_loss": 0.48928659006924136, "latency_ms": 197.7548248387664}, rel=1e-12
    )
    assert found[1].score.n == 256
    assert {trial.number for trial in pareto.front(found, trained.objectives)} == {1, 4, 7}


def test_a_study_is_summed_up_reported_and_exported_from(trained, copied, tmp_path):
    status = study_status(trained)
    counted = {k: status[k] for k in ("done", "complete", "over_budget", "failed", "waiting")}
    assert counted == {"done": 8, "complete": 5, "over_budget": 2, "failed": 2, "waiting": 1}
    assert one_design(trained).number in (1, 4, 7)
    write_report(trained, tmp_path / "report.html")
    assert "197" in (tmp_path / "report.html").read_text()
    design = find_design("1", "trained", str(copied / "studies.db"))
    assert design.spec.digest() == trained.trial(1).digest and design.latency["ms"] > 0


def test_samples_of_a_trial_are_found_beside_the_database(trained, copied):
    url = storage_url(str(copied / "studies.db"))
    png = read_grid(url, trained.trial(4), trained.trials)  # drawn by trial 1, whose score it has
    assert png.startswith(b"\x89PNG")


@pytest.mark.parametrize("name", ["trained", "sizes"])
def test_a_study_goes_on_where_version_0_1_left_it(copied, tmp_path, name):
    folder = shutil.copytree(copied, tmp_path / "here")
    config = load_config(folder / f"{name}.toml")
    storage = str(folder / "studies.db")
    before = study_data(open_study(open_storage(storage_url(storage)), name))
    if name == "trained":  # nobody knows which latency model priced it
        with pytest.raises(OtherRevision, match=r"an unrecorded one there.*--accept-revision"):
            run_study(config, trials=before.done + 1, storage=storage)
    run = run_study(config, trials=before.done + 1, storage=storage, accept_revision=True)
    assert run.ran == 1 and run.done == before.done + 1
    last = study_data(run.study).trials[-1]  # the waiting F/mqa of `trained`
    assert last.state == "COMPLETE" and (name != "trained" or last.name == "F/mqa")


# --- scores, checkpoints ------------------------------------------------------------------


@pytest.mark.parametrize("name", ["trained", "every_part", "diverged"])
def test_a_score_loads_and_is_written_back_with_the_same_values(name):
    then = read(f"scores/{name}.json")
    assert agree(json.loads(json.dumps(Score.from_dict(then).to_dict())), then)


def test_a_score_with_the_first_fields_alone_loads_as_a_float32_run_on_shapes():
    score = Score.from_dict(read("scores/first_fields.json"))
    run = score.fidelity
    assert score.ok and (run.data, run.precision, run.micro_batch) == ("shapes", "float32", 0)


@pytest.mark.parametrize("older", [False, True], ids=["whole", "without-precision"])
def test_a_run_goes_on_from_a_checkpoint_and_ends_as_it_did(tmp_path, older):
    torch.set_num_threads(1)
    told, path = read("checkpoint.json"), FOLDER / "checkpoint.safetensors"
    if older:  # as before runs had a choice of precision
        path = tmp_path / "old.safetensors"
        _without_identity(FOLDER / "checkpoint.safetensors", path, ("precision", "compiled"))
    settings = TrainingSettings(
        Budget(steps=told["steps"]),
        **{name: told[name] for name in ("width", "latent", "seed")},
        recipe=from_dict(Recipe, told["recipe"]),
    )
    trainer = Trainer(settings.run(load_spec(str(FOLDER / "specs/small.json"))))
    checkpoint.restore(trainer, path)
    assert trainer.step == told["steps_at_kill"]
    trainer.advance(settings.budget)
    now, then = trainer.score(), Score.from_dict(told["score"])
    assert now.losses == pytest.approx(then.losses, rel=1e-4)
    assert now.train_loss_sum == pytest.approx(then.train_loss_sum, rel=1e-4)


def _without_identity(path, to, names):
    from safetensors import safe_open
    from safetensors.torch import load_file, save_file

    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["run"])
    for name in names:
        del facts["identity"][name]
    save_file(load_file(path), to, metadata={"run": json.dumps(facts)})


# --- validation studies -------------------------------------------------------------------


def test_a_validation_study_loads_and_reports():
    plan = load_plan(FOLDER / "validation")
    results = results_of(plan, FOLDER / "validation")
    assert len(results) == len(runs_of(plan)) == 20 and all(r.score.ok for r in results)
    summary = report(plan, results, read_baselines(FOLDER / "validation"))
    assert agree(summary["summary"], read("validation_report.json"))


def test_a_finished_validation_study_trains_nothing_again(copied):
    folder = copied / "validation"
    before = (folder / "runs.jsonl").read_bytes()
    train(load_plan(folder), folder)
    assert (folder / "runs.jsonl").read_bytes() == before


def test_a_plan_from_before_data_and_compute_loads_as_shapes_on_a_cpu():
    content = read("validation/plan.json")
    now = ValidationPlan.from_json(json.dumps(content), "plan")
    for name in ("data", "compute", "content", "short_latent", "short_batch", "left_out"):
        del content[name]
    older = ValidationPlan.from_json(json.dumps(content), "plan")
    assert older.data.is_shapes and older.compute.device == "cpu"
    assert dataclasses.replace(older, left_out=now.left_out) == now


# --- tables, exports ----------------------------------------------------------------------


def test_a_latency_table_predicts_what_it_did():
    spec = load_spec(str(FOLDER / "specs/small.json"))
    source = TableSource.of(Table.load(FOLDER / "table.csv"), "error")
    for latent, then in read("table.json")["predict_small_at_latent"].items():
        assert agree(
            dataclasses.asdict(source.predict(spec.replace(latent_size=int(latent)))), then
        )


@pytest.mark.parametrize("name", ["stock", "own"])
def test_an_export_loads_with_the_weights_of_its_seed(name):
    folder = FOLDER / "exports" / name
    about, unet = json.loads((folder / "export.json").read_text()), load_exported(folder)
    assert sum(p.numel() for p in unet.parameters()) == about["params"]
    spec = load_spec(str(folder / "spec.json"))
    assert spec.digest() == about["digest"]
    with torch.device("meta"):
        empty = UNet(spec)
    held = dict(unet.named_parameters())
    for key, values in draws(empty, about["weights"]["seed"]):
        assert torch.equal(held[key], values.half()), key


def test_a_file_of_an_unknown_format_is_refused_by_name(tmp_path):
    content = read("specs/small.json") | {"format": 99}
    (tmp_path / "new.json").write_text(json.dumps(content))
    with pytest.raises(WalkbenchError, match=r"new\.json.*99"):
        load_spec(str(tmp_path / "new.json"))
