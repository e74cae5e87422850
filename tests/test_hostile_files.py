"""Files of strangers are data: they load, or are refused in one line, and never run.

Each file here would leave a trace if anything in it ran. What SECURITY.md promises is tested here.
"""

import ast
import json
import os
import pickle
import re
from pathlib import Path

import optuna
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from latency_db.table import Table
from latency_db.table_file import read_rows
from latency_db.table_row import COLUMNS, MeasuringConditions, Row, checksum
from proxies.evaluation.pipeline import load_pipeline
from search_space.blocks import parse_key
from search_space.errors import WalkbenchError
from search_space.exported import load_exported, read_spec
from search_space.load import load_network
from search_space.network import network_from_dict, network_from_json
from search_space.presets import named_spec
from studies.config import parse_config
from studies.gallery import read_grid
from studies.reading import open_for_reading, read_study
from studies.records import Samples, TrialRecord
from studies.report import write_report

ROOT = Path(__file__).parents[1]
PACKAGES = ("search_space", "latency_db", "proxies", "studies", "dashboard", "walkbench")
CODE = "__import__('os').mkdir('canary')"
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def no_canary(tmp_path, monkeypatch):
    """Work in a folder in which anything that runs leaves `canary`."""
    monkeypatch.chdir(tmp_path)
    yield
    assert not (tmp_path / "canary").exists(), "a file's code ran"


class Bomb:
    """A pickle of this makes `canary` when it is read."""

    def __reduce__(self):
        return os.mkdir, ("canary",)


# --- the code itself ----------------------------------------------------------------------


BANNED = {("pickle", "load"), ("pickle", "loads"), ("yaml", "load"), ("torch", "load")}
MODULES = {"pickle", "marshal", "shelve", "dill", "joblib"}


def runs_data(call):
    """Whether a call unpickles, evaluates or asks for code beside a model."""
    keywords = {word.arg: ast.unparse(word.value) for word in call.keywords}
    if "trust_remote_code" in keywords:
        return True
    if isinstance(call.func, ast.Name):
        return call.func.id in ("eval", "exec")
    if isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
        named = (call.func.value.id, call.func.attr)
        return named in BANNED and keywords.get("weights_only") != "True"
    return False


@pytest.mark.parametrize("package", PACKAGES)
def test_no_package_unpickles_evaluates_or_runs_what_it_reads(package):
    for path in (ROOT / package).rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
        assert not any(isinstance(n, ast.Call) and runs_data(n) for n in nodes), path
        names = {a.name for n in nodes if isinstance(n, ast.Import) for a in n.names}
        assert not names & MODULES, path


# --- specs --------------------------------------------------------------------------------

SPEC = named_spec("F/mqa").to_dict()
HOSTILE = st.sampled_from(
    [CODE, SCRIPT, "../../etc/passwd", "\x00", "", 2**70, -1, 0, 1e308, float("nan"), float("inf"),
     True, None, [], {}, [[]], {"__class__": "os.system"}, ["x"] * 50]
)  # fmt: skip


def places(value, path=()):
    """Every place of a JSON value."""
    yield path
    if isinstance(value, dict | list):
        inside = value.items() if isinstance(value, dict) else enumerate(value)
        for key, one in inside:
            yield from places(one, (*path, key))


def put(value, path, new):
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = put(value[path[0]], path[1:], new)
    return copy


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(list(places(SPEC))), value=HOSTILE)
def test_a_spec_with_anything_anywhere_is_a_network_or_is_refused(path, value):
    try:
        network_from_dict(put(SPEC, path, value)).digest()
    except WalkbenchError as error:
        assert "\n" not in str(error)


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000, '{"kind": "os:system"}', '{"kind": ["unet"]}', "NaN", "", "1" * 5000, "\x00"],
    ids=["deep", "module", "list", "nan", "empty", "digits", "nul"],
)
def test_a_text_that_is_no_spec_is_refused(text, tmp_path):
    with pytest.raises(WalkbenchError):
        network_from_json(text)
    (tmp_path / "spec.json").write_text(text)
    with pytest.raises(WalkbenchError):
        load_network("spec.json")


# --- tables -------------------------------------------------------------------------------

KEY = "conv_in in_channels=4 out_channels=64 size=32"


def table(**changed):
    """A table of one row with other cells and a checksum that fits them: a forged one."""
    row = Row.of(KEY, MeasuringConditions("cpu"), {1: [1.0], 2: [2.0]}, run="a")
    cells = {**row.cells(), **changed}
    cells["check"] = checksum(cells)
    lines = [",".join(COLUMNS), ",".join(f'"{cells[c]}"' for c in COLUMNS), ""]
    Path("table.csv").write_text("\n".join(lines))
    return Path("table.csv")


def test_the_row_that_hostile_ones_are_made_of_is_read():
    assert read_rows(table())[0].key == KEY


@pytest.mark.parametrize(
    "changed",
    [
        {"key": KEY.replace("4", CODE.replace(" ", ""), 1)},
        {"key": f"{CODE} size=1"},
        {"median_ms": CODE},
        {"median_ms": "nan"},
        {"median_ms": "1" * 5000},
        {"n": "1" * 5000},
        {"batch": "[[1]]"},
    ],
    ids=["value", "kind", "code", "nan", "infinite", "long", "list"],
)
def test_a_forged_row_is_refused_by_line(changed):
    with pytest.raises(WalkbenchError, match="line 2"):
        Table.load(table(**changed))


