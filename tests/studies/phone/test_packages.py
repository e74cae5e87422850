"""What `walkbench export --coreml --coreai --onnx` asks for, refuses and warns of."""

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from latency_db.packages import coreai_package
from latency_db.packages.coreml_part import Settings
from latency_db.packages.package_folder import part_name
from search_space.errors import WalkbenchError
from search_space.presets import named_spec
from studies.cli.main import app
from studies.export import export
from studies.export_design import Exportable
from studies.phone.packages import (
    Request,
    check_request,
    earlier_export,
    parts_for,
    warnings_for,
)
from tests.latency_db.packages.tiny import tiny

INITIAL = {"kind": "initial", "seed": 0, "dtype": "fp32"}

RUNNER = CliRunner()


def run(*words):
    return RUNNER.invoke(app, [str(word) for word in words])


@pytest.fixture
def spec_file(tmp_path):
    path = tmp_path / "tiny.json"
    path.write_text(tiny().to_json(), encoding="utf-8")
    return path


@pytest.mark.slow
def test_an_export_gets_onnx_and_core_ml_packages_and_the_second_run_keeps_them(
    spec_file, tmp_path
):
    words = ("export", spec_file, "--to", tmp_path / "out", "--coreml", "--onnx", "--bits", "6")
    words += ("--chunks", "2", "--format", "json")
    first = run(*words)
    assert first.exit_code == 0, first.stderr
    notes = json.loads(first.stdout)["packages"]
    files = ["UnetChunk1.mlpackage", "UnetChunk2.mlpackage", "Unet"]
    assert [note["file"] for note in notes] == files
    assert notes[0]["worst_correlation"] >= 0.999 and notes[2]["max_error_of_rms"] <= 1e-5
    assert "worst weight p_" in first.stderr and "max |Δ|" in first.stderr
    package = tmp_path / "out" / "coreml" / files[0]
    before = package.stat().st_mtime_ns
    second = run(*words)
    assert second.exit_code == 0, second.stderr
    assert json.loads(second.stdout)["packages"] == notes
    assert package.stat().st_mtime_ns == before


def test_a_phone_check_needs_no_folder_and_names_the_block_and_the_cure():
    done = run("export", "--check-phone", "M/thin", "--format", "json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert {"step", "limit", "cure"} <= found[0].keys()
    assert any(f["step"] == "down1.stack0" and "no-high-res-sa" in f["cure"] for f in found)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--coreml", "--bits", 3), "3 bits per weight on ios17"),
        (("--coreml", "--bits", 4, "--group", 16), "--target ios18"),
        (("--coreml", "--chunks", "some"), "'some'; a number or 'auto'"),
        (("--coreml", "--shift", 0), "time shift 0"),
        (("--coreml", "--chunks", 99), "99 parts of 15 steps"),
        (
            ("--coreml", "--bits", 4, "--group", 7, "--target", "ios18"),
            "group size 7 divides the output channels of no weight, input.",
        ),
        (("--swift", "nowhere"), "pass 77 tokens"),
    ],
)
def test_bad_options_are_one_line_and_leave_no_package(spec_file, tmp_path, words, said):
    done = run("export", spec_file, "--to", tmp_path / "out", *words)
    assert done.exit_code == 2
    assert said in done.stderr and "Traceback" not in done.stderr
    assert not list((tmp_path).rglob("*.mlpackage"))


def test_no_folder_is_said(spec_file):
    assert "--to" in run("export", spec_file).stderr


def test_a_missing_extra_is_named_before_anything_is_written(monkeypatch):
    monkeypatch.setattr("studies.phone.packages.find_spec", lambda name: None)
    with pytest.raises(WalkbenchError, match=r"pip install 'walkbench\[coreml\]'"):
        check_request(Request(Settings(), coreml=True))


def test_too_large_for_the_phone_is_said_with_the_time_it_takes():
    (large, long) = warnings_for(
        named_spec("sdxl"), Request(Settings(), coreml=True), "iPhone 15 Pro"
    )
    assert "5.3 GB at 16 bits" in large and "4.0 GB" in large
    assert "minutes" in long
    six = Request(Settings(bits=6), coreml=True)
    assert not any("GB" in line for line in warnings_for(named_spec("sdxl"), six, "iPhone 15 Pro"))
    assert warnings_for(tiny(), six, "iPhone 15 Pro") == []


def test_core_ai_and_a_bundle_are_measured_against_the_phone_too():
    sdxl, settings = named_spec("sdxl"), Settings(bits=6)
    single = Request(settings, coreai=coreai_package.Settings())
    (large, _) = warnings_for(sdxl, single, "iPhone 15 Pro")
    assert large.startswith("Core AI: ") and "at 32 bits" in large and "--dtype fp16" in large
    half = Request(settings, coreai=coreai_package.Settings("fp16"))
    assert "at 16 bits" in warnings_for(sdxl, half, "iPhone 15 Pro")[0]
    assert warnings_for(sdxl, Request(Settings()), "iPhone 15 Pro") == []
    bundle = warnings_for(sdxl, Request(Settings()), "iPhone 15 Pro", bundle=True)
    assert "Core ML" in bundle[0] and "minutes" in bundle[1]


@pytest.mark.slow
def test_a_network_above_the_phones_memory_is_warned_about_before_its_weights_are_written(
    tmp_path, monkeypatch
):
    def stop(*_, **__):
        raise WalkbenchError("weights come later")

    monkeypatch.setattr("studies.export.export", stop)
    done = run("export", "sdxl", "--to", tmp_path / "out", "--coreml")
    assert "weights come later" in done.stderr and "5.3 GB at 16 bits" in done.stderr


def test_a_bundle_that_no_pipeline_loads_is_refused_before_anything_is_written(tmp_path):
    words = ("export", "sdxl", "--to", tmp_path / "out", "--coreml", "--swift", tmp_path)
    done = run(*words)
    assert done.exit_code == 2 and "6 programs at 16 bits" in done.stderr
    assert not (tmp_path / "out").exists()


def test_chunks_are_automatic_or_as_many_as_asked():
    sdxl, six = named_spec("sdxl"), Settings(bits=6)
    assert len(parts_for(sdxl, "coreml", Request(six, coreml=True))) == 2
    assert len(parts_for(sdxl, "coreml", Request(six, coreml=True, chunks="5"))) == 5
    assert [part_name(i, 2) for i in range(2)] == ["UnetChunk1", "UnetChunk2"]
    assert part_name(0, 1) == "Unet"


def test_only_the_very_same_export_is_continued(tmp_path):
    done = export(Exportable(tiny()), tmp_path / "out")
    found = earlier_export(tiny(), tmp_path / "out", INITIAL)
    assert replace(found, files=()) == replace(done, files=())
    assert sorted(found.files) == sorted(done.files)
    assert earlier_export(tiny(), tmp_path / "out", INITIAL | {"seed": 1}) is None
    assert earlier_export(tiny(rope=False), tmp_path / "out", INITIAL) is None
    assert earlier_export(tiny(), tmp_path / "none", INITIAL) is None
