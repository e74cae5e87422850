"""`EngineSuite`: what every engine must do.

Subclass it and make your engine:

class TestMyEngine(EngineSuite):
def make(self, **options):
return MyEngine(**options)
"""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from proxies.callbacks import Checkpoints
from proxies.testing import TINY_RECIPE, StopAt, Stopped, tiny_network, tiny_run
from proxies.trainer import train_run
from search_space.errors import WalkbenchError
from search_space.spec import Mid, Site, Stage, UNetSpec
from search_space.spec import Path as Sites
from studies.engines.checkpoints import checkpoint_of
from studies.engines.protocol import Engine, completed

SECONDS_TO_END = 30.0  # for an engine that is left while it trains


class EngineSuite:
    """Scores are those of training here, checkpoints go on, errors and ends are told."""

    ends_runs = True  # whether submit returns while the run trains, so that leaving can end it

    def make(self, **options: Any) -> Engine:
        """Return the engine with these options of :func:`studies.engines.engine`."""
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def engine(cls) -> Iterator[Engine]:
        """One engine without options for several tests: workers take seconds to start."""
        with cls().make() as engine:
            yield engine

    def test_every_run_gets_the_score_that_training_here_gives(self, engine: Engine) -> None:
        """To the last bit, whichever worker trains it."""
        runs = [tiny_run(steps=2, seed=seed, width=8, validate_at=(0.5,)) for seed in range(3)]
        found = dict(completed(engine, enumerate(runs)))
        assert len(found) == 3
        for number, run in enumerate(runs):
            score, here = found[number], train_run(run)
            assert score.losses == here.losses
            assert [point[::2] for point in score.curve] == [point[::2] for point in here.curve]
            assert score.fidelity.settings == run.settings.digest()

    def test_a_run_goes_on_from_its_checkpoint(self, tmp_path: Path) -> None:
        """And ends like one that was never interrupted."""
        run = tiny_run(steps=6, width=8)
        path = checkpoint_of(tmp_path, run)
        with pytest.raises(Stopped):
            train_run(run, [Checkpoints(path, seconds=0.0), StopAt(4)])
        before = path.stat().st_mtime_ns
        with self.make(checkpoints=tmp_path) as engine:
            score = engine.submit(run).result()
        assert path.stat().st_mtime_ns > before
        whole = train_run(run)
        assert score.losses == whole.losses
        assert score.train_loss_sum == whole.train_loss_sum

    def test_a_run_that_cannot_start_is_an_error_of_its_future_alone(self, engine: Engine) -> None:
        """Other runs of the engine are not touched."""
        path = Sites((Site(),))
        narrow = UNetSpec((Stage(64, 1, 64, path, path, kv_heads=1),) * 2, Mid(), time_width=64)
        bad, good = engine.submit(tiny_run(narrow, width=8)), engine.submit(tiny_run(width=8))
        with pytest.raises(WalkbenchError, match="twin rule channels"):
            bad.result()
        assert good.result().ok

    def test_a_run_that_diverges_has_a_failed_score(self, engine: Engine) -> None:
        """Divergence is a result, not an error."""
        recipe = dataclasses.replace(TINY_RECIPE, learning_rate=1e4, warm_up=0)
        score = engine.submit(tiny_run(steps=60, recipe=recipe)).result()
        assert not score.ok and "training loss" in (score.failed or "")

    def test_leaving_the_engine_ends_what_still_trains(self) -> None:
        """Within seconds, not at the end of the budget."""
        if not self.ends_runs:
            pytest.skip("submit returns when the run has ended")
        with self.make() as engine:
            future = engine.submit(tiny_run(tiny_network(depth=2), steps=1_000_000))
            time.sleep(0.5)
            left = time.monotonic()
        assert time.monotonic() - left < SECONDS_TO_END
        assert future.done() and (future.cancelled() or future.exception() is not None)
