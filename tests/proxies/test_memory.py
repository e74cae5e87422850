import numpy as np
import pytest
import torch

from proxies.checkpoint import restore, save
from proxies.memory import is_out_of_memory, largest_that_fits
from proxies.recipe import Budget
from proxies.samples import draw_samples
from search_space.errors import WalkbenchError
from tests.proxies.small import made


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def roomy(room=None, **options):
    """A trainer whose memory has room for so many samples at once."""
    trainer = made(**options)

    def check(module, inputs):
        if room is not None and len(inputs[0]) > room:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.2 GiB. GPU 0 has")

    trainer.learner.register_forward_pre_hook(check)
    return trainer


def draw(trainer):
    return trainer.loss_function.draw(trainer.generator)


def weights(trainer):
    return torch.cat([w.detach().clone() for w in trainer.flat.weights])


def test_a_batch_that_does_not_fit_is_named_with_the_one_that_does():
    said = (
        r"cpu has too little memory for a batch of 8 \(CUDA out of memory\); a batch of 2 fits: "
        "train with that, or accumulate to train with 8 in parts of 2"
    )
    with pytest.raises(WalkbenchError, match=said):
        roomy(room=3).advance(Budget(steps=1))


@pytest.mark.slow
def test_memory_for_no_sample_at_all_is_said_even_with_accumulation():
    with pytest.raises(WalkbenchError, match="even for a batch of 1; use a smaller width"):
        roomy(room=0, accumulate=True).advance(Budget(steps=1))


@pytest.mark.thinned
@pytest.mark.parametrize("room", [1, 3, 7])
def test_accumulated_gradients_are_those_of_the_batch(room):
    whole, parts = made(), roomy(room, accumulate=True)
    a, b = whole.gradient(draw(whole)), parts.gradient(draw(parts))
    assert b.item() == pytest.approx(a.item(), rel=1e-6)
    for one, other in zip(whole.flat.weights, parts.flat.weights, strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-7)


def test_parts_of_unequal_size_weigh_by_their_samples():
    whole, parts = made(), made()
    parts.gradient.micro_batch = 3  # 3 + 3 + 2
    whole.gradient(draw(whole)), parts.gradient(draw(parts))
    for one, other in zip(whole.flat.weights, parts.flat.weights, strict=True):
        assert torch.allclose(one.grad, other.grad, rtol=1e-4, atol=1e-7)


@pytest.mark.slow
def test_a_run_that_accumulates_repeats_to_the_last_bit_and_ends_near_the_whole_one():
    runs = [roomy(3, accumulate=True), roomy(3, accumulate=True), made()]
    for run in runs:
        run.advance(Budget(steps=6))
    assert torch.equal(weights(runs[0]), weights(runs[1]))
    assert runs[0].score().fidelity.micro_batch == 2
    assert runs[0].score().value == pytest.approx(runs[2].score().value, rel=1e-3)


@pytest.mark.slow
def test_a_resumed_run_accumulates_as_before(tmp_path):
    whole, first, second = (roomy(3, accumulate=True) for _ in range(3))
    whole.advance(Budget(steps=4))
    first.advance(Budget(steps=2))
    save(first, tmp_path / "run")
    restore(second, tmp_path / "run")
    assert second.gradient.micro_batch == 2
    second.advance(Budget(steps=4))
    assert torch.equal(weights(whole), weights(second))


@pytest.mark.slow
def test_a_batch_that_cannot_be_copied_to_the_device_names_the_one_that_can(monkeypatch):
    def put(self, tensor):
        if len(tensor) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 3.2 GiB. GPU 0 has")
        return tensor

    monkeypatch.setattr("proxies.hardware.Hardware.put", put)
    with pytest.raises(WalkbenchError, match="a batch of 2 fits"):
        made().advance(Budget(steps=1))
    parts = made(accumulate=True)
    parts.advance(Budget(steps=1))
    assert parts.score().fidelity.micro_batch == 2


def test_memory_that_ends_in_the_optimizer_blames_the_width(monkeypatch):
    trainer = made()

    def step(self, closure=None):
        raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried")

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    with pytest.raises(WalkbenchError, match=r"weights and averages of this twin .* smaller width"):
        trainer.advance(Budget(steps=1))


@pytest.mark.slow
def test_validation_takes_fewer_samples_at_once_where_memory_is_short():
    wide, short = made(), roomy(room=8)
    a, b = wide.score(), short.score()
    assert b.n == a.n
    assert b.losses == pytest.approx(a.losses, rel=1e-4)
    with pytest.raises(WalkbenchError, match="too little memory to validate a single sample"):
        roomy(room=0).score()


@pytest.mark.slow
def test_pictures_are_drawn_fewer_at_once_where_memory_is_short():
    a, b = draw_samples(made(), 5, steps=1), draw_samples(roomy(room=2), 5, steps=1)
    assert np.abs(a.images.astype(int) - b.images.astype(int)).max() <= 1  # batches round their own
    with pytest.raises(WalkbenchError, match="too little memory to draw one picture of 24 pixels"):
        draw_samples(roomy(room=0), 5, steps=1)


def test_other_errors_stay_what_they_are():
    def broken(size):
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="mat1"):
        largest_that_fits(broken, 8)


def test_a_real_allocation_that_fails_is_recognised():
    with pytest.raises(RuntimeError) as caught:
        torch.empty(2**55)
    assert is_out_of_memory(caught.value)
