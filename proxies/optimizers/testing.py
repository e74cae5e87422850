"""`OptimizerSuite`: what every optimizer keeps to. Subclass it in a test and name yours.

    class TestLion(OptimizerSuite):
        optimizer = Lion

It trains a tiny network of linear layers, kernels and a norm on noise.
"""

import torch
from torch import Tensor, nn

from proxies.optimizers.protocol import Optimizer, OptimizerFactory
from proxies.recipe import Recipe

RECIPE = Recipe(learning_rate=3e-3)


def _network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1),
        nn.Conv2d(8, 8, 3, groups=8),
        nn.GroupNorm(2, 8),
        nn.Flatten(),
        nn.Linear(32, 4),
    )


class OptimizerSuite:
    """Conformance of one optimizer."""

    optimizer: OptimizerFactory

    def made(self) -> tuple[nn.Module, Optimizer]:
        """Return a network and the optimizer that moves it."""
        with torch.random.fork_rng():
            model = _network()
        names = [name for name, _ in model.named_parameters()]
        return model, type(self).optimizer(RECIPE, model, dict.fromkeys(names, 1.0))

    def steps(
        self, model: nn.Module, optimizer: Optimizer, first: int, last: int, share: float = 1.0
    ) -> None:
        """Take steps ``first`` to ``last`` - 1, each on noise of its own."""
        for step in range(first, last):
            x = torch.randn(6, 3, 4, 4, generator=torch.Generator().manual_seed(step))
            optimizer.flat.zero_gradients()
            model(x).square().sum().backward()
            optimizer.step(share)

    def weights(self, model: nn.Module) -> list[Tensor]:
        """Return copies of all parameters."""
        return [parameter.detach().clone() for parameter in model.parameters()]

    def test_every_parameter_lies_in_the_flat_weights_once(self) -> None:
        """Clipping, averages and checkpoints see what is in `flat` alone."""
        model, optimizer = self.made()
        held = [name for group in optimizer.flat.groups for name in group.names]
        assert sorted(held) == sorted(name for name, _ in model.named_parameters())

    def test_a_step_moves_every_parameter(self) -> None:
        """A parameter that is left out would stay at its random start."""
        model, optimizer = self.made()
        before = self.weights(model)
        self.steps(model, optimizer, 0, 1)
        for old, new in zip(before, self.weights(model), strict=True):
            assert not torch.equal(old, new)

    def test_a_share_of_zero_moves_nothing(self) -> None:
        """Warm-up and cooldown scale the whole step."""
        model, optimizer = self.made()
        before = self.weights(model)
        self.steps(model, optimizer, 0, 2, share=0.0)
        for old, new in zip(before, self.weights(model), strict=True):
            assert torch.equal(old, new)

    def test_steps_lower_the_loss(self) -> None:
        """On inputs that were not trained on."""
        model, optimizer = self.made()
        x = torch.randn(64, 3, 4, 4, generator=torch.Generator().manual_seed(99))
        before = model(x).square().mean().item()
        self.steps(model, optimizer, 0, 40)
        assert model(x).square().mean().item() < before

    def test_a_state_that_is_loaded_goes_on_to_the_last_bit(self) -> None:
        """A killed run ends as one that was not; names of others are left alone."""
        whole, first = self.made()
        self.steps(whole, first, 0, 6)
        model, optimizer = self.made()
        self.steps(model, optimizer, 0, 3)
        state = {name: tensor.clone() for name, tensor in optimizer.state().items()}
        again, resumed = self.made()
        again.load_state_dict(model.state_dict())
        resumed.load(state | {"of another": torch.zeros(1)})
        self.steps(again, resumed, 3, 6)
        for old, new in zip(self.weights(whole), self.weights(again), strict=True):
            assert torch.equal(old, new)
