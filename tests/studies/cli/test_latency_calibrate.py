"""`walkbench latency calibrate` and the questions of `estimate`, as whole commands."""

import json

import pytest
from typer.testing import CliRunner

from studies.cli.main import app


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("WALKBENCH_HOME", str(tmp_path / "home"))


def run(*words):
    return CliRunner().invoke(app, ["latency", *map(str, words)])


def rows(*words):
    result = run(*words, "--format", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def anchors(folder, text):
    path = folder / "anchors.csv"
    path.write_text(text)
    return path


def test_a_calibrated_phone_is_estimated_by_its_name_and_usable_in_a_study(tmp_path):
    from studies.config import parse_config

    measured = anchors(tmp_path, "spec,latent,ms\nsd15,64,350\n")
    given = ("--device", "iPhone 15 Pro", "--measured", measured, "--name", "my phone")
    found = {row["spec"]: row for row in rows("calibrate", *given)}
    sdxl = found["sdxl"]
    assert sdxl["latency_ms"] > sdxl["before_ms"]
    width = sdxl["latency_high_ms"] / sdxl["latency_low_ms"]
    assert width < sdxl["before_high_ms"] / sdxl["before_low_ms"]
    (row,) = rows("estimate", "sdxl", "--device", "my phone")
    assert (row["latency_ms"], row["chip"]) == (sdxl["latency_ms"], "A17 Pro")
    config = parse_config(
        "[study]\nname = 'x'\ntrials = 1\n[space]\nname = 'pocket'\n"
        "[objectives]\nminimise = ['latency_ms']\n[device]\nname = 'my phone'\n"
    )
    assert config.device == "my phone"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("spec,latent,ms\nsd15,64,0.35\n", "seems to be in seconds"),
        ("spec,latent,ms\nsd15,64,0\n", "a positive number of milliseconds"),
        ("spec,latent,ms\nsd15,64,300\nsd15,64,500\n", "contradict each other"),
        ("spec,device,ms\nsd15,iPhone 12,300\n", "was timed on iPhone 12 (A14)"),
    ],
)
def test_bad_anchors_are_refused_in_one_line_and_nothing_is_kept(tmp_path, text, words):
    given = ("--device", "A17 Pro", "--measured", anchors(tmp_path, text), "--name", "mine")
    result = run("calibrate", *given)
    assert result.exit_code == 2 and not result.stdout
    (line,) = result.stderr.splitlines()
    assert words in line
    assert not (tmp_path / "home").exists()


def test_a_doubtful_anchor_is_named(tmp_path):
    measured = anchors(tmp_path, "spec,latent,ms\nsd15,64,6000\n")
    given = ("--device", "A17 Pro", "--measured", measured, "--name", "mine")
    assert "doubtful anchor" in run("calibrate", *given).stderr


def test_calibrating_by_nothing_says_what_to_give():
    assert "walkbench latency anchors --device A15" in run("calibrate", "--device", "A15").stderr


def test_an_estimate_takes_latent_tokens_batch_and_units():
    def ms(*words):
        (row,) = rows("estimate", "sdxl", "--device", "iPad Pro M2", *words)
        return row["latency_ms"]

    one = ms()
    assert ms("--latent", "64") < one < ms("--batch", "2")
    assert ms("--tokens", "300") > one
    assert ms("--units", "gpu") > one
    assert "unknown compute units" in run("estimate", "sdxl", "--units", "npu").stderr
