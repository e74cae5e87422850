"""`walkbench image-time`, typed as people type it."""

import json

import pytest
from typer.testing import CliRunner

from studies.cli.main import app

SNAPGEN = ["image-time", "--unet", "snapgen-t2i", "--decoder", "snapgen-decoder"]


def run(*words: str) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, [*SNAPGEN, *words])
    return done.exit_code, done.stdout, done.stderr


def test_json_has_times_memory_disk_and_what_others_published_apart():
    code, out, _ = run("--device", "iPhone 16 Pro Max", "--bits", "6", "--format", "json")
    found = json.loads(out)
    times = {row["part"]: row for row in found["times"]}
    assert code == 0 and list(times) == [
        "text", "unet", "decoder", "programs", "overhead", "picture",
    ]  # fmt: skip
    assert times["unet"]["ms"] == pytest.approx(4 * times["unet"]["call_ms"])
    parts = sum(times[name]["ms"] for name in ("text", "unet", "decoder"))
    assert times["programs"]["ms"] == pytest.approx(parts)
    assert times["picture"]["ms"] == pytest.approx(parts + times["overhead"]["ms"])
    assert all(row["low_ms"] < row["ms"] < row["high_ms"] for row in times.values())
    assert {row["source"] for row in times.values()} == {"estimated"}
    assert [row["total_s"] for row in found["published"]] == [1.215, 1.4, 2.311]
    assert [row["program"] for row in found["memory"]] == ["text", "unet", "decoder", "all"]
    assert all(row["fits"] for row in found["memory"])
    disk = {row["program"]: row for row in found["disk"]}["all"]
    assert disk["bytes_16"] > disk["bytes_8"] > disk["bytes_6"] > disk["bytes_4"]


def test_a_table_says_what_does_not_fit_at_80_columns(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run("--steps", "8")
    assert code == 0 and all(len(line) <= 80 for line in out.splitlines())
    assert "8 steps, weights at 16 bits" in out and "Published by others" in out
    assert next(line for line in out.splitlines() if line.startswith("text  ") and "large" in line)
    assert "s a picture" in err and "estimated" in err


def test_guidance_doubles_the_passes_and_csv_is_one_table():
    code, out, _ = run("--guidance", "--text-encoder", "none", "--format", "csv")
    lines = [line.split(",") for line in out.splitlines()]
    assert code == 0 and lines[0][0] == "part"
    assert [line[0] for line in lines[1:]] == ["unet", "decoder", "programs", "overhead", "picture"]
    assert lines[1][2] == "8"


def test_an_overhead_that_was_measured_replaces_the_estimate():
    _, out, _ = run("--overhead-ms", "40", "--format", "json")
    overhead = next(row for row in json.loads(out)["times"] if row["part"] == "overhead")
    assert (overhead["ms"], overhead["low_ms"], overhead["source"]) == (40.0, 40.0, "measured")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--decoder", "sd3-decoder"], "decoder reads latents of 16×128×128, the UNet gives 4×128"),
        (["--decoder", "sd15"], "sd15 is a network of kind unet; a decoder is needed"),
        (["--steps", "0"], "steps is 0; 1 or more is needed"),
        (["--bits", "5"], "5 bits per weight on ios17; it knows 16, 8, 6, 4"),
        (["--bits", "3"], "3 bits need --target ios18"),
        (["--target", "ios16"], "unknown target 'ios16'"),
        (["--text-encoder", "clip-xl"], "unknown text encoder 'clip-xl'; did you mean 'clip-l'?"),
        (["--text-encoder", "clip-l"], "give 768 numbers per token, the UNet reads 2304; choose"),
        (["--unet", "dreamlite"], "no known text encoder is as wide as dreamlite reads"),
        (["--device", "iPhone 51"], "unknown device 'iPhone 51'"),
        (["--overhead-ms", "-1"], "--overhead-ms is -1; a positive number is needed"),
        (["--unet", "snapgen"], "unknown spec 'snapgen'"),
    ],
)
def test_bad_input_says_what_is_allowed(words, message):
    code, out, err = run(*words)
    assert code == 2 and out == ""
    assert message in " ".join(err.split())
