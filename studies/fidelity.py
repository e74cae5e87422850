"""Which training budgets are known to rank designs, from the validation studies that were run.

A budget is compared by the pictures that a twin sees in training, steps × batch, on the same data
and latent size: as few pictures as were validated not to rank do not rank. One that was validated
to rank does so for the same width and at least as many pictures. Between them nothing is known.

>>> import dataclasses
>>> demo = Fidelity(steps=60, seconds=9.0, width=16, latent=24, batch=8, seed=0)
>>> ranks(demo), ranks(dataclasses.replace(demo, width=8, steps=400))
(False, True)
>>> ranks(dataclasses.replace(demo, steps=1200)) is None
True
"""

import tomllib
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from proxies.score import Fidelity


@dataclass(frozen=True)
class Validated:
    """One validated budget; ``spearman`` is the rank correlation with long training."""

    data: str
    latent: int
    width: int
    steps: int
    batch: int
    ranks: bool
    spearman: float
    source: str


@lru_cache(maxsize=1)
def validated() -> tuple[Validated, ...]:
    """Return the budgets of `studies/validated_fidelities.toml`."""
    text = (files("studies") / "validated_fidelities.toml").read_text("utf-8")
    return tuple(Validated(**entry) for entry in tomllib.loads(text)["fidelity"])


def ranks(fidelity: Fidelity) -> bool | None:
    """Say whether runs of ``fidelity`` order designs as long training does; None: not known."""
    pictures = fidelity.steps * fidelity.batch
    known = [v for v in validated() if (v.data, v.latent) == (fidelity.data, fidelity.latent)]
    if any(not v.ranks and pictures <= v.steps * v.batch for v in known):
        return False
    reached = [v for v in known if v.ranks and v.width == fidelity.width]
    return True if any(pictures >= v.steps * v.batch for v in reached) else None
