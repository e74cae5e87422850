import functools
import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from proxies.checkpoint import restore, save
from proxies.hardware import Hardware
from proxies.recipe import Budget
from proxies.score import Score, difference
from search_space.errors import WalkbenchError
from tests.proxies.small import made, score_of, small_spec

HAS_CUDA = torch.cuda.is_available()


def trained(steps=6, spec=None, **options):
    trainer = made(spec, **options)
    trainer.advance(Budget(steps=steps))
    return trainer


def pretend_cuda(monkeypatch, capability, count=1):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device=None: capability)


@pytest.mark.parametrize(
    ("device", "precision", "said"),
    [
        ("gpu", "auto", "device 'gpu' is unknown; use cpu, cuda, cuda:N or mps"),
        ("cpu:0", "auto", "device 'cpu:0' is unknown"),
        ("cpu", "fp8", "precision 'fp8' is unknown; use auto, float32, tf32, bfloat16"),
        ("cpu", "tf32", "device 'cpu' does not train in tf32; use float32 or bfloat16"),
    ],
)
def test_a_device_or_precision_that_is_none_is_named(device, precision, said):
    with pytest.raises(WalkbenchError, match=said):
        Hardware.of(device, precision)


@pytest.mark.skipif(HAS_CUDA, reason="needs a machine without CUDA")
def test_a_device_that_is_not_there_is_named_before_anything_is_made():
    with pytest.raises(WalkbenchError, match=r"device 'cuda' is not there: .*; use cpu"):
        score_of(steps=1, device="cuda")


@pytest.mark.skipif(torch.backends.mps.is_available(), reason="needs a machine without MPS")
def test_mps_elsewhere_than_on_a_mac_is_named():
    with pytest.raises(WalkbenchError, match="device 'mps' is not there: it needs a Mac"):
        Hardware.of("mps")


def test_a_gpu_number_that_is_too_high_names_the_highest(monkeypatch):
    pretend_cuda(monkeypatch, (9, 0), count=2)
    with pytest.raises(WalkbenchError, match="this machine has 2; use cuda:1"):
        Hardware.of("cuda:2")


def test_bfloat16_is_chosen_where_the_hardware_has_it_and_nowhere_else(monkeypatch):
    assert Hardware.of("cpu").precision == "float32"
    pretend_cuda(monkeypatch, (8, 0))
    assert Hardware.of("cuda").precision == "bfloat16"
    pretend_cuda(monkeypatch, (7, 5))
    assert Hardware.of("cuda").precision == "float32"
    with pytest.raises(WalkbenchError, match="does not train in bfloat16; use float32"):
        Hardware.of("cuda", "bfloat16")


def switches():
    cudnn = torch.backends.cudnn
    return torch.get_float32_matmul_precision(), cudnn.allow_tf32, cudnn.benchmark


@pytest.mark.parametrize(
    ("precision", "training"), [("float32", "highest"), ("tf32", "high"), ("bfloat16", "high")]
)
def test_torchs_global_switches_are_lent_and_given_back(precision, training):
    before, hardware = switches(), Hardware(torch.device("cuda"), precision)
    with hardware.training():
        assert switches()[:2] == (training, training == "high")
        with hardware.validating():
            assert switches()[:2] == ("highest", False)
        assert switches()[:2] == (training, training == "high")
    assert switches() == before


def test_a_cpu_run_touches_no_global_switch():
    before = switches()
    with Hardware.of("cpu").training():
        assert switches() == before


def test_bfloat16_computes_in_bfloat16_and_keeps_weights_and_validation_in_float32():
    seen = []
    spec = small_spec(qk_norm="rms", rope=True)
    trainer = made(spec, precision="bfloat16")
    trainer.learner.unet.get_submodule("down0.res0.conv1").register_forward_hook(
        lambda module, inputs, out: seen.append(out.dtype)
    )
    trainer.advance(Budget(steps=1))
    assert seen == [torch.bfloat16]
    trainer.score()
    assert set(seen[1:]) == {torch.float32}
    kept = [*trainer.flat.weights, *trainer.ema.averages, *(w.grad for w in trainer.flat.weights)]
    assert {tensor.dtype for tensor in kept} == {torch.float32}


@pytest.mark.slow
def test_bfloat16_learns_about_as_well_as_float32():
    short, full = trained(30, precision="bfloat16").score(), trained(30).score()
    assert short.value < 0.9 * short.start
    assert short.value == pytest.approx(full.value, rel=0.05)
    assert short.value != full.value


def test_scores_say_their_precision_and_do_not_compare_across_it():
    short, full = trained(1, precision="bfloat16").score(), trained(1).score()
    assert (short.fidelity.precision, full.fidelity.precision) == ("bfloat16", "float32")
    with pytest.raises(WalkbenchError, match="trained in bfloat16 and in float32 do not compare"):
        difference(short, full)


def test_scores_from_before_precisions_had_a_name_are_float32():
    data = trained(1).score().to_dict()
    for name in ("precision", "compiled", "micro_batch"):
        del data["fidelity"][name]
    assert Score.from_dict(data).fidelity.precision == "float32"


def test_a_checkpoint_of_another_precision_names_it(tmp_path):
    save(trained(1), tmp_path / "run")
    with pytest.raises(WalkbenchError, match="precision is 'float32' there and 'bfloat16' here"):
        restore(made(precision="bfloat16"), tmp_path / "run")


def test_a_checkpoint_from_before_precisions_had_a_name_goes_on(tmp_path):
    path = tmp_path / "run"
    save(trained(2), path)
    with safe_open(path, framework="pt") as file:
        facts = json.loads(file.metadata()["run"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del facts["identity"]["precision"], facts["identity"]["compiled"], facts["micro_batch"]
    save_file(tensors, path, metadata={"run": json.dumps(facts)})
    run = made()
    restore(run, path)
    assert (run.step, run.gradient.micro_batch) == (2, 8)


@pytest.mark.slow
def test_a_compiled_run_trains_like_another(monkeypatch):
    # the real inductor takes minutes; this backend traces the same graph and runs it as it is
    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend="eager"))
    fast, plain = trained(3, compiled=True), trained(3)
    assert fast.score().fidelity.compiled
    assert fast.score().losses == pytest.approx(plain.score().losses, rel=1e-4)
    names = [name for name, _ in fast.learner.named_parameters()]
    assert names == [name for name, _ in plain.learner.named_parameters()]


@pytest.mark.slow
def test_a_compiler_that_fails_is_named(monkeypatch):
    def backend(graph, inputs):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=backend))
    with pytest.raises(WalkbenchError, match=r"does not work here .*no C\+\+ compiler"):
        trained(1, compiled=True)


@pytest.mark.gpu
@pytest.mark.skipif(not HAS_CUDA, reason="needs CUDA")
def test_a_gpu_sees_the_same_numbers_as_a_cpu():
    here, there = trained(1), trained(1, device="cuda", precision="float32")
    assert torch.equal(here.generator.get_state(), there.generator.get_state())
    assert there.loss == pytest.approx(here.loss, rel=1e-4)
    auto = trained(10, device="cuda")
    assert auto.score().value < auto.loss_function.start
