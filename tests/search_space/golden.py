"""What the networks are, down to the last digit, as `golden/networks.json` keeps it.

A refactoring of specs, plans, blocks, modules or axes must leave every entry as it is: studies are
resumed by parameter names and digests, tables are keyed by block keys, exports by state-dict names.

    .venv/bin/python -m tests.search_space.golden   # writes the fixture anew; explain why
"""

import hashlib
import json
import random
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch

from search_space.cost import cost
from search_space.initialise import initialise
from search_space.modules.network import example_inputs
from search_space.plan import plan
from search_space.presets import all_named, named_spec
from search_space.sample import RandomValues
from search_space.space import SearchSpace
from search_space.spec import UNetSpec
from search_space.unet import UNet

FOLDER = Path(__file__).parent / "golden"
FIXTURE = FOLDER / "networks.json"
DESIGNS = 50  # random ones of each space

# Every axis there is, covering one place, one stage or all, over a base that has all options on.
EVERY_AXIS = FOLDER / "every_axis.toml"
SPACES = ("snapgen", "pocket", str(EVERY_AXIS))


class Recorder(RandomValues):
    """Random answers, and the questions they answered: what Optuna would keep as distributions."""

    def __init__(self, source: random.Random):
        super().__init__(source)
        self.asked: list[list[Any]] = []

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        self.asked.append([name, "int", low, high, step])
        return super().suggest_int(name, low, high, step=step)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None
    ) -> float:
        self.asked.append([name, "float", low, high, step])
        return super().suggest_float(name, low, high, step=step)

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        self.asked.append([name, "categorical", *choices])
        return super().suggest_categorical(name, choices)


def fingerprint(value: Any) -> str:
    return hashlib.sha256(json.dumps(value).encode()).hexdigest()[:16]


def named() -> dict[str, Any]:
    return {
        name: {"digest": spec.digest(), "json": fingerprint(spec.to_json()), **asdict(cost(spec))}
        for name, spec in all_named().items()
    }


def block_keys() -> list[str]:
    """Every block of every named spec, whole stacks included."""
    keys: dict[str, None] = {}
    for spec in all_named().values():
        for _, step in plan(spec).steps():
            keys[step.block.key] = None
            for block, _ in step.block.parts():
                keys[block.key] = None
    return list(keys)


def spaces() -> dict[str, Any]:
    out = {}
    for name in SPACES:
        space, source = SearchSpace.load(name), random.Random(0)
        designs = []
        for _ in range(DESIGNS):
            trial = Recorder(source)
            spec = space.suggest(trial)
            designs.append(
                {
                    "digest": spec.digest(),
                    "asked": fingerprint(trial.asked),
                    "params": fingerprint(trial.params),
                    **asdict(cost(spec)),
                }
            )
        out[Path(name).stem] = {
            "digest": space.digest(),
            "size": space.size(),
            "axes": {axis.name: bounds.to_json() for axis, bounds in space.axes},
            "named": [name for name, spec in all_named().items() if spec in space],
            "designs": designs,
        }
    return out


def state_dicts() -> dict[str, Any]:
    """Names and shapes of all parameters: of one small network in full, of others in short."""
    out: dict[str, Any] = {}
    for name in ("sdxl", "sd15", "dreamlite", "snapgen-t2i", "M/separable"):
        shapes = _shapes(named_spec(name))
        out[name] = {"parameters": len(shapes), "fingerprint": fingerprint(shapes)}
    out["small"] = _shapes(small())
    return out


def _shapes(spec: UNetSpec) -> list[list[Any]]:
    with torch.device("meta"):
        unet = UNet(spec)
    return [[name, list(p.shape)] for name, p in unet.state_dict().items()]


def small() -> UNetSpec:
    """DreamLite with all conditions and a classed label, narrow enough to run in milliseconds."""
    data = named_spec("dreamlite").to_dict()
    for stage in data["stages"]:
        stage |= {"channels": stage["channels"] // 16, "head_dim": 4}
    data |= {"norm_groups": 2, "time_width": 24, "rope": True, "latent_size": 16}
    data["context"] |= {"width": 12, "tokens": 5, "input_width": 10}
    data["conditions"] |= {"pooled_width": 6, "size_ids": 2, "size_width": 8, "classes": 3}
    return UNetSpec.from_dict(data)


def seeded() -> dict[str, Any]:
    """The small network's initial weights, to the bit, and what it predicts, to six digits."""
    unet = initialise(UNet(small()), seed=3).eval()
    digest = hashlib.sha256()
    for name, p in unet.state_dict().items():
        digest.update(name.encode() + p.numpy().tobytes())
    with torch.no_grad():
        out = unet(**example_inputs(small(), 2, torch.Generator().manual_seed(0)))
    return {
        "weights": digest.hexdigest()[:16],
        "inputs": [[n, list(t.shape), str(t.dtype)] for n, t in example_inputs(small()).items()],
        "mean": float(out.mean()),
        "std": float(out.std()),
        "corner": out[0, :, 0, 0].tolist(),
    }


def measure() -> dict[str, Any]:
    """Return everything the fixture holds, from the code as it is."""
    return {
        "named": named(),
        "block_keys": block_keys(),
        "spaces": spaces(),
        "state_dicts": state_dicts(),
        "seeded": seeded(),
    }


if __name__ == "__main__":
    FIXTURE.write_text(json.dumps(measure(), indent=1) + "\n")
