import dataclasses
import json
from pathlib import Path

import pytest
import torch

from proxies.callbacks import Checkpoints
from proxies.distillation.loss import DistillationLoss
from proxies.objectives import Distillation, FlowMatching
from proxies.objectives.distillation import LEVELS, SCALES
from proxies.objectives.testing import ObjectiveSuite
from proxies.testing import TINY_RECIPE, tiny_network, tiny_run
from proxies.trainer import Trainer, train_run
from proxies.training_run import TrainingRun
from search_space.errors import WalkbenchError
from tests.proxies.distillation.teachers import (
    DATA,
    callable_teacher,
    checkpoint,
    run_by,
    student,
    transformer,
)


@pytest.fixture(scope="module")
def teacher(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("teacher"), network=tiny_network(depth=2), width=12)


class DistillationSuite(ObjectiveSuite):
    @pytest.fixture(autouse=True)
    def named(self, teacher, monkeypatch):
        found = Distillation(teacher, level=self.level)
        monkeypatch.setattr(type(self), "objective", found, raising=False)

    def trainer(self, seed=0):
        return student(self.objective, steps=4, seed=seed)


class TestBoth(DistillationSuite):
    level = "both:full"


class TestFeature(DistillationSuite):
    level = "feature:constant"


def losses(trainer, steps=2):
    found = []
    for _ in range(steps):
        found.append(trainer.take(trainer.loss_function.draw(trainer.generator), 0, 0).item())
    return found


def weights(trainer):
    return {name: one.detach().clone() for name, one in trainer.learner.unet.named_parameters()}


def test_one_key_names_every_level():
    assert (
        "none",
        *(f"{terms}:{scale}" for terms in ("output", "feature", "both") for scale in SCALES),
    ) == LEVELS
    with pytest.raises(WalkbenchError, match=r"unknown level 'both'.*known: both:alpha, both:con"):
        Distillation("x", level="both")


@pytest.mark.slow
def test_every_level_trains_differently_and_none_is_flow_matching(teacher):
    ends = {}
    for level in LEVELS:
        trainer = student(Distillation(teacher, level=level))
        curve = losses(trainer)
        ends[level] = torch.cat([w.flatten() for w in weights(trainer).values()])
        if level == "none":
            plain = student(FlowMatching())
            assert losses(plain) == curve
            assert torch.equal(
                ends[level], torch.cat([w.flatten() for w in weights(plain).values()])
            )
    assert all(not torch.equal(ends[a], ends[b]) for i, a in enumerate(LEVELS) for b in LEVELS[:i])


def test_the_loss_that_is_shown_and_ranks_is_the_tasks(teacher):
    distilled, plain = student(Distillation(teacher)), student(FlowMatching())
    draws = [t.loss_function.draw(t.generator) for t in (distilled, plain)]
    values = [t.gradient(d).item() for t, d in zip((distilled, plain), draws, strict=True)]
    assert values[0] == pytest.approx(values[1], rel=1e-6)
    assert distilled.loss_function.validation(distilled.learner) == pytest.approx(
        plain.loss_function.validation(plain.learner)
    )


def test_the_gradient_is_that_of_the_terms_written_out(teacher):
    trainer = student(Distillation(teacher, level="output:constant", weight=2.0))
    draw = trainer.loss_function.draw(trainer.generator)
    trainer.gradient(draw)
    found = [w.grad.clone() for w in trainer.flat.weights]
    trainer.flat.zero_gradients()
    x_t = torch.lerp(draw.x0, draw.noise, draw.t.view(-1, 1, 1, 1))
    predicted = trainer.learner(x_t, draw.t, draw.text, draw.labels)
    task = (predicted - (draw.noise - draw.x0)).square().mean()
    (0.5 * task + 0.5 * 2.0 * (predicted - draw.taught).square().mean()).backward()
    for one, weights in zip(found, trainer.flat.weights, strict=True):
        assert torch.allclose(one, weights.grad, rtol=1e-3, atol=1e-6)


def test_students_keep_their_network_and_teachers_learn_nothing(teacher):
    trainer, plain = student(Distillation(teacher)), student(FlowMatching())
    assert trainer.params == plain.params
    assert list(weights(trainer)) == list(weights(plain))
    losses(trainer)
    module = trainer.loss_function.teacher.module
    assert all(p.grad is None and not p.requires_grad for p in module.parameters())
    assert trainer.learner.projector.weight.grad.any()


def test_a_projector_of_the_wrong_shape_is_an_error_with_both_widths(teacher):
    message = r"up1.stack0 of the student has 16 channels and .* of the teacher 24; .* projector"
    with pytest.raises(WalkbenchError, match=message):
        student(Distillation(teacher, projector=False))


