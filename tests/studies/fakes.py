"""A small space, a latency and a proxy that cost nothing, and a config made of them."""

import math
from dataclasses import dataclass, field

from latency_db.latency import Latency
from proxies.score import Fidelity, Score
from proxies.training_run import TrainingRun
from search_space.cost import cost
from search_space.spec import UNetSpec
from studies.config import StudyConfig, parse_config

# Few axes and few distinct blocks: the tests below are about studies, not about tracing.
SPACE = """
name = "small"
base = "F/mqa"
[axes]
mid_depth = { low = 1, high = 4 }
"depth.1.down" = { low = 0, high = 2 }
"depth.2.down" = { low = 1, high = 4 }
"depth.2.up" = { low = 1, high = 4 }
"kv_heads.2" = ["all", 1]
"""

CONFIG = """
[study]
name = "{name}"
trials = {trials}
seed = {seed}
sampler = "{sampler}"
[space]
path = "small.toml"
fix = {fix}
[objectives]
minimise = {objectives}
maximise = {maximise}
[budgets]
{budgets}
[device]
name = "A18 Pro"
{proxy}
[enqueue]
designs = {designs}
"""


def make_config(folder, **changes) -> StudyConfig:
    """Write the small space into ``folder`` and return a config over it."""
    (folder / "small.toml").write_text(SPACE)
    return parse_config(config_text(**changes), "study.toml", folder)


def config_text(
    name="small",
    trials=6,
    seed=0,
    sampler="tpe",
    objectives=("proxy_loss", "latency_ms"),
    budgets="latency_ms = 260",
    proxy=None,
    designs=("F/mqa",),
    fix="{}",
    maximise=(),
) -> str:
    """Return the TOML text of a config."""
    if proxy is None:
        proxy = "[proxy]\nsteps = 2\nwidth = 8\n" if "proxy_loss" in objectives else ""
    return CONFIG.format(
        name=name,
        trials=trials,
        seed=seed,
        sampler=sampler,
        objectives=list(objectives),
        maximise=list(maximise),
        budgets=budgets,
        proxy=proxy,
        designs=list(designs),
        fix=fix,
    )


class FakeLatency:
    """A millisecond per 2.5 GMAC."""

    name = "fake"
    device = "A18 Pro"
    revision = "1"

    def predict(self, spec: UNetSpec) -> Latency:
        ms = cost(spec).macs / 2.5e9
        return Latency(ms, ms / 1.5, ms * 1.5, 0.0, "estimated")


@dataclass
class FakeProxy:
    """Scores by size; remembers what it scored, and fails where it is told to."""

    diverging: frozenset[str] = frozenset()
    raising: dict[str, BaseException] = field(default_factory=dict)
    scored: list[str] = field(default_factory=list)

    def __call__(self, run: TrainingRun) -> Score:
        spec = run.network
        digest = spec.digest()
        self.scored.append(digest)
        if digest in self.raising:
            raise self.raising[digest]
        steps, seed = run.settings.budget.steps, run.settings.seed
        fidelity = Fidelity(steps, seconds=0.1, width=8, latent=24, batch=16, seed=seed)
        if digest in self.diverging:
            return Score.failure("training loss is nan at step 1", fidelity)
        loss = 1 / math.log(cost(spec).params) * (2 / steps) ** 0.1
        return Score.of_losses((loss, loss * 1.1), fidelity)
