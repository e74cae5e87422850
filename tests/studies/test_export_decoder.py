"""Decoders export through the same command: diffusers' folder where one fits, packages that run."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from latency_db.packages.parts import network_inputs, whole
from latency_db.packages.phone_check import check_phone
from search_space.decoder import DecoderMid, DecoderSpec, DecoderStage, named_decoder
from search_space.errors import WalkbenchError
from search_space.network import build_network
from studies.cli.main import app
from studies.export_decoder import export_decoder, load_decoder_export

STOCK = DecoderSpec(
    (DecoderStage(8, 2), DecoderStage(16, 2)),
    DecoderMid(),
    post_quant=True,
    norm_groups=4,
    latent_size=8,
)
OWN = STOCK.replace(reduction="upsampler", mid=None)
TINY = DecoderSpec(
    (DecoderStage(8, 1, norms=0), DecoderStage(8, 1, norms=0)),
    form="tiny",
    activation="relu",
    out_norm=False,
    latent_size=8,
)


def _picture(network: Any, spec: DecoderSpec) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        picture: torch.Tensor = network(torch.randn(1, spec.in_channels, 8, 8, generator=generator))
    return picture


@pytest.mark.parametrize("spec", [STOCK, OWN, TINY])
def test_an_export_loads_as_the_network_that_the_seed_gives(
    spec: DecoderSpec, tmp_path: Path
) -> None:
    first = export_decoder(spec, tmp_path / "a", seed=3)
    again = load_decoder_export(tmp_path / "a").eval()
    assert again.network == spec
    assert (first.why_own is None) == (spec is not OWN)
    other = build_network(spec).eval()
    other.load_state_dict(again.state_dict())
    assert torch.equal(_picture(again, spec), _picture(other, spec))
    state = {name: value + 1 for name, value in again.state_dict().items()}
    export_decoder(spec, tmp_path / "b", state=state)
    assert torch.equal(
        load_decoder_export(tmp_path / "b").state_dict()["input.conv_in.conv.bias"],
        state["input.conv_in.conv.bias"],
    )


def test_diffusers_loads_a_stock_decoder_with_the_encoder_of_a_vae(tmp_path: Path) -> None:
    import diffusers

    torch.manual_seed(0)
    model = diffusers.AutoencoderKL(
        block_out_channels=(8, 16),
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        norm_num_groups=4,
        scaling_factor=0.5,
        sample_size=16,
    )
    model.save_pretrained(tmp_path / "vae")
    export_decoder(STOCK, tmp_path / "out", vae=tmp_path / "vae")
    loaded = diffusers.AutoencoderKL.from_pretrained(tmp_path / "out", subfolder="vae").eval()
    assert loaded.config.scaling_factor == 0.5
    kept, ours = model.state_dict(), loaded.state_dict()
    assert torch.equal(ours["encoder.conv_in.weight"], kept["encoder.conv_in.weight"])
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        theirs = loaded.decode(torch.randn(1, 4, 8, 8, generator=generator)).sample
    mine = _picture(load_decoder_export(tmp_path / "out").eval(), STOCK)
    assert torch.allclose(theirs, mine, atol=1e-5)
    with pytest.raises(WalkbenchError, match="has 4 latent channels, the decoder reads 16"):
        wide = STOCK.replace(in_channels=16)
        export_decoder(wide, tmp_path / "no", vae=tmp_path / "vae")
    with pytest.raises(WalkbenchError, match="a VAE is of no use here"):
        export_decoder(OWN, tmp_path / "no", vae=tmp_path / "vae")
    with pytest.raises(WalkbenchError, match=r"has no config.json of an autoencoder"):
        export_decoder(STOCK, tmp_path / "no", vae=tmp_path)


def test_weights_of_another_decoder_are_named(tmp_path: Path) -> None:
    state = build_network(OWN).state_dict()
    with pytest.raises(WalkbenchError, match=r"not this decoder's: mid\.res0.* is missing"):
        export_decoder(STOCK, tmp_path / "out", state=state)


def test_ports_have_the_names_of_apples_decoder() -> None:
    part = whole(OWN)
    assert (list(network_inputs(OWN)), part.outputs) == (["z"], ("image",))


def test_the_phone_check_finds_the_attention_over_all_positions() -> None:
    kinds = {(f.kind, f.step) for f in check_phone(named_decoder("sdxl-decoder"), "iPhone 15 Pro")}
    assert kinds == {("attention map", "mid.attention0")}
    assert not check_phone(named_decoder("snapgen-decoder"), "iPhone 15 Pro")


@pytest.mark.slow
@pytest.mark.parametrize("format", ["onnx", "coreai", "coreml"])
@pytest.mark.parametrize("spec", [OWN, TINY])
def test_packages_are_written_and_agree_with_torch(
    format: str, spec: DecoderSpec, tmp_path: Path
) -> None:
    path = tmp_path / "decoder.json"
    path.write_text(spec.to_json())
    command = ["export", str(path), "--to", str(tmp_path / "out"), f"--{format}"]
    done = CliRunner().invoke(app, [*command, "--format", "json"])
    assert done.exit_code == 0, done.output
    (note,) = json.loads(done.stdout)["packages"]
    assert note["file"].startswith("VAEDecoder")
    assert "max_error" not in note or note["max_error"] < 1e-4
    assert format == "coreml" or "max_error" in note


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "name the folder to write with --to"),
        (["--to", "out", "--swift", "x"], "writes VAEDecoder.mlpackage"),
        (["--to", "out", "--coreml", "--shift", "3"], "a decoder has none, leave it out"),
    ],
)
def test_options_of_unets_are_refused(options: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["export", "snapgen-decoder", *options])
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_a_trained_decoder_is_exported(tmp_path: Path) -> None:
    spec = tmp_path / "decoder.json"
    stages = (DecoderStage(64, 1), DecoderStage(128, 1))
    spec.write_text(OWN.replace(stages=stages, latent_size=12).to_json())
    weights, out = tmp_path / "trained.safetensors", tmp_path / "out"
    sizes = ["--width", "256", "--train-images", "8", "--validation-images", "4", "--batch", "2"]
    run = ["proxy", "run", str(spec), "--steps", "3", *sizes, "--save-decoder", str(weights)]
    done = CliRunner().invoke(app, run)
    assert done.exit_code == 0, done.output
    command = ["export", str(spec), "--to", str(out), "--weights", "checkpoint"]
    done = CliRunner().invoke(app, [*command, "--checkpoint", str(weights), "--format", "json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["weights"]["kind"] == "checkpoint"
    from safetensors.torch import load_file

    kept, state = load_file(weights), load_decoder_export(out).state_dict()
    assert kept.keys() == state.keys()
    assert all(torch.equal(kept[name], state[name]) for name in kept)
    assert "trained.safetensors" in (out / "README.md").read_text()
    wrong = ["snapgen-decoder", "--to", str(tmp_path / "no"), *command[4:]]
    other = CliRunner().invoke(app, ["export", *wrong, "--checkpoint", str(weights)])
    assert other.exit_code == 2


@pytest.mark.slow
def test_a_study_over_decoders_exports_its_trial(tmp_path: Path) -> None:
    (tmp_path / "space.toml").write_text(
        'base = "snapgen-decoder"\n[axes]\nnorms = [0, 1, 2]\n"blocks.3" = [2, 3]\n'
    )
    (tmp_path / "study.toml").write_text(
        '[study]\nname = "dec"\ntrials = 2\n[space]\npath = "space.toml"\n'
        '[objectives]\nminimise = ["proxy_loss", "latency_ms"]\n[device]\nname = "iPhone 15 Pro"\n'
        '[proxy]\nsteps = 2\nobjective = "reconstruction"\ntrain_images = 16\n'
        'validation_images = 4\n[enqueue]\ndesigns = ["snapgen-decoder"]\n'
    )
    storage = ["--storage", str(tmp_path / "study.db")]
    done = CliRunner().invoke(app, ["study", "run", str(tmp_path / "study.toml"), *storage])
    assert done.exit_code == 0, done.output
    out = tmp_path / "out"
    done = CliRunner().invoke(app, ["export", "0", "--study", "dec", *storage, "--to", str(out)])
    assert done.exit_code == 0, done.output
    assert load_decoder_export(out).network == named_decoder("snapgen-decoder")
