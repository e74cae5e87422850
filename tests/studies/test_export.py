"""What `export` writes can be loaded in a fresh process, by diffusers where it says so."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from search_space.diffusers_bridge import spec_from_config
from search_space.diffusers_bridge.carried import CARRIED, CLASS_NAME, carried_source
from search_space.diffusers_bridge.stock import stock_inputs
from search_space.errors import WalkbenchError
from search_space.exported import load_exported
from search_space.initialise import initialise
from search_space.modules.network import example_inputs
from search_space.unet import UNet
from studies.export import export
from studies.export_design import Exportable
from studies.export_weights import SeededWeights, weights_from

SMALL = {
    "_class_name": "UNet2DConditionModel",
    "block_out_channels": [16, 32],
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "attention_head_dim": [2, 4],
    "cross_attention_dim": 24,
    "norm_num_groups": 8,
    "sample_size": 16,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 60,
}
STOCK = spec_from_config(SMALL, tokens=5)
DREAMLITE = spec_from_config(
    {
        **{k: v for k, v in SMALL.items() if k not in ("down_block_types", "up_block_types")},
        "_class_name": "DreamLiteUNetModel",
        "down_block_types": ["DownBlock2D", "DreamLiteCrossAttnNoSelfAttnDownBlock2D"],
        "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
        "addition_embed_type": "time",
        "projection_class_embeddings_input_dim": 16,
        "ff_mult": 3,
    },
    tokens=5,
)
OWN = STOCK.replace(rope=True, qk_norm="rms")
ENTRIES = ["README.md", "export.json", "model_index.json", "provenance.json", "scheduler"]
ENTRIES += ["spec.json", "train.yaml", "unet"]

STOCK_LOADER = """
import sys, torch, diffusers
for folder in sys.argv[1:]:
    name = open(folder + "/class").read()
    unet = getattr(diffusers, name).from_pretrained(folder, subfolder="unet")
    inputs = torch.load(folder + "/inputs.pt")
    added = {k: inputs.pop(k) for k in ("text_embeds", "time_ids") if k in inputs}
    with torch.no_grad():
        torch.save(unet(**inputs, added_cond_kwargs=added).sample, folder + "/out.pt")
"""
OWN_LOADER = """
import sys, torch
from search_space.exported import load_exported
folder = sys.argv[1]
unet = load_exported(folder)
with torch.no_grad():
    torch.save(unet(**torch.load(folder + "/inputs.pt")), folder + "/out.pt")
