"""Does the sum of blocks hold? A table of this machine's CPU, and whole networks beside it.

    python benchmarks/latency_sum.py            # all of it, resumes where it was stopped
    python benchmarks/latency_sum.py --prepare  # only export the graphs, nothing is timed

40 designs drawn at random from the space `pocket` (none of them a named design; seed 0), narrowed
to a quarter of their widths at a 32×32 latent, timed whole in ONNX Runtime with one thread, among
the blocks they are made of. Writes

    latency_db/tables/NAME.csv            the table, samples and whole networks included
    benchmarks/results/latency_sum.json   the validation report, and how fast a table predicts

Run it on a machine that does nothing else; killed, it resumes, and with nothing left to measure it
only reports. On two quiet cores: about 5 minutes of exporting and 14 of timing. The choices
(`pocket`, cold weights, optimisation level, rounds) were made on three other networks of the space
(seed 100) before this was run; the window of the drift correction on blocks alone.

The summary is of the table as sources read it, with the machine's drift removed. Beside it:

    drift_kept      the same report of the times as they were taken
    passes_a_to_b   both, of five passes alone: what a shorter measurement would have given
    drift_windows   how far visits to blocks lie from their prediction, by window (mean |log|)
"""

import argparse
import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from latency_db.backends.onnxruntime import OnnxRuntimeBackend
from latency_db.backends.prepare import prepare_graphs
from latency_db.builder import Effort, measure
from latency_db.builder_designs import designs, subjects
from latency_db.table import Table
from latency_db.table_drift import WINDOW, left_over
from latency_db.table_file import read_rows
from latency_db.table_row import Row
from latency_db.table_source import TableSource
from latency_db.validate import cases_of, report, rows
from search_space.provenance import provenance
from search_space.spec import UNetSpec
from studies.cli.phases import Phases

ROOT = Path(__file__).parent.parent
NAME = "cpu-onnxruntime-narrow"
TABLE = ROOT / "latency_db" / "tables" / f"{NAME}.csv"
RESULT = ROOT / "benchmarks" / "results" / "latency_sum.json"
EFFORT = Effort(passes=15, rounds=12)
CHOSEN: dict[str, Any] = {"space": "pocket", "seed": 0, "width": 64, "latent": 32}
PREDICT_SECONDS = 2.0
WINDOWS = (None, 1, 2, 3, 4, 5, 6, 8, 10, 15)
FEW = 5  # passes of a shorter measurement
TARGETS = (
    "n",
    "median_abs_error_pct",
    "median_abs_error_corrected_pct",
    "within_10_pct",
    "kendall",
    "gain_over_macs_low",
    "predict_per_s",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--networks", type=int, default=40)
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
    with Phases(Console(stderr=True)) as progress:
        prepare_graphs(
            listed, "onnxruntime", {}, effort, given.workers, progress.phase("making graphs")
        )
        if given.prepare:
            return
        outcome = measure(
            listed,
            OnnxRuntimeBackend(),
            given.table,
            effort,
            resume=True,
            progress=progress.phase("measuring"),
        )
    assert not outcome.skipped, outcome.skipped
    visits = read_rows(given.table)
    table = Table.of(visits, NAME)
    cases = cases_of(table)
    summary = {
        **report(cases),
        "blocks": len(table.entries),
        "drift_pct": 100 * table.drift,
        "predict_per_s": predict_per_second(table, [n.spec for n in table.networks]),
        "minutes": round(minutes(visits), 1),
        "drift_kept": report(cases_of(Table.of(visits, NAME, drift="keep"))),
    }
    for first in range(0, given.passes, FEW):
        some = [row for row in visits if first <= row.pass_number < first + FEW]
        if some and len(some) < len(visits):
            summary[f"passes_{first}_to_{first + FEW - 1}"] = both_ways(some)
    summary["drift_window"] = WINDOW
    summary["drift_windows"] = windows(visits)
    result = {
        "summary": summary,
        "rows": rows(cases),
        "provenance": {
            **provenance("onnxruntime", "onnx", "onnxscript"),
            "conditions": vars(table.conditions),
            "passes": given.passes,
            "rounds": given.rounds,
            "measured": [visits[0].date, visits[-1].date],
            **CHOSEN,
        },
    }
    given.result.parent.mkdir(parents=True, exist_ok=True)
    given.result.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    for name in TARGETS:
        print(f"{name:32} {summary[name]:.4g}")


def both_ways(visits: Sequence[Row]) -> dict[str, Any]:
    """The figures of the issue from some of the passes, drift taken out and kept."""
    tables = {
        "drift_removed": Table.of(visits, NAME),
        "drift_kept": Table.of(visits, NAME, drift="keep"),
    }
    found = {way: report(cases_of(table)) for way, table in tables.items()}
    names = [*TARGETS[:-1], "p90_abs_error_pct"]
    return {way: {name: all_[name] for name in names} for way, all_ in found.items()}


def windows(visits: Sequence[Row]) -> dict[str, dict[str, float]]:
    """What each window leaves of blocks' visits: all passes, the first few, the others."""
    parts = {
        "all": list(visits),
        f"passes_below_{FEW}": [row for row in visits if row.pass_number < FEW],
        f"passes_from_{FEW}": [row for row in visits if row.pass_number >= FEW],
    }
    return {
        name: {str(window or "none"): left_over(part, window) for window in WINDOWS}
        for name, part in parts.items()
        if part
    }


def minutes(visits: Sequence[Row]) -> float:
    """Minutes spent on timing, pass by pass: a run may have rested in between."""
    spent = 0.0
    for number in {row.pass_number for row in visits}:
        dates = [datetime.fromisoformat(r.date) for r in visits if r.pass_number == number]
        spent += (max(dates) - min(dates)).total_seconds()
    return spent / 60


def predict_per_second(table: Table, specs: list[UNetSpec]) -> float:
    """Look-ups of different networks per second, warm: segments and plans are known.

    Seconds of this process on the processor, so that others' work does not count.
    """
    source = TableSource.of(table)
    for spec in specs:
        source.predict(spec)
    done, started = 0, time.process_time()
    while time.process_time() - started < PREDICT_SECONDS:
        for spec in specs:
            source.predict(spec)
        done += len(specs)
    return done / (time.process_time() - started)


if __name__ == "__main__":
    main()
