import dataclasses
import json
from pathlib import Path

import pytest
import torch

from proxies.data.dataset import shapes
from proxies.distillation.load import content_of, load_teacher
from proxies.distillation.loss import DistillationLoss
from proxies.distillation.teacher import TEACHERS, Reads, check_fits
from proxies.objectives import Distillation, FlowMatching
from proxies.testing import tiny_network, tiny_run
from proxies.trainer import Trainer
from search_space.errors import WalkbenchError
from tests.proxies.distillation.teachers import (
    DATA,
    callable_teacher,
    checkpoint,
    data,
    student,
    transformer,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("teacher"))


def asked(teacher, layers=()):
    batch = data().batch(torch.arange(4))
    t = torch.tensor([0.1, 0.4, 0.7, 1.0])
    return teacher(batch.x0, t, batch.text, batch.labels, layers)


def test_a_checkpoint_teaches_with_its_averaged_weights(path):
    trainer = Trainer(tiny_run(steps=4, **DATA))
    trainer.train()
    batch, t = data().batch(torch.arange(4)), torch.tensor([0.1, 0.4, 0.7, 1.0])
    with trainer.averaged() as learner, torch.no_grad():
        expected = learner(batch.x0, t, batch.text, batch.labels)
    assert torch.equal(asked(load_teacher(path, data())).velocity, expected)


def test_a_teacher_shows_the_features_of_any_of_its_layers(path):
    teacher = load_teacher(path, data())
    assert teacher.last_layer == "up1.stack0"
    found = asked(teacher, ["down0.res0", "mid.res0"]).features
    assert found["down0.res0"].shape == (4, 8, 16, 16)
    assert found["mid.res0"].shape == (4, 16, 8, 8)
    assert asked(teacher).features == {}


def test_gradients_reach_the_picture_and_no_weight(path):
    teacher = load_teacher(path, data())
    batch = data().batch(torch.arange(2))
    x = batch.x0.clone().requires_grad_(True)
    teacher(x, torch.full((2,), 0.5), batch.text, batch.labels).velocity.sum().backward()
    assert x.grad.any() and all(p.grad is None for p in teacher.module.parameters())


def test_a_transformer_on_disk_answers_as_in_memory(tmp_path):
    reader = transformer()
    reader.save(tmp_path)
    teacher = load_teacher(str(tmp_path), data())
    batch, t = data().batch(torch.arange(4)), torch.tensor([0.1, 0.4, 0.7, 1.0])
    with torch.no_grad():
        expected = reader(batch.x0, t, batch.text)
    assert torch.allclose(asked(teacher).velocity, expected, atol=1e-6)
    assert teacher.layers == ("transformer_blocks.0", "transformer_blocks.1")
    assert teacher.digest == content_of(str(tmp_path))


def test_a_transformer_without_its_table_or_with_another_is_an_error(tmp_path):
    transformer().save(tmp_path)
    (tmp_path / "captions.safetensors").rename(tmp_path / "away")
    with pytest.raises(WalkbenchError, match=r"has no captions.safetensors to read captions with"):
        load_teacher(str(tmp_path), data())
    (tmp_path / "away").rename(tmp_path / "captions.safetensors")
    fewer = dataclasses.replace(data(), vocabulary=9)
    with pytest.raises(WalkbenchError, match=r"has words.weight \(27, 16\) and data 'shapes' need"):
        load_teacher(str(tmp_path), fewer)


def test_a_transformer_of_another_parametrisation_is_refused(tmp_path):
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"_class_name": "PixArtTransformer2DModel"}))
    message = "holds a PixArtTransformer2DModel, which is not known to predict a velocity"
    with pytest.raises(WalkbenchError, match=message):
        load_teacher(str(tmp_path), data())
    config.unlink()
    transformer().save(tmp_path)
    scheduler = tmp_path / "scheduler"
    scheduler.mkdir()
    (scheduler / "scheduler_config.json").write_text(
        json.dumps({"_class_name": "DDIMScheduler", "prediction_type": "epsilon"})
    )
    with pytest.raises(WalkbenchError, match=r"predicts epsilon; a network trained by flow match"):
        check_fits(load_teacher(str(tmp_path), data()), data())


@pytest.mark.parametrize(
    ("reads", "said"),
    [
        (Reads(channels=4), "reads 4 channels and data 'shapes' have 3: another latent space"),
        (Reads(size=32), "was trained at 32×32 and the data are 16×16; use a latent of 32"),
        (Reads(predicts="epsilon"), "predicts epsilon; a network trained by flow matching"),
    ],
)
def test_a_teacher_that_does_not_fit_is_refused_with_the_reason(reads, said):
    setup = student(FlowMatching()).loss_function.setup
    teacher = callable_teacher(**dataclasses.asdict(reads))
    with pytest.raises(WalkbenchError, match=said):
        DistillationLoss(setup, Distillation("f", level="output:full"), teacher)


def test_a_checkpoint_of_another_latent_is_refused_by_its_size(path):
    with pytest.raises(WalkbenchError, match="trained at 16×16 and the data are 24×24"):
        check_fits(load_teacher(path, shapes("train", 64, 24)), shapes("train", 64, 24))


def test_what_is_no_teacher_is_an_error_that_says_what_is(tmp_path):
    with pytest.raises(WalkbenchError, match="teacher 'gone' does not exist; name a checkpoint of"):
        load_teacher("gone", data())
    with pytest.raises(WalkbenchError, match="is none; name a checkpoint of"):
        load_teacher(str(tmp_path), data())
    (tmp_path / "file").write_text("text")
    with pytest.raises(WalkbenchError, match="cannot be read"):
        load_teacher(str(tmp_path / "file"), data())


def test_a_function_is_a_teacher_under_the_name_it_was_registered_with():
    TEACHERS.register("nothing", lambda data: callable_teacher())
    try:
        trainer = student(Distillation("nothing", level="output:full"))
        assert not trainer.loss_function.draw(trainer.generator).taught.any()
        assert content_of("nothing") == "nothing"
    finally:
        TEACHERS.unregister("nothing")


def test_the_export_of_a_twin_teaches_as_its_checkpoint(path, tmp_path):
    from studies.export import export
    from studies.export_design import Exportable
    from studies.export_proxy import twin_of_checkpoint

    design = Exportable(tiny_network())
    shown, weights = twin_of_checkpoint(design, Path(path))
    export(shown, tmp_path / "twin", weights=weights)
    exported = load_teacher(str(tmp_path / "twin"), data())
    assert torch.allclose(asked(exported).velocity, asked(load_teacher(path, data())).velocity)
    assert exported.reads == Reads(3, 16) and exported.last_layer == "up1.stack0"


def test_words_that_a_teacher_does_not_know_are_an_error_that_names_one(path):
    other = dataclasses.replace(data(), book=(*data().book[:-1], "mauve"))
    with pytest.raises(WalkbenchError, match="does not know 1 words of the data, 'mauve' for one"):
        load_teacher(path, other)
    nameless = dataclasses.replace(data(), book=(), vocabulary=9)
    with pytest.raises(WalkbenchError, match="knows 27 words and data 'shapes' have 9 without"):
        load_teacher(path, nameless)
