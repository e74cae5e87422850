"""`walkbench demo`, with a study of small networks that does not train in the place of its own."""

import json

import pytest
from typer.testing import CliRunner

from search_space.differences import differences
from search_space.presets import named_spec
from search_space.spec import UNetSpec
from studies.cli import demo as module
from studies.cli.main import app
from studies.config import load_config

SPACE = """
name = "tiny"
base = "{base}"
[axes]
mid_depth = {{ low = 1, high = 4 }}
"depth.2.down" = {{ low = 1, high = 4 }}
"""

CONFIG = """
study = {name = "tiny", trials = 3}
space = {path = "tiny.toml"}
objectives = {minimise = ["latency_ms", "params"]}
device = {name = "A18 Pro"}
enqueue = {designs = []}
"""


@pytest.fixture
def demo(tmp_path, monkeypatch):
    data = named_spec("F/mqa").to_dict()
    for stage, channels in zip(data["stages"], (32, 64, 64), strict=True):
        heads = channels // 16
        kv_heads = heads if stage["kv_heads"] == stage["heads"] else 1
        stage |= {"channels": channels, "heads": heads, "head_dim": 16, "kv_heads": kv_heads}
    base = tmp_path / "base.json"
    base.write_text(UNetSpec.from_dict({**data, "time_width": 64}).to_json())
    (tmp_path / "tiny.toml").write_text(SPACE.format(base=base))
    (tmp_path / "config.toml").write_text(CONFIG)
    monkeypatch.setattr(module, "CONFIG", str(tmp_path / "config.toml"))

    def call(*words, code=0):
        result = CliRunner().invoke(app, ["demo", "--to", str(tmp_path / "runs"), *words])
        assert result.exit_code == code, result.stderr
        return result

    return call


def test_demo_walks_searches_reports_exports_and_says_where_everything_is(demo, tmp_path):
    out = demo().stdout
    runs = tmp_path / "runs"
    assert "Family M: the walk from SDXL to SnapGen" in out and "Family F" in out
    assert "Pareto front, and named designs" in out
    for path in ("demo/walk.html", "demo/report.html", "demo/export/spec.json", "demo.db"):
        assert (runs / path).is_file()
    for line in (
        f"report     {runs}/demo/report.html",
        f"export     {runs}/demo/export",
        f"walkbench dashboard --storage {runs}/demo.db",
    ):
        assert line in out
    exported = json.loads((runs / "demo/export/export.json").read_text())
    assert exported["trial"]["study"] == "tiny" and exported["trial"]["feasible"] is True


def test_demo_runs_again_over_what_is_there(demo):
    demo("--trials", "1")
    again = demo("--trials", "1")
    assert "1 of 1 trials were done already" in again.stderr
    assert "error:" not in again.stderr


def test_a_demo_of_other_settings_is_left_alone(demo, tmp_path):
    demo("--trials", "1")
    config = tmp_path / "config.toml"
    config.write_text(config.read_text() + "budgets = {params = 1e9}\n")
    said = demo("--trials", "1", code=2).stderr
    assert "remove it, or choose another folder with --to" in said


def test_a_folder_that_cannot_be_made_is_one_line(demo, tmp_path):
    (tmp_path / "runs").write_text("in the way")
    assert demo(code=2).stderr.strip().splitlines()[-1].startswith("error: ")


def test_the_shipped_demo_searches_around_the_walk():
    config = load_config("demo")
    assert {"proxy_loss", "latency_ms"} == set(config.objectives)
    final = config.enqueue[-1].spec
    assert list(differences(final.to_dict(), named_spec("F/qk-norm-rope").to_dict())) == []
