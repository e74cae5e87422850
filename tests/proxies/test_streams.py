"""Every candidate and every worker with one seed sees the same samples, wherever it runs."""

import dataclasses
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from proxies.data.digits import digits
from proxies.data.latents import load_latents
from proxies.data.pictures import captioned_pictures
from search_space.spec import Conv
from tests.proxies.data.files import fill
from tests.proxies.data.test_cache import make
from tests.proxies.small import made, small_spec

KINDS = ("shapes", "digits", "pictures", "latents")
STEPS = 3
WORKER = """
import sys
from pathlib import Path
from tests.proxies.test_streams import KINDS, seen, separable

for kind in reversed(KINDS):
    print(kind, seen(kind, Path(sys.argv[1]), seed=5, spec=separable()))
"""


def separable():
    """Another design: other parameters, and other draws from their streams."""
    stages = small_spec(depth=2).stages
    return small_spec(stages=(dataclasses.replace(stages[0], conv=Conv("separable")), stages[1]))


def seen(kind, folder, seed=0, spec=None):
    """The SHA-256 of all that training sees in its first steps, validation included."""
    latent, parts = 24, None
    if kind == "digits":
        parts = digits(24)
    elif kind == "pictures":
        parts = captioned_pictures(folder / "pictures", 24)
    elif kind == "latents":
        latent, parts = 12, load_latents(folder / "cache")
    data = (parts.train, parts.validation) if parts else None
    trainer = made(spec, data, latent=latent, seed=seed)
    total = hashlib.sha256()
    for _ in range(STEPS):
        draw = trainer.loss_function.draw(trainer.generator)
        for tensor in (draw.x0, draw.noise, draw.t, draw.text, draw.labels):
            total.update(tensor.contiguous().numpy().tobytes())
    held = trainer.validation
    for tensor in (held.pictures, held.text, held.labels, held.noise, held.times):
        total.update(tensor.contiguous().numpy().tobytes())
    return total.hexdigest()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("streams")
    make(folder / "cache", fill(folder / "pictures", 60))
    return folder


@pytest.mark.slow
def test_another_process_with_another_design_sees_the_same_samples(folder):
    environment = {**os.environ, "PYTHONHASHSEED": "77"}
    there = subprocess.run(
        [sys.executable, "-c", WORKER, str(folder)],
        env=environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        check=True,
        text=True,
    )
    found = dict(line.split() for line in there.stdout.splitlines())
    assert found == {kind: seen(kind, folder, seed=5) for kind in KINDS}


@pytest.mark.parametrize("kind", KINDS)
def test_another_seed_sees_other_samples(folder, kind):
    assert seen(kind, folder, seed=5) != seen(kind, folder, seed=6)
