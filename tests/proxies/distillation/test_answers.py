import pytest
import torch

from proxies.distillation.answers import Answers
from proxies.flow_matching import interpolate, velocity
from proxies.objectives import Distillation
from proxies.trainer import Trainer
from search_space.errors import WalkbenchError
from tests.proxies.distillation.teachers import callable_teacher, checkpoint, run_by

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("teacher"))


def test_runs_of_one_seed_ask_a_teacher_once_and_end_alike(path, tmp_path, monkeypatch):
    asked = []
    plain = Answers._asked

    def counted(answers, x_t, draw):
        asked.append(len(draw))
        return plain(answers, x_t, draw)

    monkeypatch.setattr(Answers, "_asked", counted)

    def run(cache, **changes):
        asked.clear()
        score = Trainer(run_by(Distillation(path, cache=cache), **changes)).train()
        return score.losses, sum(n > 1 for n in asked)

    without, times = run(None)
    assert times == 3
    first, times = run(str(tmp_path / "kept"))
    assert (first, times) == (without, 3)
    again, times = run(str(tmp_path / "kept"))
    assert (again, times) == (without, 0)
    assert run(str(tmp_path / "kept"), seed=1)[1] == 3


def test_an_answer_that_a_kill_cut_short_is_asked_again(path, tmp_path):
    run = run_by(Distillation(path, cache=str(tmp_path)))
    first = Trainer(run).train().losses
    for file in tmp_path.rglob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:50])
    assert Trainer(run).train().losses == first


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(path, tmp_path):
    (tmp_path / "file").write_text("")
    trainer = Trainer(run_by(Distillation(path, level="output:full", cache=str(tmp_path / "file"))))
    with pytest.raises(WalkbenchError, match=r"cannot be kept in .*file.*: .*; make room"):
        trainer.loss_function.draw(trainer.generator)


def test_several_steps_of_a_straight_teacher_answer_its_velocity(path):
    trainer = Trainer(run_by(Distillation(path)))
    draw = trainer.loss_function.draw(trainer.generator)
    target = velocity(draw.x0, draw.noise)
    straight = callable_teacher(lambda x_t, t, text, labels: target)
    for steps in (1, 3):
        found = Answers(straight, (), CPU, steps=steps)(draw).velocity
        assert torch.allclose(found, target, atol=1e-4)


def test_several_steps_end_where_euler_steps_end(path):
    trainer = Trainer(run_by(Distillation(path)))
    draw = trainer.loss_function.draw(trainer.generator)
    teacher = callable_teacher(lambda x_t, t, text, labels: x_t * t.view(-1, 1, 1, 1))
    x_t, t = interpolate(draw.x0, draw.noise, draw.t), draw.t.view(-1, 1, 1, 1)
    half = x_t - t / 2 * (x_t * t)
    end = half - t / 2 * (half * t / 2)
    found = Answers(teacher, (), CPU, steps=2)(draw).velocity
    assert torch.allclose(found, (x_t - end) / t, atol=1e-5)
