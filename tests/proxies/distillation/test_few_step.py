import dataclasses
from pathlib import Path

import pytest
import torch

from proxies.callbacks import Callback
from proxies.distillation import lora
from proxies.distillation.few_step import Judged
from proxies.distillation.load import load_teacher
from proxies.flow_matching import interpolate
from proxies.objectives import Adversarial, DistributionMatching
from proxies.objectives.testing import ObjectiveSuite
from proxies.testing import TINY_RECIPE, tiny_network
from proxies.trained_twin import trained_twin
from proxies.trainer import train_run
from search_space.errors import WalkbenchError
from tests.proxies.distillation.teachers import checkpoint, data, run_by, student


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("teacher"))


class FewStepSuite(ObjectiveSuite):
    method = Adversarial

    @pytest.fixture(autouse=True)
    def named(self, path, monkeypatch):
        found = self.method(path, judge_steps=2)
        monkeypatch.setattr(type(self), "objective", found, raising=False)

    def trainer(self, seed=0):
        return student(self.objective, steps=4, seed=seed)


class TestAdversarial(FewStepSuite):
    method = Adversarial


class TestDistributionMatching(FewStepSuite):
    method = DistributionMatching


METHODS = pytest.mark.parametrize("method", [Adversarial, DistributionMatching])


def stepped(trainer):
    return trainer.take(trainer.loss_function.draw(trainer.generator), trainer.step, 0.0)


def judge_of(trainer):
    return {k: v.clone() for k, v in trainer.loss_function.judge.state_dict().items()}


@METHODS
def test_a_student_is_asked_at_the_times_of_its_sampler_alone(path, method):
    trainer = student(method(path, student_steps=4))
    draw = trainer.loss_function.draw(trainer.generator)
    assert sorted(draw.t.tolist()) == sorted([1.0, 0.75, 0.5, 0.25] * 2)


@METHODS
def test_the_judge_is_a_constant_to_the_student_and_learns_in_its_own_step(path, method):
    trainer = student(method(path, start=path))
    loss = trainer.loss_function
    before = judge_of(trainer)
    trainer.gradient(loss.draw(trainer.generator))
    assert all(torch.equal(v, before[k]) for k, v in judge_of(trainer).items())
    assert all(p.grad is None and not p.requires_grad for p in loss.judge.parameters())
    assert any(w.grad.any() for w in trainer.flat.weights)
    student_before = [w.detach().clone() for w in trainer.flat.weights]
    loss.stepped(lambda tensors: None)
    assert any(not torch.equal(v, before[k]) for k, v in judge_of(trainer).items())
    assert all(map(torch.equal, student_before, trainer.flat.weights))
    teacher = loss.teacher.module
    assert all(p.grad is None and not p.requires_grad for p in teacher.parameters())


@METHODS
def test_the_judge_is_no_part_of_the_student(path, method):
    trainer = student(method(path, start=path))
    plain = load_teacher(path, data()).module
    assert [n for n, _ in trainer.learner.named_parameters()] == [
        n for n, _ in plain.named_parameters()
    ]