assert "diffusers" not in sys.modules
"""


def run_fresh(script: str, *folders: Path) -> list[torch.Tensor]:
    done = subprocess.run(
        [sys.executable, "-c", script, *map(str, folders)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return [torch.load(folder / "out.pt") for folder in folders]


@pytest.mark.slow
def test_stock_diffusers_loads_the_folder_in_a_fresh_process_and_agrees(tmp_path):
    folders, expected = [], []
    for spec, name in ((STOCK, "UNet2DConditionModel"), (DREAMLITE, "DreamLiteUNetModel")):
        folder = tmp_path / name
        done = export(Exportable(spec), folder, weights=SeededWeights(3))
        assert (done.class_name, done.why_own) == (name, None)
        inputs = example_inputs(spec, batch=2, generator=torch.Generator().manual_seed(0))
        stock = stock_inputs(spec, inputs)
        added = stock.pop("added_cond_kwargs")
        torch.save({**stock, **added}, folder / "inputs.pt")
        (folder / "class").write_text(name)
        with torch.no_grad():
            ours = initialise(UNet(spec), seed=3)(**inputs)
            assert torch.equal(load_exported(folder)(**inputs), ours)
        assert ours.std() > 1e-3
        folders.append(folder)
        expected.append(ours)
    for theirs, ours in zip(run_fresh(STOCK_LOADER, *folders), expected, strict=True):
        assert torch.allclose(theirs, ours, atol=1e-5)  # float32, other order of sums


@pytest.mark.slow
def test_a_design_of_our_own_loads_in_a_fresh_process_without_diffusers(tmp_path):
    done = export(Exportable(OWN), tmp_path / "design")
    assert done.class_name == CLASS_NAME
    assert "rope is set" in (done.why_own or "")
    assert (tmp_path / "design" / "unet" / f"{CARRIED}.py").read_text() == carried_source()
    inputs = example_inputs(OWN, generator=torch.Generator().manual_seed(0))
    torch.save(inputs, tmp_path / "design" / "inputs.pt")
    with torch.no_grad():
        ours = initialise(UNet(OWN), seed=0)(**inputs)
    assert torch.equal(run_fresh(OWN_LOADER, tmp_path / "design")[0], ours)


def test_half_precision_is_the_same_draw_rounded(tmp_path):
    export(Exportable(STOCK), tmp_path / "half", dtype="fp16")
    half = load_exported(tmp_path / "half").state_dict()
    full = initialise(UNet(STOCK), seed=0).state_dict()
    assert all(torch.equal(half[name], full[name].half()) for name in full)


def test_designs_share_the_draws_of_what_they_share(tmp_path):
    export(Exportable(STOCK), tmp_path / "a")
    export(Exportable(OWN), tmp_path / "b")
    a, b = (load_exported(tmp_path / name).state_dict() for name in "ab")
    shared = [name for name in a if name in b]
    assert len(shared) == len(a) < len(b)
    assert all(torch.equal(a[name], b[name]) for name in shared)


def test_export_json_and_readme_say_what_the_folder_holds(tmp_path):
    latency = {"device": "A15", "ms": 12.0, "low": 9.0, "high": 20.0, "coverage": 0.25}
    trial = {"study": "s", "number": 7, "feasible": True, "provenance": None}
    score = {"value": 0.5, "stderr": 0.01, "losses": [0.4, 0.6]}
    design = Exportable(STOCK, "mine", {**latency, "source": "mixed"}, score, trial)
    export(design, tmp_path, weights=SeededWeights(5))
    about = json.loads((tmp_path / "export.json").read_text())
    assert about["digest"] == STOCK.digest()
    assert about["weights"] == {"kind": "initial", "seed": 5, "dtype": "fp32"}
    assert about["params"] == sum(p.numel() for p in load_exported(tmp_path).parameters())
    assert "losses" not in about["score"]
    text = (tmp_path / "README.md").read_text()
    for said in (
        "# mine",
        "initial, not trained",
        f"{about['params']:,}",
        "latency on A15, mixed | 12 ms, 80 % interval 9–20 ms, 25 % of it measured",
        "0.5000 ± 0.0100",
        "UNet2DConditionModel.from_pretrained",
        "Trial 7 of study `s`, within its budgets",
    ):
        assert said in text


def test_only_an_earlier_export_is_replaced_and_only_when_asked(tmp_path):
    folder = tmp_path / "design"
    export(Exportable(STOCK), folder)
    with pytest.raises(WalkbenchError, match="--overwrite replaces it"):
        export(Exportable(OWN), folder)
    assert load_exported(folder).spec == STOCK
    (folder / "notes.txt").write_text("mine")
    export(Exportable(OWN), folder, overwrite=True)
    assert load_exported(folder).spec == OWN
    names = sorted(path.name for path in folder.iterdir())
    assert names == sorted([*ENTRIES, "notes.txt"])


def test_a_folder_of_someone_else_is_never_touched(tmp_path):
    (tmp_path / "unet").mkdir()
    for overwrite in (False, True):
        with pytest.raises(WalkbenchError, match="holds 'unet', which is no export"):
            export(Exportable(STOCK), tmp_path, overwrite=overwrite)


def test_a_place_that_cannot_be_written_is_refused_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(WalkbenchError, match="is a file; name a folder"):
        export(Exportable(STOCK), tmp_path / "file")
    with pytest.raises(WalkbenchError, match=r"cannot write to .*(Not a directory|File exists)"):
        export(Exportable(STOCK), tmp_path / "file" / "below")


def test_too_little_room_is_said_before_anything_is_written(tmp_path, monkeypatch):
    import shutil

    usage = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    with pytest.raises(WalkbenchError, match="are free here; choose another folder or --dtype"):
        export(Exportable(STOCK), tmp_path / "design")
    with pytest.raises(WalkbenchError, match=r"are free here; choose another folder$"):
        export(Exportable(STOCK), tmp_path / "design", dtype="fp16")
    assert not list(tmp_path.iterdir())


def test_a_failure_half_way_leaves_the_earlier_export_whole(tmp_path):
    export(Exportable(STOCK), tmp_path)

    def fail(done: int, total: int) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(WalkbenchError, match="No space left on device"):
        export(Exportable(OWN), tmp_path, overwrite=True, progress=fail)
    assert load_exported(tmp_path).spec == STOCK
    assert not list(tmp_path.parent.glob(f".{tmp_path.name}.*"))


KILLED = """
import os, signal, sys
from pathlib import Path
from studies.export import export
from studies.export_design import Exportable
from search_space.load import load_spec

def kill(done, total):
    os.kill(os.getpid(), signal.SIGKILL)

