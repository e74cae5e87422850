import io
from dataclasses import replace

import numpy as np
import optuna
import pytest
from PIL import Image
from typer.testing import CliRunner

from proxies.recipe import Budget
from search_space.errors import WalkbenchError
from studies.cli.main import app
from studies.config import parse_config
from studies.gallery import Gallery, gallery_folder, read_grid
from studies.reading import study_data
from studies.records import Samples, TrialRecord
from studies.runner import run_study
from studies.store import storage_url
from tests.proxies.small import made
from tests.studies.fakes import FakeLatency, FakeProxy, config_text, make_config

PROXY = "[proxy]\nsteps = 2\nwidth = 8\nbatch = 2\nsamples = 4\n"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A study of two trials, both of one design: the first trains and draws."""

    def train_a_small_one(run, callbacks):
        trainer = made(width=8)
        trainer.advance(Budget(steps=1))
        score = trainer.score()
        for callback in callbacks:
            callback.scored(trainer, score)
        return score

    folder = tmp_path_factory.mktemp("gallery")
    fix = (
        '{mid_depth = 1, "depth.1.down" = 0, "depth.2.down" = 1, "depth.2.up" = 1, '
        '"kv_heads.2" = 1}'
    )
    config = make_config(
        folder, proxy=PROXY, trials=2, fix=fix, designs=(), budgets="latency_ms = 9000"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("studies.engines.serial.train_run", train_a_small_one)
        run = run_study(config, storage=str(folder / "studies.db"), latency=FakeLatency())
    return run.study, study_data(run.study).trials, storage_url(str(folder / "studies.db")), folder


def test_a_trained_trial_keeps_what_its_twin_draws_as_an_optuna_artifact(drawn):
    study, found, url, folder = drawn
    samples = found[0].samples
    assert (folder / "studies.artifacts" / samples.artifact).is_file()
    trial = study.get_trials()[0]
    listed = optuna.artifacts.get_all_artifact_meta(trial, storage=study._storage)
    assert [meta.artifact_id for meta in listed] == [samples.artifact]
    assert (listed[0].filename, listed[0].mimetype) == ("trial-0-samples.png", "image/png")
    pixels = np.asarray(Image.open(io.BytesIO(read_grid(url, found[0], found))))
    assert pixels.shape == (3 * 28, 3 * (8 * 26 + 2), 3)
    assert len(np.unique(pixels)) > 20


def test_a_design_trained_before_shows_the_pictures_of_that_trial(drawn):
    _, found, url, _ = drawn
    assert found[1].trained_by == 0 and found[1].samples is None
    assert read_grid(url, found[1], found) == read_grid(url, found[0], found)


def test_the_command_writes_them_and_refuses_what_there_is_not(drawn, tmp_path):
    _, _, url, _ = drawn

    def invoke(*args):
        return CliRunner().invoke(app, ["study", "samples", "small", *args, "--storage", url])

    out = tmp_path / "grid.png"
    assert invoke("0", "--to", str(out)).exit_code == 0
    with Image.open(out) as image:
        assert image.format == "PNG"
    for args, message in (
        (["7", "--to", str(out)], "has no trial 7"),
        (["0", "--to", "grid.gif"], "is not a .png"),
    ):
        result = invoke(*args)
        assert result.exit_code == 2
        assert message in result.stderr


def test_pictures_on_another_machine_are_said_to_be_there(drawn):
    _, found, _, _ = drawn
    row = replace(found[0], samples=replace(found[0].samples, artifact="gone"))
    with pytest.raises(WalkbenchError, match="are not here: they were written to"):
        read_grid("sqlite:///elsewhere.db", row, found)


def test_samples_are_no_part_of_what_trials_share():
    def text(samples):
        config = config_text(proxy=f"[proxy]\nsteps = 2\n{samples}\n")
        return config.replace('path = "small.toml"', 'name = "snapgen"')

    with_them, without = (parse_config(text(line)) for line in ("samples = 9", ""))
    assert with_them.shared(None) == without.shared(None)
    assert (with_them.samples, without.samples) == (9, 0)
    assert "samples" not in repr(with_them.shared(None))
    with pytest.raises(WalkbenchError, match="samples is -1"):
        parse_config(text("samples = -1"))


def test_without_samples_a_trial_has_none_and_says_how_to_get_them(tmp_path):
    storage = str(tmp_path / "studies.db")
    config = make_config(tmp_path, trials=1)
    run = run_study(config, storage=storage, latency=FakeLatency(), proxy=FakeProxy())
    found = study_data(run.study).trials
    assert not gallery_folder(storage_url(storage)).exists()
    with pytest.raises(WalkbenchError, match=r"trial 0 has no samples.*samples = 32"):
        read_grid(storage_url(storage), found[0], found)


def test_a_grid_that_cannot_be_kept_costs_the_trial_nothing_else(tmp_path):
    gallery = Gallery(tmp_path / "pictures", 4)
    gallery._drawn = np.zeros((4, 24, 24, 3), dtype=np.uint8)
    (tmp_path / "pictures").rmdir()
    study = optuna.create_study()
    trial = study.ask()
    gallery.keep(trial)
    assert "No such file" in trial.user_attrs["samples"]["failed"]
    row = TrialRecord(0, "COMPLETE", samples=Samples(**trial.user_attrs["samples"]))
    with pytest.raises(WalkbenchError, match=r"samples of trial 0 were not kept: .*No such file"):
        read_grid("sqlite:///x.db", row, [row])


def test_a_folder_that_cannot_be_made_is_refused_before_anything_is_trained(tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(WalkbenchError, match=r"samples folder .* cannot be made"):
        Gallery(tmp_path / "taken" / "below", 4)