@METHODS
def test_a_student_begins_with_the_weights_of_its_start(path, method):
    trainer, start = student(method(path, start=path)), trained_twin(Path(path))[0]
    for one, other in zip(trainer.learner.parameters(), start.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_gap_is_that_of_the_heads_logits(path):
    trainer = student(Adversarial(path, start=path, r1=0.0))
    loss = trainer.loss_function
    draw = loss.draw(trainer.generator)
    trainer.gradient(draw)
    made = loss._judged[0].made
    with torch.no_grad():
        gap = loss.logits(draw.x0, draw, 1, 1).mean() - loss.logits(made, draw, 1, 1).mean()
    loss.stepped(lambda tensors: None)
    assert loss.gap.item() == pytest.approx(gap.item(), abs=1e-6) and loss.gap.isfinite()


def test_heads_learn_to_tell_made_pictures_from_real_ones(path):
    trainer = student(Adversarial(path, r1=0.0))
    loss = trainer.loss_function
    draw = loss.draw(trainer.generator)
    for _ in range(25):
        loss._judged.append(Judged(-draw.x0, draw))
        loss.stepped(lambda tensors: None)
    assert loss.gap.item() > 0.5 and loss.is_well() and not loss.ended()


def test_approximate_r1_is_part_of_the_heads_loss_alone(path):
    values = []
    for r1 in (0.0, 5.0):
        trainer = student(Adversarial(path, start=path, r1=r1))
        draw = trainer.loss_function.draw(trainer.generator)
        own = trainer.gradient(draw).item()
        judged = trainer.loss_function._judged[0]
        values.append((own, trainer.loss_function.judge_loss(judged, 0).item()))
    assert values[0][0] == values[1][0] and values[0][1] < values[1][1]


def test_a_student_at_the_data_gets_no_push_from_critic_and_teacher_that_agree(path):
    trainer = student(DistributionMatching(path, start=path))
    loss = trainer.loss_function
    draw = loss.draw(trainer.generator)
    made = draw.x0.clone().requires_grad_(True)
    loss.student_loss(made, draw).sum().backward()
    assert made.grad.abs().max() < 1e-6  # the critic begins as the teacher here


def test_the_push_of_distribution_matching_is_the_normalised_difference(path):
    trainer = student(DistributionMatching(path))
    loss = trainer.loss_function
    draw = loss.draw(trainer.generator)
    made = draw.x0.clone().requires_grad_(True)
    loss.student_loss(made, draw).sum().backward()
    t = draw.times[:, 0].view(-1, 1, 1, 1)
    with torch.no_grad():
        x_t = interpolate(draw.x0, draw.noises[:, 0], draw.times[:, 0])
        given = (x_t, draw.times[:, 0], draw.text, draw.labels)
        real, fake = x_t - t * loss.teacher(*given).velocity, x_t - t * loss.judge(*given)
        distance = (draw.x0 - real).abs().mean(dim=(1, 2, 3), keepdim=True)
        expected = (fake - real) / distance / draw.x0[0].numel()
    assert torch.allclose(made.grad, expected, atol=1e-6)


def test_a_discriminator_that_collapses_ends_the_run_with_its_last_good_weights(path):
    class Spoil(Callback):
        def __init__(self):
            self.good = []

        def stepped(self, trainer, before, spent):
            if trainer.step == 1:
                self.good = [average.clone() for average in trainer.ema.averages]

    spoil = Spoil()
    objective = Adversarial(path, start=path, gap_least=5.0, gap_most=6.0, patience=3, watch_from=1)
    run = run_by(objective, steps=20)
    trainer = type(student(objective))(run, [spoil])
    score = trainer.train()
    assert score.ok and score.fidelity.steps == 4
    assert score.stopped.startswith("discriminator collapsed: real and made pictures differ by")
    assert score.stopped.endswith("outside 5 to 6 for 3 steps; the weights of step 1 are kept")
    assert all(map(torch.equal, spoil.good, trainer.ema.averages))


def test_heads_that_turn_nan_end_the_run_with_good_weights(path):
    class Break(Callback):
        def stepped(self, trainer, before, spent):
            if trainer.step == 3:
                with torch.no_grad():
                    trainer.loss_function.judge.times.weight.fill_(float("nan"))

    trainer = student(Adversarial(path, start=path), steps=20)
    trainer.callbacks.append(Break())
    score = trainer.train()
    assert score.ok and "collapsed: its logits are not finite" in score.stopped
    assert all(average.isfinite().all() for average in trainer.ema.averages)


def test_a_run_that_ended_does_not_go_on_from_its_checkpoint(path, tmp_path):
    from proxies.callbacks import Checkpoints

    objective = Adversarial(path, start=path, gap_least=5.0, gap_most=6.0, patience=2, watch_from=1)
    first = train_run(run_by(objective, steps=9), [Checkpoints(tmp_path / "run")])
    again = train_run(run_by(objective, steps=9), [Checkpoints(tmp_path / "run")])
    assert first.losses == again.losses and first.stopped == again.stopped


@METHODS
def test_lora_learns_updates_alone_and_merges_into_the_weights(path, method):
    trainer, start = student(method(path, start=path, lora=2)), trained_twin(Path(path))[0]
    names = [name for group in trainer.flat.groups for name in group.names]
    assert names and all(name.startswith("lora.") for name in names)
    batch, t = data().batch(torch.arange(2)), torch.tensor([0.3, 0.8])
    given = (batch.x0, t, batch.text, batch.labels)
    assert torch.equal(trainer.learner(*given), start(*given))
    for _ in range(3):
        stepped(trainer)
    made = trainer.learner(*given)
    assert not torch.allclose(made, start(*given))
    for one, other in zip(start.unet.parameters(), trainer.learner.unet.parameters(), strict=True):
        assert torch.equal(one, other)
    start.load_state_dict(lora.merged(trainer.learner, dict(trainer.learner.state_dict())))
    assert torch.allclose(start(*given), made, atol=1e-5)
    assert trainer.params == sum(p.numel() for p in start.unet.parameters())


@METHODS
def test_a_start_of_another_design_or_none_is_refused(path, method, tmp_path):
    other = checkpoint(tmp_path, network=tiny_network(depth=2), steps=1)
    with pytest.raises(WalkbenchError, match=r"start .* is of the twin .* and the student is"):
        student(method(path, start=other))
    with pytest.raises(WalkbenchError, match="start 'gone' does not exist; name a checkpoint of"):
        student(method(path, start="gone"))


def test_heads_need_a_teacher_that_shows_features(path):
    from proxies.distillation.teacher import TEACHERS
    from tests.proxies.distillation.teachers import callable_teacher

    TEACHERS.register("blind", lambda data: callable_teacher())
    try:
        with pytest.raises(WalkbenchError, match="'function' shows no features to judge by"):
            student(Adversarial("blind"))
        stepped(student(DistributionMatching("blind")))
    finally:
        TEACHERS.unregister("blind")


def test_few_step_settings_are_part_of_recipes():
    recipe = dataclasses.replace(TINY_RECIPE, objective=Adversarial(student_steps=8))
    assert recipe.objective.times[:2] == (1.0, 0.875)
    with pytest.raises(WalkbenchError, match="student_steps is 0; an integer of 1 or more"):
        Adversarial(student_steps=0)
    with pytest.raises(WalkbenchError, match="taught and judged are both 0; a student needs one"):
        DistributionMatching(taught=0.0, judged=0.0)
