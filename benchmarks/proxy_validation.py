"""Does the proxy rank designs? The validation study at CPU size, resumable, and its report.

    python benchmarks/proxy_validation.py               # trains what is missing, then reports
    python benchmarks/proxy_validation.py --report      # reports what is there

32 designs of the space `pocket` in four bands of estimated iPhone latency, and the design walk of
family M; six seeds of every run. Width and lengths were chosen on other designs
(`pocket` seed 77) before anything here was trained. Writes

    benchmarks/results/proxy_validation/         plan, one line per run, baselines
    benchmarks/results/proxy_validation.json     the report
    benchmarks/results/proxy_validation.html     its plots (not kept in the repository)
    studies/measured_walk.json                   which steps of the walk change the loss

Takes about half an hour a seed on two cores, seed by seed over all designs. Stop it at any time:
the same command goes on, and the report counts the seeds that are finished for all designs.
"""

import argparse
import json
from pathlib import Path

from rich.console import Console

from proxies.loop import Recipe
from search_space.provenance import provenance
from studies.cli.phases import Phases
from studies.figures.proxy_validation import write_validation
from studies.proxy_validation.baselines import kept_baselines
from studies.proxy_validation.plan import keep_plan, make_plan
from studies.proxy_validation.report import report
from studies.proxy_validation.runs import results_of, train

RESULTS = Path(__file__).parent / "results"
FOLDER = RESULTS / "proxy_validation"
WALK = Path(__file__).parent.parent / "studies" / "measured_walk.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where runs are kept")
    parser.add_argument("--report", action="store_true", help="train nothing")
    given = parser.parse_args()
    plan = make_plan(
        "pocket",
        designs=32,
        strata=4,
        short=80,
        long=800,
        seeds=6,
        walk="M",
        walk_steps=300,
        marks=(0.1, 0.3, 0.6),
        width=8,
        recipe=Recipe(validation_images=512),
    )
    keep_plan(plan, given.folder)
    with Phases(Console(stderr=True)) as progress:
        if not given.report:
            train(plan, given.folder, given.workers, progress.phase("training steps"))
        baselines = kept_baselines(plan, given.folder, progress.phase("baselines"))
    found = report(plan, results_of(plan, given.folder), baselines)
    path = RESULTS / "proxy_validation.json"
    path.write_text(json.dumps({**found, "provenance": provenance()}, indent=1) + "\n")
    write_validation(found, RESULTS / "proxy_validation.html")
    if found["walk"] is not None:
        walk = {k: v for k, v in found["walk"].items() if k != "loss_by_seed"}
        WALK.write_text(json.dumps({**walk, "provenance": provenance()}, indent=1) + "\n")
    print(json.dumps({k: found["summary"][k] for k in list(found["summary"])[:14]}, indent=1))


if __name__ == "__main__":
    main()
