"""One study over UNet, decoder, steps and bits: trained for real, reported, exported."""

import dataclasses

import pytest

from latency_db.sources import source_of
from proxies.score import Fidelity, Score
from proxies.score_parts import PictureErrors
from search_space.errors import WalkbenchError
from search_space.picture import PictureSpec, named_texts, text_encoders_for
from search_space.presets import named_spec
from studies import picture_quality
from studies.analyses.card import cards
from studies.candidate import measured, priced
from studies.config import load_config, parse_config
from studies.metrics import METRICS
from studies.reading import study_data
from studies.report import write_report
from studies.runner import run_study

SPACE = """
[picture]
steps = [2, 4]
bits = [16, 4]
[unet]
designs = ["F/mqa"]
[decoder]
designs = ["snapgen-decoder", "decoder/fewer-norms"]
"""
CONFIG = """
study = {name = "small", trials = 5}
space = {path = "space.toml"}
objectives = {minimise = ["picture_s", "picture_error", "picture_mb"]}
budgets = {picture_s = 2.5, picture_mb = 9000}
device = {name = "iPhone 16 Pro"}
proxy = {steps = 2, width = 16, latent = 16, batch = 2, train_images = 8, validation_images = 8}
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_quality, "REFERENCE", 6)
    monkeypatch.setattr(picture_quality, "PICTURES", 3)
    (tmp_path / "space.toml").write_text(SPACE)
    config = parse_config(CONFIG, folder=tmp_path)
    return study_data(run_study(config, storage=f"{tmp_path}/s.db").study)


@pytest.mark.slow
def test_a_joint_study_trains_each_unet_once_and_reports_its_pictures(study, tmp_path):
    done = [trial for trial in study.trials if trial.state == "COMPLETE"]
    assert done and sum(trial.trained for trial in done) == 1
    for trial in done:
        found = {name: trial.measured(name) for name in METRICS.names()}
        parts = sum(found[f"{part}_ms"].value for part in ("text", "unet", "decoder", "overhead"))
        assert found["picture_s"].value == pytest.approx(parts / 1e3)
        assert found["picture_s"].low < found["picture_s"].value < found["picture_s"].high
        errors = ("proxy_loss", "sampling_error", "palette_error", "decoder_error")
        total = sum(found[name].value for name in errors)
        assert trial.values["picture_error"] == pytest.approx(total)
        assert trial.network.programs()[-1].name == "decoder"
    by_steps = {t.network.steps: t.measured("sampling_error").value for t in done}
    if len(by_steps) == 2:
        assert by_steps[4] < by_steps[2]
    (card,) = cards(study, ["pictures"])
    assert card.figure is not None and len(card.table.rows) >= 1
    write_report(study, tmp_path / "report.html")
    page = (tmp_path / "report.html").read_text()
    assert "Where a picture" in page and "Time to picture" in page


def test_what_a_study_lacks_is_an_error_before_it_runs(tmp_path):
    (tmp_path / "space.toml").write_text(SPACE)
    with pytest.raises(WalkbenchError, match="needs a device"):
        parse_config(CONFIG.replace('device = {name = "iPhone 16 Pro"}\n', ""), folder=tmp_path)


def test_the_shipped_study_begins_with_the_published_pictures():
    config = load_config("picture")
    assert [design.name for design in config.enqueue] == [
        "picture/snapgen-4-steps",
        "picture/snapgen-8-steps",
    ]
    source = config.latency_source()
    for design in config.enqueue:  # within the budgets
        for name, found in measured(
            priced(design.spec, source), config.budgets, "free", "lookup"
        ).items():
            assert METRICS.get(name).violation(found.value, config.budgets[name]) <= 0


def test_fewer_bits_and_fewer_steps_cost_less_and_err_more():
    unet = named_spec("F/mqa")
    picture = PictureSpec(
        unet, load_config("picture").space.base.decoder, 8, texts=named_texts(
            text_encoders_for(unet), unet
        ),
    )  # fmt: skip
    small = dataclasses.replace(picture, steps=2, bits=4)
    run = Fidelity(steps=400, seconds=1.0, width=8, latent=24, batch=8, seed=0)
    steps, bits = ((2, 0.2, 0.01), (8, 0.02, 0.001)), ((16, 0.0, 0.0), (4, 0.05, 0.01))
    errors = PictureErrors(steps, bits, decoder=0.1)
    score = Score.of_losses((0.2, 0.3), run, picture=errors)
    assert Score.from_dict(score.to_dict()) == score
    large, little = (
        dataclasses.replace(priced(one, source_of("A18 Pro")), score=score)
        for one in (picture, small)
    )
    for name in ("picture_s", "picture_mb", "disk_mb"):
        assert METRICS.get(name).measure(little).value < METRICS.get(name).measure(large).value
    error = METRICS.get("picture_error")
    assert error.measure(large).value == pytest.approx(0.25 + 0.02 + 0.1)
    assert error.measure(little).value == pytest.approx(0.25 + 0.2 + 0.05 + 0.1)
    assert error.measure(priced(unet, source_of("A18 Pro"))) is None
