import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from proxies import callbacks, checkpoint
from proxies.checkpoint import restore, save
from proxies.recipe import Budget
from proxies.trainer import Trainer
from search_space.errors import WalkbenchError
from tests.proxies.small import made, score_of

STEPS = 24
RUN = f"""
STEPS = {STEPS}
import sys
from pathlib import Path
import torch
from proxies import callbacks
from tests.proxies.small import score_of

torch.set_num_threads(1)
callbacks.CHECKPOINT_SECONDS = 0.0
score = score_of(
    steps=STEPS, validate_at=(0.5,), checkpoint=Path(sys.argv[1])
)
print(score.losses, score.train_loss_sum, [(s, v) for s, _, v in score.curve])
"""


@pytest.mark.slow
def test_a_run_killed_in_the_middle_ends_like_one_that_was_not(tmp_path):
    torch.set_num_threads(1)
    path, command = tmp_path / "run", [sys.executable, "-c", RUN, str(tmp_path / "run")]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    while process.poll() is None and saved_step(path) < 5:
        time.sleep(0.01)
    process.kill()  # SIGKILL: nothing is tidied up
    assert process.wait() != 0, "the run ended before it was killed"
    resumed = subprocess.run(command, capture_output=True, check=True, text=True)
    whole = score_of(steps=STEPS, validate_at=(0.5,))
    curve = [(step, value) for step, _, value in whole.curve]
    assert resumed.stdout.strip() == f"{whole.losses} {whole.train_loss_sum} {curve}"


def test_a_run_killed_while_it_validates_validates_again(tmp_path, monkeypatch):
    torch.set_num_threads(1)
    monkeypatch.setattr(callbacks, "CHECKPOINT_SECONDS", 0.0)
    settings = {"steps": 8, "validate_at": (0.25, 0.5, 0.75)}
    whole = score_of(**settings)
    validate = Trainer.score

    def killed(self, stopped=None):
        if self.step == 4:
            raise ZeroDivisionError("killed")
        return validate(self, stopped)

    monkeypatch.setattr(Trainer, "score", killed)
    with pytest.raises(ZeroDivisionError):
        score_of(**settings, checkpoint=tmp_path / "run")
    monkeypatch.setattr(Trainer, "score", validate)
    resumed = score_of(**settings, checkpoint=tmp_path / "run")
    assert [step for step, *_ in resumed.curve] == [2, 4, 6]
    assert [loss for *_, loss in resumed.curve] == [loss for *_, loss in whole.curve]
    assert resumed.losses == whole.losses


def saved_step(path: Path) -> int:
    if not path.exists():
        return 0
    with safe_open(path, framework="pt") as file:
        return json.loads(file.metadata()["run"])["step"]


def test_a_longer_budget_goes_on_where_the_shorter_ended(tmp_path):
    torch.set_num_threads(1)
    path = tmp_path / "run"
    score_of(steps=3, checkpoint=path)
    steps = []
    longer = score_of(
        steps=6,
        checkpoint=path,
        progress=lambda state: steps.append(state.step),
    )
    assert steps == [4, 5, 6, 6]
    assert longer.losses == score_of(steps=6).losses


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path, monkeypatch):
    path, run = tmp_path / "run", made()
    run.advance(Budget(steps=1))
    save(run, path)
    before = path.read_bytes()

    def full(tensors, file, metadata):
        Path(file).write_bytes(b"half of it")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    run.advance(Budget(steps=2))
    with pytest.raises(WalkbenchError, match=r"No space left .*the checkpoint before is kept"):
        save(run, path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("other", "named"),
    [
        ({"seed": 1}, "seed is 0 there and 1 here"),
        ({"width": 32}, "width is 16 there and 32 here"),
    ],
)
def test_a_checkpoint_of_another_run_names_what_differs(tmp_path, other, named):
    path = tmp_path / "run"
    save(made(), path)
    with pytest.raises(WalkbenchError, match=named):
        restore(made(**other), path)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint at all", None])
def test_a_broken_checkpoint_is_named_and_not_touched(tmp_path, content):
    path = tmp_path / "run"
    save(made(), path)
    whole = path.read_bytes()
    broken = whole[: len(whole) // 2] if content is None else content
    path.write_bytes(broken)
    with pytest.raises(WalkbenchError, match="cannot be read"):
        score_of(steps=2, checkpoint=path)
    assert path.read_bytes() == broken


def test_an_unwritable_folder_is_named(tmp_path):
    with pytest.raises(WalkbenchError, match="cannot be written"):
        save(made(), tmp_path / "nowhere" / "run")


def test_checkpoints_are_not_written_at_every_step(tmp_path, monkeypatch):
    written = []
    monkeypatch.setattr(callbacks, "save", lambda run, path: written.append(run.step))
    score_of(steps=5, checkpoint=tmp_path / "run")
    assert written == [5]
