import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from typer.testing import CliRunner

from proxies.data.cache_index import read_index
from studies.cli import data as data_command
from studies.cli.main import app
from tests.proxies.data import tiny_models as tiny
from tests.proxies.data.files import fill, pack
from tests.proxies.small import small_spec


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    tiny.save_vae(folder / "vae")
    tiny.save_text_encoder(folder / "clip")
    fill(folder / "pictures", 60)
    (folder / "pictures" / "007.txt").unlink()
    (folder / "small.json").write_text(small_spec().to_json())
    return folder


def arguments(made, out, **changes):
    options = {
        "images": made / "pictures",
        "vae": made / "vae",
        "text-encoder": made / "clip",
        "size": 24,
        "tokens": 10,
        "shard": 16,
    } | changes
    given = [(f"--{name}", str(value)) for name, value in options.items()]
    return ["data", "cache", str(out), *(word for pair in given for word in pair)]


def invoke(*args):
    return CliRunner().invoke(app, list(args))


def run(made, cached, *args):
    return invoke("proxy", "run", str(made / "small.json"), "--latents", str(cached), *args)


@pytest.fixture(scope="module")
def cached(made):
    result = invoke(*arguments(made, made / "cache"))
    assert result.exit_code == 0, result.stderr
    return made / "cache"


def test_a_cache_prints_what_it_holds_and_lists_what_it_skipped(made, tmp_path):
    result = invoke(*arguments(made, tmp_path / "out"), "--format", "json")
    assert result.exit_code == 0, result.stderr
    data = json.loads(result.stdout)
    assert (data["pictures"], data["shards"], data["dtype"]) == (59, 4, "float16")
    assert (data["latent_shape"], data["text_shape"]) == ([4, 12, 12], [10, 8])
    assert (data["scaling_factor"], data["shift_factor"]) == (0.5, 0.25)
    assert data["skipped"] == [{"path": "007.png", "reason": "no caption"}]
    assert "skipped 007.png: no caption" in result.stderr
    assert data["vae_digest"] == read_index(tmp_path / "out").settings.vae_digest


def test_a_table_names_pictures_latents_and_networks(made, cached):
    result = invoke(*arguments(made, cached))
    assert result.exit_code == 0
    for word in ("59", "4 × 12 × 12", "10 × 8", "float16", "VAE", "text encoder"):
        assert word in result.stdout


def test_a_proxy_trains_on_a_cache_at_its_own_size(made, cached):
    result = run(made, cached, "--steps", "2", "--batch", "4", "--format", "json")
    assert result.exit_code == 0, result.stderr
    assert "59 cached pictures, 1 skipped" in result.stderr
    fidelity = json.loads(result.stdout)["fidelity"]
    assert fidelity["latent"] == 12 and fidelity["data"].startswith("latents-")


def test_tars_of_pictures_can_be_cached_and_a_digest_names_the_vae(made, cached, tmp_path):
    tar = pack(made / "pictures", tmp_path / "a.tar")
    result = invoke(*arguments(made, tmp_path / "out", images=tar))
    assert result.exit_code == 0, result.stderr
    both = [run(made, c, "--steps", "2", "--format", "json") for c in (cached, tmp_path / "out")]
    losses = [json.loads(result.stdout)["losses"] for result in both]
    assert losses[0] == losses[1]
    digest = read_index(cached).settings.vae_digest[:12]
    assert run(made, cached, "--steps", "1", "--vae", digest).exit_code == 0


def test_ctrl_c_exits_with_130_and_the_next_run_goes_on(made, cached, tmp_path, monkeypatch):
    update = data_command._Bar.__call__

    def interrupt(self, state):
        update(self, state)
        if state.done == 40:
            raise KeyboardInterrupt

    out = tmp_path / "out"
    monkeypatch.setattr(data_command._Bar, "__call__", interrupt)
    result = invoke(*arguments(made, out))
    assert result.exit_code == 130
    assert "what was finished is kept" in result.stderr
    assert sorted(read_index(out).shards) == [0, 1]
    monkeypatch.undo()
    assert invoke(*arguments(made, out)).exit_code == 0
    names = [f"shard-{i:05}.safetensors" for i in range(4)]
    assert [(out / n).read_bytes() for n in names] == [(cached / n).read_bytes() for n in names]


@pytest.mark.slow
@pytest.mark.command
def test_a_real_ctrl_c_ends_a_real_run(made, tmp_path):
    out = tmp_path / "out"
    command = [Path(sys.executable).with_name("walkbench"), *arguments(made, out, batch=1, shard=2)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while process.poll() is None and not (out / "shard-00001.safetensors").exists():
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate()
    assert process.returncode == 130, said
    assert "Traceback" not in said
    finished = read_index(out).shards
    assert 1 <= len(finished) < 30
    assert all((out / shard.file).exists() for shard in finished.values())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": "nowhere"}, "is not a folder, a .tar file or a pattern"),
        ({"images": "empty"}, "holds no pictures"),
        ({"images": "bare"}, "none of the 1 pictures"),
        ({"vae": "clip"}, "not an autoencoder of diffusers"),
        ({"vae": "./nowhere"}, "VAE './nowhere' cannot be loaded: there is no folder"),
        ({"text-encoder": "vae"}, "text encoder 'vae' cannot be loaded"),
        ({"tokens": 77}, "reads at most 12 tokens"),
        ({"size": 25}, "size 25 is not a multiple of 2"),
        ({"batch": 0}, "batch is 0"),
        ({"dtype": "int4"}, "unknown dtype 'int4'"),
        ({"device": "abacus"}, "device 'abacus' is unknown; use cpu, cuda"),
    ],
)
def test_bad_input_to_a_cache_is_one_line_and_exit_code_2(
    made, tmp_path, monkeypatch, changes, message
):
    monkeypatch.chdir(made)
    (made / "empty").mkdir(exist_ok=True)
    (made / "bare").mkdir(exist_ok=True)
    shutil.copy(made / "pictures" / "001.png", made / "bare")
    refused(invoke(*arguments(made, tmp_path / "out", **changes)), message)


def refused(result, message):
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and message in lines[0]


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--latent", "24"], "is 12 wide and the twin 24; use a latent of 12"),
        (["--vae", "another"], "is of another VAE"),
        (["--data", "digits"], "data and latents both name data"),
        (["--samples", "grid.png"], "draws pictures"),
    ],
)
def test_latents_that_do_not_fit_the_run_are_one_line_and_exit_code_2(made, cached, args, message):
    refused(run(made, cached, "--steps", "1", *args), message)


def test_a_damaged_shard_is_one_line_and_remaking_it_helps(made, cached, tmp_path):
    copy = shutil.copytree(cached, tmp_path / "copy")
    shard = copy / "shard-00002.safetensors"
    shard.write_bytes(shard.read_bytes()[:-7])
    refused(run(made, copy, "--steps", "1"), "shard-00002.safetensors' is damaged: its checksum")
    again = invoke(*arguments(made, copy))
    assert again.exit_code == 0 and "shard-00002.safetensors is damaged: making" in again.stderr
    assert run(made, copy, "--steps", "1").exit_code == 0


def test_a_folder_without_a_cache_is_one_line(made, tmp_path):
    refused(run(made, tmp_path, "--steps", "1"), "holds no cache of latents; make one with")
