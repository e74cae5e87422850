"""`walkbench export`: documented JSON, trials by number, and one line for every mistake."""

import json

import optuna
import pytest
from typer.testing import CliRunner

from search_space.diffusers_bridge import spec_from_config
from search_space.exported import load_exported
from studies.cli.main import app
from studies.export_design import Exportable

SPEC = spec_from_config(
    {
        "_class_name": "UNet2DConditionModel",
        "block_out_channels": [8, 16, 16, 16],
        "attention_head_dim": 2,
        "norm_num_groups": 8,
        "cross_attention_dim": 16,
        "sample_size": 16,
    }
)


@pytest.fixture
def export(tmp_path):
    def call(*words, code=0):
        result = CliRunner().invoke(app, ["export", *words])
        assert result.exit_code == code, result.output
        return result.stdout if code == 0 else " ".join(result.stderr.split())

    return call


@pytest.fixture
def storage(tmp_path, monkeypatch):
    """A storage with one study: trial 0 has a design, trial 1 failed before it had one."""
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)
    url = f"sqlite:///{tmp_path}/s.db"
    study = optuna.create_study(storage=url, study_name="first", directions=["minimize"])
    trial = study.ask()
    trial.set_user_attr("spec", SPEC.to_dict())
    trial.set_user_attr("latency", {"device": "A18 Pro", "ms": 2.0, "low": 1.0, "high": 3.0,
                                    "coverage": 0.0, "source": "estimated"})  # fmt: skip
    study.tell(trial, 1.0)
    study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
    return url


def test_json_has_the_documented_fields(export, tmp_path):
    (tmp_path / "spec.json").write_text(SPEC.to_json())
    folder = tmp_path / "out"
    given = (str(tmp_path / "spec.json"), "--to", str(folder), "--seed", "4", "--dtype", "fp16")
    got = json.loads(export(*given, "--format", "json"))
    assert got == {
        "folder": str(folder),
        "class": "UNet2DConditionModel",
        "why_own": None,
        "digest": SPEC.digest(),
        "params": sum(p.numel() for p in load_exported(folder).parameters()),
        "weights": {"kind": "initial", "seed": 4, "dtype": "fp16"},
        "files": [
            str(folder / name)
            for name in (
                "spec.json",
                "export.json",
                "provenance.json",
                "README.md",
                "model_index.json",
                "train.yaml",
                "unet/config.json",
                "unet/diffusion_pytorch_model.safetensors",
                "scheduler/scheduler_config.json",
            )
        ],
        "packages": [],
    }


def test_a_trial_is_exported_with_what_its_study_knows(export, storage, tmp_path):
    export("0", "--storage", storage, "--to", str(tmp_path / "out"))
    about = json.loads((tmp_path / "out" / "export.json").read_text())
    assert about["digest"] == SPEC.digest()
    assert about["latency"]["device"] == "A18 Pro"
    assert (about["trial"]["study"], about["trial"]["number"]) == ("first", 0)
    assert load_exported(tmp_path / "out").spec == SPEC


def test_a_trial_or_study_that_is_not_there_is_named_with_those_that_are(export, storage, tmp_path):
    to = ("--to", str(tmp_path / "out"), "--storage", storage)
    assert "has no trial 9; its trials: 0 … 1" in export("9", *to, "--study", "first", code=2)
    assert "trial 1 of study 'first' has no spec (fail)" in export("1", *to, code=2)
    assert "known: first" in export("0", *to, "--study", "frist", code=2)
    optuna.create_study(storage=storage, study_name="second")
    assert "name it with --study; known: first, second" in export("0", *to, code=2)
    assert not (tmp_path / "out").exists()


def test_mistakes_are_one_line_with_exit_code_2(export, tmp_path):
    to = ("--to", str(tmp_path / "out"))
    assert "unknown spec 'sdx1'; did you mean 'sdxl'?" in export("sdx1", *to, code=2)
    assert "is not a trial number" in export("sd15", *to, "--study", "x", code=2)
    nowhere = f"{tmp_path}/none.db"
    assert "does not exist" in export("3", *to, "--storage", nowhere, code=2)
    (tmp_path / "spec.json").write_text(SPEC.to_json())
    given = (str(tmp_path / "spec.json"), *to)
    assert "unknown device 'iPhone 51'" in export(*given, "--device", "iPhone 51", code=2)
    assert not (tmp_path / "out").exists()


def test_a_design_over_its_budget_is_exported_with_a_warning(storage, monkeypatch, tmp_path):
    trial = {"study": "first", "number": 0, "feasible": False, "over_budget": ["params"]}
    found = Exportable(SPEC, trial={**trial, "provenance": None})
    monkeypatch.setattr("studies.export_design.find_design", lambda *_: found)
    words = ["export", "0", "--storage", storage, "--to", str(tmp_path / "out")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert "trial 0 of study first is over its budget of params; exported all the same" in said
    assert "over a budget" in (tmp_path / "out" / "README.md").read_text()


def test_an_export_is_read_back_to_the_same_digest(export, tmp_path):
    for spec in (SPEC, SPEC.replace(rope=True)):
        (tmp_path / "spec.json").write_text(spec.to_json())
        folder = tmp_path / spec.digest()
        export(str(tmp_path / "spec.json"), "--to", str(folder))
        for place in (folder, folder / "unet"):
            result = CliRunner().invoke(app, ["spec", "import", str(place)])
            assert result.exit_code == 0, result.output
            assert json.loads(result.stdout) == json.loads(spec.to_json())
            assert spec.digest() in result.stderr
    about = json.loads((folder / "export.json").read_text())
    (folder / "export.json").write_text(json.dumps(about | {"digest": "0" * 12}))
    result = CliRunner().invoke(app, ["spec", "import", str(folder)])
    assert result.exit_code == 2 and "export it again" in " ".join(result.stderr.split())
    (folder / "export.json").write_text(json.dumps(about | {"format": 99}))
    result = CliRunner().invoke(app, ["spec", "import", str(folder)])
    assert result.exit_code == 2 and "upgrade Walkbench" in " ".join(result.stderr.split())
