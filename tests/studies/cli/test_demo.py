"""`walkbench demo`, with a study of small networks that does not train in the place of its own."""

import json
import re
import shlex
from pathlib import Path

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
study = {name = "demo", trials = 3}
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
    monkeypatch.setattr("shutil.which", lambda name: name)  # as with the environment active
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPTUNA_STORAGE", raising=False)

    def call(*words, code=0):
        result = CliRunner().invoke(app, ["demo", *words])
        assert result.exit_code == code, result.stderr
        return result

    return call


def test_demo_walks_searches_reports_exports_and_says_where_everything_is(demo, tmp_path):
    out = demo().stdout
    runs = tmp_path / "runs"
    assert "Family M: the walk from SDXL to SnapGen" in out and "Family F" in out
    assert "Pareto front, and named designs" in out
    for path in ("demo/walk.html", "demo/report.html", "demo/export/spec.json", "walkbench.db"):
        assert (runs / path).is_file()
    for line in (
        "report     runs/demo/report.html",
        "export     runs/demo/export",
        "storage    sqlite:///runs/walkbench.db",
        "walkbench study best demo\n",
        "walkbench dashboard\n",
    ):
        assert line in out
    exported = json.loads((runs / "demo/export/export.json").read_text())
    assert exported["trial"]["study"] == "demo" and exported["trial"]["feasible"] is True


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
    assert "name another file with --storage" in said


def test_another_storage_and_folder_can_be_named(demo, tmp_path):
    out = demo("--trials", "1", "--storage", "my studies.db", "--to", "pages").stdout
    assert "walkbench study best demo --storage 'sqlite:///my studies.db'" in out
    assert (tmp_path / "pages" / "report.html").is_file() and (tmp_path / "my studies.db").is_file()


README = (Path(__file__).parents[3] / "README.md").read_text()
AFTER_DEMO = [
    line.partition("  #")[0].strip()
    for line in README.splitlines()
    if re.match(r"    walkbench (study best|report|export \d)", line)
]


def test_the_readme_s_commands_work_as_printed_after_the_demo(demo, tmp_path):
    demo("--trials", "2")
    assert len(AFTER_DEMO) == 3
    for line in AFTER_DEMO:
        words = shlex.split(line.replace("export 7", "export 1"))[1:]  # of fewer trials
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 0, (line, result.stderr)
    assert (tmp_path / "report.html").is_file() and (tmp_path / "exported" / "trial-7").is_dir()


def test_the_shipped_demo_is_found_by_the_commands_that_follow_it():
    assert load_config("demo").storage is None and load_config("demo").name == "demo"


def test_a_folder_that_cannot_be_made_is_one_line(demo, tmp_path):
    (tmp_path / "runs").write_text("in the way")
    assert demo(code=2).stderr.strip().splitlines()[-1].startswith("error: ")


def test_the_shipped_demo_searches_around_the_walk():
    config = load_config("demo")
    assert {"proxy_loss", "latency_ms"} == set(config.objectives)
    final = config.enqueue[-1].spec
    assert list(differences(final.to_dict(), named_spec("F/qk-norm-rope").to_dict())) == []
