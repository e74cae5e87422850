"""The twin that a proxy trained is exported whole: network, linear guess, captions."""

import json

import pytest
import torch
from safetensors.torch import load_file

from proxies.callbacks import Checkpoints
from proxies.testing import tiny_network, tiny_run
from proxies.trainer import Trainer
from search_space.errors import WalkbenchError
from search_space.spec import UNetSpec
from studies.export import export
from studies.export_design import Exportable, find_design
from studies.export_proxy import twin_of_checkpoint, twin_of_trial
from studies.runner import run_study
from tests.studies.fakes import FakeLatency, make_config


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("proxy") / "run.safetensors"
    trainer = Trainer(tiny_run(steps=3), [Checkpoints(path)])
    trainer.train()
    return trainer, path


def test_the_exported_twin_predicts_the_velocity_of_the_trained_learner(trained, tmp_path):
    from search_space.diffusers_bridge.walkbench_unet import WalkbenchUNet2DConditionModel

    trainer, path = trained
    shown, weights = twin_of_checkpoint(Exportable(tiny_network(), "mine"), path)
    export(shown, tmp_path, weights=weights)
    unet = WalkbenchUNet2DConditionModel.from_pretrained(tmp_path, subfolder="unet")
    tables = load_file(tmp_path / "captions.safetensors")
    side, text = trainer.settings.latent, trainer.validation.text[:2]
    x = torch.randn((2, 3, side, side), generator=torch.Generator().manual_seed(0))
    t = torch.tensor([0.25, 0.9])
    context = tables["words.weight"][text] + tables["places.weight"]
    with trainer.averaged() as learner, torch.no_grad():
        expected = learner(x, t, text)
        got = unet(x, 1000 * t, context).sample
    assert torch.allclose(got, expected, atol=1e-5)
    assert expected.std() > 0.1
    about = json.loads((tmp_path / "export.json").read_text())
    assert about["class"] == "WalkbenchUNet2DConditionModel"
    assert about["weights"]["twin_of"] == tiny_network().digest() != about["digest"]
    assert about["weights"]["steps"] == 3 and about["name"] == "twin of mine"
    assert UNetSpec.from_json((tmp_path / "spec.json").read_text()) == trainer.learner.network.spec
    assert "as a proxy trained it: 3 steps" in (tmp_path / "README.md").read_text()


@pytest.mark.slow
def test_a_trial_is_trained_again_to_the_loss_that_its_study_found(tmp_path):
    config = make_config(
        tmp_path, trials=1, budgets="", proxy="[proxy]\nsteps = 2\nwidth = 8\nbatch = 2\n"
    )
    url = str(tmp_path / "s.db")
    name = run_study(config, storage=url, latency=FakeLatency()).study.study_name
    design = find_design("0", name, url)
    steps = []

    class Watch(Checkpoints):
        def stepped(self, trainer, before, spent):
            steps.append(trainer)

    shown, weights = twin_of_trial(design, url, (Watch(tmp_path / "none"),))
    assert len(steps) == 2 and weights.facts["steps"] == 2
    assert steps[-1].score().value == design.score["value"]
    assert shown.trial["number"] == 0
    export(shown, tmp_path / "a", weights=weights)
    export(shown, tmp_path / "b", weights=twin_of_trial(design, url)[1])
    for path in (tmp_path / "a").rglob("*.*"):
        assert path.read_bytes() == (tmp_path / "b" / path.relative_to(tmp_path / "a")).read_bytes()


def test_a_design_without_a_trained_trial_or_its_checkpoint_is_refused(trained, tmp_path):
    with pytest.raises(WalkbenchError, match="needs a trial that was trained, or the file"):
        twin_of_trial(Exportable(tiny_network()), None)
    with pytest.raises(WalkbenchError, match=r"is of the design .*, not of .*; name the design"):
        twin_of_checkpoint(Exportable(tiny_network(depth=2)), trained[1])
    (tmp_path / "text.safetensors").write_text("text")
    with pytest.raises(WalkbenchError, match="is none of `walkbench proxy run`"):
        twin_of_checkpoint(Exportable(tiny_network()), tmp_path / "text.safetensors")
