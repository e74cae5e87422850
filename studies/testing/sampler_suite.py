"""`SamplerSuite`: what every registered sampler must do."""

from pathlib import Path
from typing import Any

from studies.config import parse_config
from studies.reading import study_data
from studies.runner import run_study

SPACE = """
name = "suite"
base = "F/mqa"
[axes]
mid_depth = { low = 1, high = 4 }
"depth.2.down" = { low = 1, high = 4 }
"kv_heads.2" = ["all", 1]
"""
CONFIG = """
study = {{name = "{study}", trials = 8, seed = {seed}, sampler = "{sampler}"}}
space = {{path = "suite.toml"}}
objectives = {{minimise = ["params", "macs"]}}
enqueue = {{designs = []}}
"""


class SamplerSuite:
    """Tests of the sampler called :attr:`name`, on a small space that costs nothing to price."""

    name: str

    def suggestions(
        self, folder: Path, study: str, *stops: int, seed: int = 0
    ) -> list[dict[str, Any]]:
        """Return the parameters of a study's trials, run up to each of ``stops`` in turn."""
        (folder / "suite.toml").write_text(SPACE)
        text = CONFIG.format(study=study, seed=seed, sampler=self.name)
        config = parse_config(text, "suite", folder)
        for stop in stops:
            run = run_study(config, trials=stop, storage=str(folder / f"{study}.db"))
        trials = study_data(run.study).trials
        assert all(trial.state == "COMPLETE" for trial in trials)
        assert all(trial.network in config.space for trial in trials)
        return [dict(trial.params) for trial in trials]

    def test_it_suggests_several_designs_of_the_space(self, tmp_path: Path) -> None:
        """Conditional axes included."""
        found = self.suggestions(tmp_path, "one", 8)
        assert len({tuple(sorted(params.items())) for params in found}) > 2

    def test_a_resumed_study_and_one_of_another_name_suggest_the_same(self, tmp_path: Path) -> None:
        """What a sampler learns comes from the storage, its randomness from the trial's seed."""
        whole = self.suggestions(tmp_path, "whole", 6)
        assert self.suggestions(tmp_path, "resumed", 2, 3, 6) == whole
