"""A study that is real but for its two slow parts: latency and loss are made up, not computed."""

from dataclasses import dataclass

from latency_db.latency import Latency
from proxies.score import Fidelity, Score
from proxies.training_run import TrainingRun
from search_space.cost import cost
from search_space.spec import UNetSpec
from studies.config import parse_config
from studies.runner import run_study

CONFIG = """
study = {name = "small", trials = 7, sampler = "random"}
space = {name = "snapgen"}
objectives = {minimise = ["proxy_loss", "latency_ms"]}
budgets = {latency_ms = 300}
device = {name = "iPhone 16 Pro Max"}
proxy = {steps = 1}
enqueue = {designs = ["F/thin", "F/separable", "F/ffn-3", "F/mqa", "snapgen-imagenet"]}
"""


@dataclass(frozen=True)
class MadeUpLatency:
    """Milliseconds in proportion to MACs, with the look of an estimate."""

    name: str = "made up"
    device: str = "iPhone 16 Pro Max"
    revision: str = "1"

    def predict(self, spec: UNetSpec) -> Latency:
        ms = cost(spec).macs / 4e9
        return Latency(ms, ms / 1.5, ms * 1.5, 0.0, "estimated")


def made_up_score(run: TrainingRun) -> Score:
    """A loss that falls with size, wobbling by digest."""
    spec = run.network
    wobble = int(spec.digest(), 16) % 97 / 1e4
    value = 0.2 + 0.05 / (cost(spec).params / 4e8) ** 0.5 + wobble
    fidelity = Fidelity(steps=1, seconds=1.0, width=16, latent=24, batch=16, seed=0)
    return Score.of_losses((value - 0.01, value, value + 0.01), fidelity)


def make_small_study(storage: str, trials: int | None = None) -> None:
    """Run the study in ``storage``; seven trials, nothing is trained."""
    run_study(
        parse_config(CONFIG),
        storage=storage,
        trials=trials,
        latency=MadeUpLatency(),
        proxy=made_up_score,
    )
