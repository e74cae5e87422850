"""Does the sum of blocks hold? A table of this machine's CPU, and whole networks beside it.

    python benchmarks/latency_sum.py            # all of it, resumes where it was stopped
    python benchmarks/latency_sum.py --prepare  # only export the graphs, nothing is timed

44 designs drawn at random from the space `pocket` (none of them a named design; seed 0), narrowed
to a quarter of their widths at a 32×32 latent, timed whole in ONNX Runtime with one thread, among
the blocks they are made of. Writes

    latency_db/tables/NAME.csv            the table, samples and whole networks included
    benchmarks/results/latency_sum.json   the validation report, and how fast `predict` is

Run it on a machine that does nothing else. On two quiet cores: about 5 minutes of exporting and 12
of timing. The choices (`pocket`, cold weights, optimisation level, rounds) were made on three other
networks of the space (seed 100) before this was run.
"""

import argparse
import json
import time
from pathlib import Path

from rich.console import Console

from latency_db.backends.onnxruntime import OnnxRuntimeBackend
from latency_db.backends.prepare import prepare_graphs
from latency_db.builder import Effort, measure
from latency_db.builder_designs import designs, subjects
from latency_db.lookup import predict
from latency_db.table import Table
from latency_db.validate import cases_of, report, rows
from search_space.provenance import provenance
from search_space.spec import UNetSpec
from studies.cli.latency_progress import MeasureProgress

ROOT = Path(__file__).parent.parent
NAME = "cpu-onnxruntime-narrow"
TABLE = ROOT / "latency_db" / "tables" / f"{NAME}.csv"
RESULT = ROOT / "benchmarks" / "results" / "latency_sum.json"
EFFORT = Effort(passes=5, rounds=12)
CHOSEN = {"space": "pocket", "seed": 0, "width": 64, "latent": 32}
PREDICT_SECONDS = 2.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=44)
    parser.add_argument("--workers", type=int, default=2, help="processes that export graphs")
    parser.add_argument("--passes", type=int, default=EFFORT.passes)
    parser.add_argument("--rounds", type=int, default=EFFORT.rounds)
    parser.add_argument("--prepare", action="store_true", help="export graphs and stop")
    parser.add_argument("--table", type=Path, default=TABLE)
    parser.add_argument("--result", type=Path, default=RESULT)
    given = parser.parse_args()
    chosen = designs(samples=given.networks, named=False, **CHOSEN)
    named = designs(samples=0, named=True, **CHOSEN)
    networks = chosen.sampled
    assert not set(networks) & set(named.named.values()), (
        "a named design was drawn; change the seed"
    )
    # named designs' blocks too, so that the shipped table covers them
    listed = subjects(named, networks)
    effort = Effort(given.passes, given.rounds)
    started = time.monotonic()
    with MeasureProgress(Console(stderr=True)) as progress:
        prepare_graphs(listed, "onnxruntime", {}, effort, given.workers, progress.preparing)
        if given.prepare:
            return
        outcome = measure(
            listed,
            OnnxRuntimeBackend(),
            given.table,
            effort,
            resume=True,
            progress=progress.visited,
        )
    assert not outcome.skipped, outcome.skipped
    table = Table.load(given.table)
    cases = cases_of(table)
    summary = {
        **report(cases),
        "blocks": len(table.entries),
        "predict_per_s": predict_per_second(table, [n.spec for n in table.networks]),
        "minutes": round((time.monotonic() - started) / 60, 1),
    }
    result = {
        "summary": summary,
        "rows": rows(cases),
        "provenance": {
            **provenance("onnxruntime", "onnx", "onnxscript"),
            "conditions": vars(table.conditions),
            "passes": given.passes,
            "rounds": given.rounds,
            **CHOSEN,
        },
    }
    given.result.parent.mkdir(parents=True, exist_ok=True)
    given.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name in (
        "n",
        "median_abs_error_pct",
        "median_abs_error_corrected_pct",
        "within_10_pct",
        "kendall",
        "gain_over_macs_low",
        "predict_per_s",
    ):
        print(f"{name:32} {summary[name]:.4g}")


def predict_per_second(table: Table, specs: list[UNetSpec]) -> float:
    """Look-ups of different networks per second, warm: segments and plans are known."""
    for spec in specs:
        predict(spec, table)
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < PREDICT_SECONDS:
        for spec in specs:
            predict(spec, table)
        done += len(specs)
    return done / (time.perf_counter() - started)


if __name__ == "__main__":
    main()