spec = load_spec(sys.argv[1])
export(Exportable(spec), Path(sys.argv[2]), overwrite=True, progress=kill)
"""


@pytest.mark.thinned
@pytest.mark.parametrize("before", [False, True], ids=["new", "overwrite"])
def test_a_killed_export_blocks_nothing_and_leaves_the_one_before(tmp_path, before):
    spec, folder = tmp_path / "own.json", tmp_path / "design"
    spec.write_text(OWN.to_json())
    if before:
        export(Exportable(STOCK), folder)
    done = subprocess.run([sys.executable, "-c", KILLED, str(spec), str(folder)])
    assert done.returncode == -signal.SIGKILL
    assert len(list(tmp_path.glob(".design.*"))) == 1
    if before:
        assert load_exported(folder).spec == STOCK
    export(Exportable(OWN), folder, overwrite=before)
    assert load_exported(folder).spec == OWN
    assert sorted(path.name for path in tmp_path.iterdir()) == ["design", "own.json"]


def test_a_folder_that_is_no_export_or_is_damaged_is_refused_when_loaded(tmp_path):
    with pytest.raises(WalkbenchError, match=r"holds no spec\.json"):
        load_exported(tmp_path)
    export(Exportable(STOCK), tmp_path / "a")
    (tmp_path / "a" / "spec.json").write_text(OWN.to_json())
    with pytest.raises(WalkbenchError, match="no stock diffusers class"):
        load_exported(tmp_path / "a")
    export(Exportable(OWN), tmp_path / "b")
    (tmp_path / "b" / "spec.json").write_text(STOCK.to_json())
    with pytest.raises(WalkbenchError, match="are not its spec's"):
        load_exported(tmp_path / "b")


@pytest.mark.parametrize("spec", [STOCK, OWN], ids=["stock", "own"])
def test_the_same_design_is_written_to_the_same_bytes(tmp_path, spec):
    trial = {"study": "s", "number": 7, "feasible": True, "provenance": {"date": "2026-11-01"}}
    for name in "ab":
        export(Exportable(spec, trial=trial), tmp_path / name)
    first, second = (
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (tmp_path / "a", tmp_path / "b")
    )
    assert first == second and len(first) >= 7
    made = json.loads(first[Path("provenance.json")])
    assert made["trial"]["provenance"] == trial["provenance"] and "date" not in made


def test_an_export_of_a_newer_version_is_refused_by_name(tmp_path):
    export(Exportable(STOCK), tmp_path)
    about = json.loads((tmp_path / "export.json").read_text())
    (tmp_path / "export.json").write_text(json.dumps(about | {"format": 99}))
    for attempt in (
        lambda: load_exported(tmp_path),
        lambda: export(Exportable(STOCK), tmp_path, overwrite=True),
    ):
        with pytest.raises(WalkbenchError, match=r"export format 99, this version reads up to 2"):
            attempt()


@pytest.mark.thinned
@pytest.mark.parametrize("spec", [STOCK, OWN], ids=["stock", "own"])
@pytest.mark.parametrize("naming", ["ours", "prefixed", "saved", "export"])
def test_weights_come_from_any_checkpoint_of_the_network(tmp_path, spec, naming):
    from safetensors.torch import save_file

    trained = initialise(UNet(spec), seed=9)
    if naming == "export":
        export(Exportable(spec), tmp_path / "there", weights=SeededWeights(9))
        place = tmp_path / "there"
    else:
        place = tmp_path / "model.safetensors"
        prefix = "module." if naming == "prefixed" else ""
        save_file({prefix + name: p for name, p in trained.state_dict().items()}, place)
        place = tmp_path if naming == "saved" else place
    given = weights_from("checkpoint", checkpoint=place)
    export(Exportable(spec), tmp_path / "out", weights=given)
    state = load_exported(tmp_path / "out").state_dict()
    assert all(torch.equal(value, state[name]) for name, value in trained.state_dict().items())
    about = json.loads((tmp_path / "out" / "export.json").read_text())
    assert about["weights"]["kind"] == "checkpoint" and len(about["weights"]["sha256"]) == 64
    assert "those of the checkpoint" in (tmp_path / "out" / "README.md").read_text()


def test_a_checkpoint_of_another_network_or_a_damaged_one_leaves_nothing(tmp_path):
    export(Exportable(OWN), tmp_path / "own")
    with pytest.raises(WalkbenchError, match=r"is not of the network .*: it lacks "):
        weights = weights_from("checkpoint", checkpoint=tmp_path / "own")
        export(Exportable(DREAMLITE), tmp_path / "out", weights=weights)
    wider = OWN.replace(context=OWN.context.__class__(width=32, tokens=5))
    with pytest.raises(WalkbenchError, match="has shape"):
        weights = weights_from("checkpoint", checkpoint=tmp_path / "own")
        export(Exportable(wider), tmp_path / "out", weights=weights)
    cut = tmp_path / "cut.safetensors"
    whole = tmp_path / "own" / "unet" / "diffusion_pytorch_model.safetensors"
    cut.write_bytes(whole.read_bytes()[:5000])
    with pytest.raises(WalkbenchError, match=r"cut\.safetensors' cannot be read: .*the one before"):
        weights = weights_from("checkpoint", checkpoint=cut)
        export(Exportable(OWN), tmp_path / "out", weights=weights)
    with pytest.raises(WalkbenchError, match="has none of unet/diffusion_pytorch_model"):
        weights_from("checkpoint", checkpoint=tmp_path)
    with pytest.raises(WalkbenchError, match="name it with --checkpoint"):
        weights_from("checkpoint")
    with pytest.raises(WalkbenchError, match="does not go with --weights init"):
        weights_from("init", checkpoint=cut)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cut.safetensors", "own"]


def test_the_recipe_in_an_export_is_read_back_by_the_trainer(tmp_path):
    from proxies.train_config import config_for
    from proxies.train_yaml import read

    export(Exportable(OWN, "mine"), tmp_path)
    assert read(tmp_path / "train.yaml") == config_for(OWN)
    assert OWN.digest() in (tmp_path / "train.yaml").read_text().splitlines()[0]