@pytest.mark.parametrize(
    "content",
    [pickle.dumps(Bomb()), b"\x00" * 100, b"\xff\xfe", b"=cmd|' /C calc'!A0\n", b"key\n" * 10],
    ids=["pickle", "nul", "utf-16", "formula", "columns"],
)
def test_bytes_that_are_no_table_are_refused(content):
    Path("table.csv").write_bytes(content)
    with pytest.raises(WalkbenchError):
        read_rows(Path("table.csv"))


@pytest.mark.parametrize("key", [CODE, "os.system size=1", "conv_in " + "a" * 100_000, "\x00", ""])
def test_a_block_s_key_is_read_not_evaluated(key):
    with pytest.raises(WalkbenchError):
        parse_key(key)


# --- bundles ------------------------------------------------------------------------------


def bundle(**files):
    """An export with code and pickles wherever a loader might look."""
    for name, content in {
        "spec.json": json.dumps(named_spec("F/mqa").to_dict()),
        "model_index.json": json.dumps(
            {"_class_name": ["pipeline", "Evil"], "unet": ["evil", "Evil"]}
        ),
        "pipeline.py": CODE,
        "unet/evil.py": CODE,
        "unet/__init__.py": CODE,
        "unet/config.json": json.dumps(
            {"_class_name": "Evil", "auto_map": {"AutoModel": "evil.Evil"}}
        ),
        "unet/diffusion_pytorch_model.bin": pickle.dumps(Bomb()),
        "unet/diffusion_pytorch_model.safetensors": pickle.dumps(Bomb()),
        **files,
    }.items():
        path = Path("bundle") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return Path("bundle")


def test_a_pickle_in_place_of_weights_is_refused():
    with pytest.raises(WalkbenchError, match="cannot be read"):
        load_exported(bundle())


@pytest.mark.slow
def test_code_beside_a_pipeline_is_not_run():
    pytest.importorskip("diffusers")
    with pytest.raises(WalkbenchError, match="cannot be opened as a pipeline"):
        load_pipeline(bundle())


@pytest.mark.slow
def test_a_text_encoder_that_is_a_pickle_is_refused():
    pytest.importorskip("transformers")
    index = {
        "_class_name": "StableDiffusionPipeline",
        "text_encoder": ["transformers", "CLIPTextModel"],
    }
    config = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "vocab_size": 9,
              "num_attention_heads": 1, "architectures": ["CLIPTextModel"]}  # fmt: skip
    folder = bundle(
        **{
            "model_index.json": json.dumps(index),
            "text_encoder/config.json": json.dumps({"model_type": "clip_text_model", **config}),
            "text_encoder/pytorch_model.bin": pickle.dumps(Bomb()),
        }
    )
    with pytest.raises(WalkbenchError, match="cannot be opened as a pipeline"):
        load_pipeline(folder)


@pytest.mark.parametrize("facts", ['{"format": "9"}', '{"format": 99}', "[" * 100_000, "[]", "NaN"])
def test_facts_of_a_bundle_that_make_no_sense_are_refused_or_left_aside(facts):
    folder = bundle(**{"export.json": facts})
    try:
        assert read_spec(folder).digest() == named_spec("F/mqa").digest()
    except WalkbenchError as error:
        assert "format" in str(error)


# --- configs and storages -----------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [f'study = {{name = "x", trials = "{CODE}"}}', "a = " + "[" * 10_000, "\x00", "[study]\n" * 2],
    ids=["code", "deep", "nul", "twice"],
)
def test_a_config_that_makes_no_sense_is_refused(text):
    with pytest.raises(WalkbenchError):
        parse_config(text)


def test_names_in_a_storage_are_text_in_a_report():
    study = optuna.create_study(study_name=SCRIPT, storage="sqlite:///s.db")
    trial = study.ask({SCRIPT: optuna.distributions.CategoricalDistribution([SCRIPT, CODE])})
    sizes = ("params", "macs", "weight_bytes", "activation_bytes", "peak_activation_bytes")
    trial.set_user_attr("cost", dict.fromkeys(sizes, 1))
    for name in ("name", "digest"):
        trial.set_user_attr(name, SCRIPT)
    study.tell(trial, 1.0)
    write_report(read_study(open_for_reading("sqlite:///s.db"), SCRIPT), Path("report.html"))
    page = Path("report.html").read_text(encoding="utf-8")
    own = re.sub(r"<script[ >].*?</script>", "", page.replace(SCRIPT, "FOUND"), flags=re.DOTALL)
    assert "FOUND" not in own


@pytest.mark.parametrize("artifact", ["secret.txt", "../secret.txt", "/etc/hostname", "."])
def test_a_trial_s_pictures_are_pictures_and_no_other_file(artifact):
    Path("secret.txt").write_text("secret")
    Path("inside").mkdir()
    for folder in (".", "inside", "/"):
        trial = TrialRecord(0, "COMPLETE", samples=Samples(artifact, folder, 1))
        with pytest.raises(WalkbenchError, match="samples of trial 0"):
            read_grid("sqlite:///s.db", trial, [trial])
