import dataclasses

import pytest
import torch

from proxies.distillation.load import load_teacher
from proxies.distillation.stage_loss import StageLoss
from proxies.distillation.stages import StageImitation, traced
from proxies.objectives import FlowMatching, StageWise
from proxies.objectives.testing import ObjectiveSuite
from proxies.testing import tiny_network
from search_space.errors import WalkbenchError
from search_space.spec import Site
from tests.proxies.distillation.teachers import callable_teacher, checkpoint, data, student

STAGES = ["input", "down0", "down1", "mid", "up1", "up0", "output"]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return checkpoint(tmp_path_factory.mktemp("teacher"))


@pytest.fixture(scope="module")
def wider(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wider")
    return checkpoint(folder, network=tiny_network(depth=2), width=12)


class StageSuite(ObjectiveSuite):
    @pytest.fixture(autouse=True)
    def named(self, wider, monkeypatch):
        found = StageWise(wider, inputs=self.inputs)
        monkeypatch.setattr(type(self), "objective", found, raising=False)

    def trainer(self, seed=0):
        return student(self.objective, steps=4, seed=seed)


class TestReferenceInputs(StageSuite):
    inputs = "reference"


class TestOwnInputs(StageSuite):
    inputs = "own"


def inputs_of(learner, count=2):
    batch = data().batch(torch.arange(count))
    return learner.inputs(batch.x0, torch.linspace(0.2, 0.9, count), batch.text, batch.labels)


def test_a_trace_ends_in_the_networks_output_and_names_every_stage(path):
    learner = load_teacher(path, data()).module
    inputs = inputs_of(learner)
    trace = traced(learner.unet, learner.spec, inputs)
    assert list(trace) == STAGES
    assert torch.equal(trace["output"].leaves, learner.unet(**inputs))
    assert [len(trace[name].skips) for name in STAGES] == [0, 0, 0, 0, 1, 1, 0]


@pytest.mark.parametrize("own_inputs", [True, False])
def test_a_network_imitates_itself_without_loss_and_without_adapters(path, own_inputs):
    learner = load_teacher(path, data()).module
    inputs = inputs_of(learner)
    trace = traced(learner.unet, learner.spec, inputs)
    imitation = StageImitation(learner.spec, trace, trace)
    assert not list(imitation.parameters())
    if own_inputs:
        losses = imitation.losses_of(trace, trace)
    else:
        losses = imitation.losses(learner.unet, inputs, trace)
    assert list(losses) == STAGES
    assert all(loss.shape == (2,) and not loss.any() for loss in losses.values())


def test_a_stage_that_leaves_zeros_has_a_loss_of_one(path):
    learner = load_teacher(path, data()).module
    inputs = inputs_of(learner)
    trace = traced(learner.unet, learner.spec, inputs)
    silent = {
        name: dataclasses.replace(one, leaves=torch.zeros_like(one.leaves))
        for name, one in trace.items()
    }
    losses = StageImitation(learner.spec, trace, trace).losses_of(silent, trace)
    assert all(loss.tolist() == pytest.approx([1.0, 1.0]) for loss in losses.values())


def test_a_stages_loss_depends_on_no_other_stage(path):
    learner = load_teacher(path, data()).module
    inputs = inputs_of(learner)
    reference = traced(learner.unet, learner.spec, inputs)
    imitation = StageImitation(learner.spec, reference, reference)
    with torch.no_grad():
        learner.unet.get_submodule("down1.res0").conv2.weight.mul_(1.5)
    losses = imitation.losses(learner.unet, inputs, reference)
    assert [name for name in STAGES if losses[name].any()] == ["down1"]
    chained = traced(learner.unet, learner.spec, inputs)
    losses = imitation.losses_of(chained, reference)
    assert [name for name in STAGES if losses[name].any()] == [
        "down1",
        "mid",
        "up1",
        "up0",
        "output",
    ]


def test_adapters_stand_where_widths_differ_and_are_no_part_of_the_network(wider):
    trainer, plain = student(StageWise(wider)), student(FlowMatching())
    assert trainer.params == plain.params
    assert list(trainer.learner.unet.state_dict()) == list(plain.learner.unet.state_dict())
    adapters = dict(trainer.loss_function.imitation.adapters.named_children())
    assert "down1:enters" in adapters and "up1:skip0" in adapters and "mid:leaves" in adapters
    assert "output:leaves" not in adapters
    assert adapters["mid:leaves"].weight.shape == (24, 16, 1, 1)


def test_networks_with_other_sites_imitate_by_the_order_of_their_skips(path):
    first, second = tiny_network().stages
    two = dataclasses.replace(
        second,
        down=dataclasses.replace(second.down, sites=(Site(1), Site(0))),
        up=dataclasses.replace(second.up, sites=(Site(1), Site(0))),
    )
    trainer = student(StageWise(path), network=tiny_network(stages=(first, two)))
    trainer.take(trainer.loss_function.draw(trainer.generator), 0, 0.0)
    errors = trainer.loss_function.stage_errors(trainer.learner)
    assert list(errors) == STAGES and all(error > 0 for error in errors.values())


def test_imitation_lowers_the_stages_errors(path):
    trainer = student(StageWise(path, task=0.0), steps=20)
    before = trainer.loss_function.stage_errors(trainer.learner)
    trainer.train()
    after = trainer.loss_function.stage_errors(trainer.learner)
    assert sum(after.values()) < 0.85 * sum(before.values())


def test_another_number_of_stages_is_refused(path):
    first, second = tiny_network().stages
    with pytest.raises(WalkbenchError, match=r"has stages input, down0, down1, down2.* the same"):
        student(StageWise(path), network=tiny_network(stages=(first, second, second)))


def test_what_has_no_stages_is_refused(monkeypatch):
    setup = student(FlowMatching()).loss_function.setup
    with pytest.raises(WalkbenchError, match="'function' has no stages to imitate; name a checkp"):
        StageLoss(setup, StageWise("f"), callable_teacher())
