"""For tests, Walkbench's own and yours: a network that trains in milliseconds, and `ProxySuite`.

Subclass the suite, say what your proxy gives, and pytest checks what every proxy must do:

    class TestMyProxy(ProxySuite):
        def numbers(self, network, seed):
            return {"my score": my_proxy(network, seed)}

>>> run = tiny_run(steps=3)
>>> run.settings.budget.steps, run.settings.recipe.batch
(3, 8)
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
import torch

from proxies.callbacks import Callback
from proxies.compute import Compute
from proxies.model import Learner
from proxies.recipe import Budget, Recipe
from proxies.training_run import TrainingRun, TrainingSettings
from proxies.twin import TwinError
from search_space.spec import Context, Conv, Mid, Path, Site, Stage, UNetSpec

if TYPE_CHECKING:
    from proxies.trainer import Trainer

TINY_RECIPE = Recipe(batch=8, warm_up=5, train_images=64, validation_images=32)
_COMPUTE = {field.name for field in dataclasses.fields(Compute)}


def tiny_network(depth: int = 1, **changes: Any) -> UNetSpec:
    """Return two stages, one site each way; attention in the lower one."""
    plain, attends = Path((Site(),)), Path((Site(depth),), True, True)
    stages = (
        Stage(256, 4, 64, plain, plain, kv_heads=4),
        Stage(512, 8, 64, attends, attends, kv_heads=8),
    )
    return UNetSpec(stages, Mid(), time_width=512, context=Context(768, 77)).replace(**changes)


def tiny_run(
    network: UNetSpec | None = None,
    steps: int | None = None,
    seconds: float | None = None,
    validate_at: tuple[float, ...] = (),
    **changes: Any,
) -> TrainingRun:
    """Return a run of a step of the tiny network, unless told otherwise.

    ``changes`` are fields of :class:`TrainingSettings` and of its `Compute`.
    """
    if steps is None and seconds is None:
        steps = 1
    compute = {name: changes.pop(name) for name in list(changes) if name in _COMPUTE}
    fields = {"recipe": TINY_RECIPE, "compute": Compute(**compute), **changes}
    settings = TrainingSettings(Budget(steps, seconds), **fields)
    return settings.run(network or tiny_network(), validate_at=validate_at)


class Stopped(Exception):
    """Raised by :class:`StopAt`."""


class StopAt(Callback):
    """Ends a run after ``step`` steps, as a kill would."""

    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, trainer: "Trainer", before: float, spent: float) -> None:
        """Raise :class:`Stopped` at the step."""
        if trainer.step == self.step:
            raise Stopped


class OneThread:
    """Base of suites that compare bits: their tests run on one CPU thread."""

    @pytest.fixture(autouse=True)
    def one_thread(self) -> Iterator[None]:
        """One CPU thread: with more, sums may be added in another order."""
        before = torch.get_num_threads()
        torch.set_num_threads(1)
        yield
        torch.set_num_threads(before)


class ProxySuite(OneThread):
    """What every proxy must do, trained or not: repeat, treat all candidates alike, fail loudly."""

    counted: frozenset[str] = frozenset({"params", "macs"})  # numbers that no seed changes

    def numbers(self, network: UNetSpec, seed: int = 0) -> dict[str, float]:
        """Return what the proxy says of ``network`` under ``seed``, by name."""
        raise NotImplementedError

    def other(self) -> UNetSpec:
        """Return a second design, of other depth and convolutions."""
        first, second = tiny_network(depth=2).stages
        separable = dataclasses.replace(first, conv=Conv("separable"))
        return tiny_network(stages=(separable, second))

    def test_it_repeats_to_the_last_bit_whatever_ran_before(self) -> None:
        """The global random state and earlier designs change nothing."""
        torch.manual_seed(1)
        first = self.numbers(tiny_network())
        self.numbers(self.other(), seed=5)
        torch.manual_seed(2)
        assert self.numbers(UNetSpec.from_json(tiny_network().to_json())) == first
        assert all(math.isfinite(value) for value in first.values())

    def test_another_seed_gives_other_numbers_except_for_what_is_counted(self) -> None:
        """The seed reaches everything that is random."""
        a, b = self.numbers(tiny_network(), seed=0), self.numbers(tiny_network(), seed=1)
        assert {name for name in a if a[name] == b[name]} == self.counted & a.keys()

    def test_designs_are_told_apart(self) -> None:
        """Two designs have two values."""
        a, b = self.numbers(tiny_network()), self.numbers(self.other())
        assert all(a[name] != b[name] for name in a)

    def test_every_candidate_gets_the_same_pictures_noise_times_and_captions(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What a proxy shows to its network does not depend on the network."""
        seen: list[list[torch.Tensor]] = []
        plain = Learner.forward

        def forward(learner: Any, x_t: Any, t: Any, text: Any, labels: Any = None) -> Any:
            seen.append([x.detach().clone() for x in (x_t, t, text)])
            return plain(learner, x_t, t, text, labels)

        monkeypatch.setattr(Learner, "forward", forward)
        self.numbers(tiny_network())
        number = len(seen)
        self.numbers(self.other())
        assert number >= 2 and len(seen) == 2 * number
        for a, b in zip(seen[:number], seen[number:], strict=True):
            assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))

    def test_it_leaves_random_state_threads_and_gradient_mode_as_they_were(self) -> None:
        """A proxy draws from generators of its own."""
        torch.manual_seed(3)
        state = torch.get_rng_state()
        self.numbers(tiny_network())
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.get_num_threads() == 1 and torch.is_grad_enabled()

    def test_a_design_without_a_twin_is_an_error_that_names_the_rule(self) -> None:
        """Not a number that happens to be bad."""
        path = Path((Site(),))
        narrow = (Stage(64, 1, 64, path, path, kv_heads=1),) * 2
        with pytest.raises(TwinError, match="twin rule channels"):
            self.numbers(UNetSpec(narrow, Mid(), time_width=64))
