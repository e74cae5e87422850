"""Reuse the long runs of another study, which do not depend on its short runs.

Long runs are nearly all that a study costs. To ask whether another kind of short run ranks better,
only the short runs need to be trained.

>>> import tempfile
>>> from studies.proxy_validation.plan import keep_plan, make_plan
>>> sizes = {"designs": 4, "strata": 2, "long": 20, "seeds": 2, "width": 8}
>>> with tempfile.TemporaryDirectory() as name:
...     first, second = Path(name) / "first", Path(name) / "second"
...     keep_plan(make_plan("pocket", short=2, **sizes), first)
...     take_long_runs(make_plan("pocket", short=1, **sizes), second, first)
0
"""

import dataclasses
import shutil
from pathlib import Path

from studies.proxy_validation.baselines import BASELINES
from studies.proxy_validation.plan import ValidationPlan, check_same, load_plan
from studies.proxy_validation.runs import RUNS, append_result, results_of

OF_SHORT_RUNS = ("short", "short_latent", "short_batch")


def take_long_runs(plan: ValidationPlan, folder: Path, other: Path) -> int:
    """Copy the long runs and baselines of ``other`` to ``folder``; return the number of runs.

    Runs of the walk come too where both studies have one. Runs that ``folder`` has are not
    replaced. Raises :class:`WalkbenchError` naming what differs where the long runs of the two
    studies are not the same.
    """
    there = load_plan(other)
    of_short_runs = {name: getattr(plan, name) for name in OF_SHORT_RUNS}
    check_same(dataclasses.replace(there, **of_short_runs, seeds=plan.seeds), plan, other)
    here = {result.run for result in results_of(plan, folder)}
    taken = [
        result
        for result in results_of(there, other)
        if result.run.kind != "short" and result.run.seed < plan.seeds and result.run not in here
    ]
    folder.mkdir(parents=True, exist_ok=True)
    for result in taken:
        append_result(folder / RUNS, result)
    if (other / BASELINES).is_file() and not (folder / BASELINES).exists():
        shutil.copyfile(other / BASELINES, folder / BASELINES)
    return len(taken)
