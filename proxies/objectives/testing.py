"""`ObjectiveSuite`: what every objective must do.

Subclass it with an objective of yours, registered or not:

    class TestMine(ObjectiveSuite):
        objective = MyObjective(temperature=2.0)
"""

import dataclasses
import json

import pytest
import torch

from proxies.callbacks import Checkpoints
from proxies.objectives.protocol import TrainingObjective
from proxies.setting import as_dict, from_dict
from proxies.testing import TINY_RECIPE, OneThread, StopAt, Stopped, tiny_run
from proxies.trainer import Trainer, train_run


class ObjectiveSuite(OneThread):
    """It is a value, repeats, learns, adds up over parts of a batch, and goes on."""

    objective: TrainingObjective

    def trainer(self, seed: int = 0) -> Trainer:
        """Return a run by the objective that has not made a step."""
        recipe = dataclasses.replace(TINY_RECIPE, objective=self.objective)
        return Trainer(tiny_run(steps=4, seed=seed, recipe=recipe))

    def test_it_is_a_value_that_survives_json(self) -> None:
        """Recipes that are equal have equal digests."""
        hash(self.objective)  # raises where it is not frozen
        written = json.loads(json.dumps(as_dict(self.objective)))
        assert from_dict(type(self.objective), written) == self.objective

    def test_all_its_random_numbers_come_from_the_generator_of_the_run(self) -> None:
        """One seed gives one draw, whatever torch's global state; another seed another."""
        torch.manual_seed(1)
        a = self.trainer()
        first = a.loss_function.draw(a.generator)
        torch.manual_seed(2)
        b, c = self.trainer(), self.trainer(seed=1)
        again, other = b.loss_function.draw(b.generator), c.loss_function.draw(c.generator)
        for field in dataclasses.fields(first):
            assert torch.equal(getattr(first, field.name), getattr(again, field.name))
        assert not torch.equal(first.x0, other.x0)

    def test_gradients_of_parts_add_up_to_those_of_the_batch(self) -> None:
        """So that a batch which does not fit into memory trains the same."""
        whole, parts = self.trainer(), self.trainer()
        parts.gradient.micro_batch = 3
        draw = whole.loss_function.draw(whole.generator)
        a, b = whole.gradient(draw), parts.gradient(draw)
        assert b.item() == pytest.approx(a.item(), rel=1e-5)
        for one, other in zip(whole.flat.weights, parts.flat.weights, strict=True):
            assert one.grad is not None and other.grad is not None
            assert torch.allclose(one.grad, other.grad, rtol=1e-3, atol=1e-6)
            assert one.grad.any()

    def test_training_by_it_changes_the_validation_loss(self) -> None:
        """And starts from the loss that it says."""
        trainer = self.trainer()
        losses = trainer.loss_function.validation(trainer.learner)
        start = trainer.loss_function.start
        assert sum(losses) / len(losses) == pytest.approx(start, rel=1e-3)
        assert trainer.train().value != pytest.approx(start, rel=1e-6)

    def test_a_run_that_was_interrupted_ends_like_one_that_was_not(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        """To the last bit."""
        path = tmp_path_factory.mktemp("runs") / "run"
        whole, run = self.trainer().train(), self.trainer().run
        with pytest.raises(Stopped):
            train_run(run, [Checkpoints(path, seconds=0.0), StopAt(2)])
        assert train_run(run, [Checkpoints(path)]).losses == whole.losses