def test_equal_widths_need_no_projector(tmp_path):
    own = checkpoint(tmp_path)
    trainer = student(Distillation(own, level="feature:full", projector=False))
    losses(trainer)
    assert not hasattr(trainer.learner, "projector")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"teacher_layer": "mid.stack9"}, "the teacher has no layer 'mid.stack9'; set teacher_lay"),
        (
            {"student_layer": "up9"},
            "the student has no layer 'up9'; set student_layer to one of in",
        ),
    ],
)
def test_a_layer_that_is_not_there_is_an_error_that_lists_the_layers(teacher, changes, said):
    with pytest.raises(WalkbenchError, match=f"{said}.*down1.stack0.*up0.res0"):
        student(Distillation(teacher, **changes))


def test_a_transformer_teaches_a_unet_by_output_and_features():
    reader = transformer()
    from proxies.distillation.transformer import as_teacher

    taught_by = as_teacher(reader, name="dit", digest="dit")
    trainer = student(FlowMatching())
    setup = trainer.loss_function.setup
    loss = DistillationLoss(setup, Distillation("dit"), taught_by)
    assert loss.projector.weight.shape == (16, 16, 1, 1)
    draw = loss.draw(torch.Generator().manual_seed(0))
    assert draw.features.shape == (8, 16, 8, 8)  # patches of two pixels
    loss.training(trainer.learner, draw).backward()
    assert loss.projector.weight.grad.any()
    assert all(p.grad is None for p in reader.parameters())


def test_a_teacher_without_layers_gives_its_output_alone():
    setup = student(FlowMatching()).loss_function.setup
    loss = DistillationLoss(setup, Distillation("f", level="output:full"), callable_teacher())
    assert not loss.draw(torch.Generator().manual_seed(0)).taught.any()
    with pytest.raises(WalkbenchError, match="the teacher has no transformer layer to take"):
        DistillationLoss(setup, Distillation("f"), callable_teacher())


def test_a_teacher_that_says_nan_is_an_error_that_names_it():
    setup = student(FlowMatching()).loss_function.setup
    broken = callable_teacher(lambda x_t, t, text, labels: x_t / 0 * 0)
    loss = DistillationLoss(setup, Distillation("f", level="output:full"), broken)
    with pytest.raises(WalkbenchError, match=r"teacher 'function' answers with values .* not fin"):
        loss.draw(torch.Generator().manual_seed(0))


def test_a_student_that_turns_nan_is_a_failed_score(teacher, monkeypatch):
    trainer = student(Distillation(teacher), steps=3)
    with torch.no_grad():
        trainer.learner.projector.weight.fill_(float("nan"))
    score = trainer.train()
    assert not score.ok and "training loss is nan at step 1" in score.failed


def test_the_teachers_weights_and_not_its_place_are_part_of_a_runs_digest(teacher, tmp_path):
    copy = tmp_path / "copy.safetensors"
    copy.write_bytes(Path(teacher).read_bytes())
    runs = [run_by(Distillation(str(path))) for path in (teacher, copy)]
    assert runs[0].digest() == runs[1].digest()
    other = checkpoint(tmp_path, steps=2, network=tiny_network(depth=2), width=12)
    assert run_by(Distillation(other)).digest() != runs[0].digest()
    cached = Distillation(teacher, cache=str(tmp_path))
    assert run_by(cached).digest() == runs[0].digest()
    assert TrainingRun.from_dict(json.loads(json.dumps(runs[0].to_dict()))) == runs[0]


def test_a_checkpoint_of_another_teacher_is_refused(tmp_path):
    (tmp_path / "a").mkdir()
    own, path = checkpoint(tmp_path / "a"), tmp_path / "run"
    train_run(run_by(Distillation(own)), [Checkpoints(path)])
    train_run(tiny_run(steps=1, **DATA), [Checkpoints(tmp_path / "other")])
    Path(own).write_bytes((tmp_path / "other").read_bytes())
    with pytest.raises(WalkbenchError, match="of another run: files is"):
        train_run(run_by(Distillation(own)), [Checkpoints(path)])


def test_a_decoder_cannot_be_distilled(teacher):
    from search_space.decoder import named_decoder

    recipe = dataclasses.replace(TINY_RECIPE, objective=Distillation(teacher))
    with pytest.raises(WalkbenchError, match="predicts a picture"):
        Trainer(tiny_run(named_decoder("taesd-decoder"), recipe=recipe, latent=32))


def test_without_a_teacher_the_error_says_what_can_be_one():
    with pytest.raises(WalkbenchError, match="distillation needs a teacher; name a checkpoint of"):
        student(Distillation())
