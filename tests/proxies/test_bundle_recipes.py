"""`walkbench train` by a teacher: the objectives of proxies on the network of an export."""

import pytest
import torch

from proxies.bundle_training.logs import read_log
from proxies.bundle_training.parts import save_parts
from proxies.callbacks import Checkpoints
from proxies.data.prompts import VOCABULARY
from proxies.distillation.teacher import TEACHERS
from proxies.flow_matching import interpolate
from proxies.testing import tiny_network, tiny_run
from proxies.threads import cpu_threads
from proxies.train_config import TrainConfig
from proxies.train_yaml import parse
from proxies.trained_twin import trained_twin
from proxies.trainer import train_run
from search_space.errors import WalkbenchError
from search_space.weight_file import read_weights
from studies.bundle_training import prepare
from studies.export import export
from studies.export_design import Exportable
from studies.export_weights import SeededWeights
from tests.proxies.bundle_runs import RECIPE, alone, tiny_pixels, trainer_in
from tests.proxies.distillation.teachers import callable_teacher


@pytest.fixture(autouse=True)
def one_thread():
    with cpu_threads(1):
        yield


@pytest.fixture
def flat():
    TEACHERS.register("flat", lambda data: callable_teacher())
    yield "flat"
    TEACHERS.unregister("flat")


def losses(folder):
    return [(row["step"], row["loss"], row["validation_loss"]) for row in read_log(folder)]


def recipe(**values):
    return {f"recipe.{name}": value for name, value in values.items()}


def test_a_design_learns_from_a_teacher_and_goes_on_to_the_same_curve(tmp_path, flat):
    config = recipe(kind="distillation", teacher=flat, level="output:full")
    trainer_in(tmp_path / "whole", config=config).train()
    trainer_in(tmp_path / "parts", config=config, stop=iter([False, True]).__next__).train()
    again = trainer_in(tmp_path / "parts", config=config)
    assert again.step == 2
    again.train()
    assert losses(tmp_path / "parts") == losses(tmp_path / "whole")
    trainer_in(tmp_path / "plain").train()
    assert losses(tmp_path / "plain")[0][1] == losses(tmp_path / "whole")[0][1]  # the task's loss
    assert losses(tmp_path / "plain") != losses(tmp_path / "whole")


@pytest.mark.parametrize("lora", [0, 2])
def test_a_student_of_few_steps_is_written_as_its_network_alone(tmp_path, flat, lora):
    config = recipe(kind="distribution-matching", teacher=flat, lora=lora, judge_steps=1)
    trainer, plain = trainer_in(tmp_path, config=config), trainer_in(tmp_path / "plain")
    trainer.train()
    made = read_weights(save_parts(trainer, trainer.task, tmp_path / "parts").weights)
    other = read_weights(save_parts(plain, plain.task, tmp_path / "plain-parts").weights)
    assert {k: v.shape for k, v in made.items()} == {k: v.shape for k, v in other.items()}
    assert any(not torch.equal(made[name], other[name]) for name in made)


def test_a_run_that_its_objective_ends_is_done_and_says_why(tmp_path, flat, monkeypatch):
    config = recipe(kind="distribution-matching", teacher=flat, judge_steps=1)
    trainer = trainer_in(tmp_path, config=config)
    said = iter(["", "", "the judge sees nothing"])
    monkeypatch.setattr(
        type(trainer.task.loss_function), "ended", lambda loss: next(said, ""), raising=False
    )
    monkeypatch.setattr(
        type(trainer.task.loss_function), "is_well", lambda loss: loss.steps == 1, raising=False
    )
    trainer.train()
    assert trainer.done and trainer.step == 3
    assert trainer.ended == "the judge sees nothing; the weights of step 1 are kept"
    again = trainer_in(tmp_path, config=config)
    assert again.done and again.ended == trainer.ended


def test_a_proxys_checkpoint_teaches_a_design_that_numbers_words_otherwise(tmp_path):
    run = tiny_run(tiny_network(), steps=2, width=8, latent=16)
    train_run(run, [Checkpoints(tmp_path / "teacher")])
    config = recipe(kind="distillation", teacher=str(tmp_path / "teacher"), level="both:full")
    trainer = trainer_in(tmp_path / "run", config=config)
    draw = trainer.task.extended(trainer.task.draw(0), 0)
    own, theirs = trainer.task.data.book, dict(zip(VOCABULARY, range(99), strict=False))
    text = torch.tensor([[theirs.get(own[i], 0) for i in row] for row in draw.text.tolist()])
    teacher, _, _ = trained_twin(tmp_path / "teacher")
    x_t = interpolate(draw.x0, draw.noise, draw.t)
    with torch.no_grad():
        expected = teacher(x_t, draw.t, text, draw.labels)
    assert own[:3] != VOCABULARY[:3]
    assert torch.allclose(draw.taught, expected, atol=1e-5)
    trainer.train()
    made = read_weights(save_parts(trainer, trainer.task, tmp_path / "parts").weights)
    assert not [name for name in made if "projector" in name]


def test_a_trained_bundle_teaches_the_next_design(tmp_path):
    spec = tiny_pixels()
    exported, to = tmp_path / "exported", tmp_path / "bundle"
    export(Exportable(spec), exported, weights=SeededWeights())
    run = prepare(exported, "shapes", tmp_path / "first", RECIPE, alone())
    run.trainer.train()
    run.write(to)
    config = recipe(kind="distillation", teacher=str(to), level="output:full")
    trainer = trainer_in(tmp_path / "second", config=config)
    draw = trainer.task.extended(trainer.task.draw(0), 0)
    with run.trainer.take.averaged(), torch.no_grad():
        x_t = interpolate(draw.x0, draw.noise, draw.t)
        expected = run.trainer.learner(x_t, draw.t, draw.text, draw.labels)
    assert torch.allclose(draw.taught, expected, atol=1e-4)


def test_recipes_are_read_strictly_and_absent_ones_are_flow_matching():
    assert parse("format: 1\nrun: {steps: 3}").recipe == TrainConfig().recipe
    with pytest.raises(WalkbenchError, match=r"recipe.level has no effect with kind adversarial"):
        RECIPE.but(recipe(kind="adversarial", level="both:full"))
    with pytest.raises(WalkbenchError, match="unknown kind 'gan'"):
        RECIPE.but(recipe(kind="gan"))
    with pytest.raises(WalkbenchError, match="unknown level 'all'"):
        RECIPE.but(recipe(kind="distillation", level="all"))


def test_another_teacher_is_another_run(tmp_path, flat):
    config = recipe(kind="distillation", teacher=flat, level="output:full")
    trainer_in(tmp_path, config=config).train()
    with pytest.raises(WalkbenchError, match="holds another run: recipe is"):
        trainer_in(tmp_path, config={**config, "recipe.level": "output:alpha"})
    with pytest.raises(WalkbenchError, match="holds another run: recipe is"):
        trainer_in(tmp_path)
