"""Does every block of the named designs convert to Core ML, and what does that cost?

    python benchmarks/coreml_conversion.py FOLDER            # all of them; resumes
    python benchmarks/coreml_conversion.py FOLDER --report   # only count what is there

Converts each distinct block at full size (latent 128, half precision, iOS 17, one copy) with the
code behind `walkbench latency export`, which reads every program back and compares operators,
parameters and MACs with the traced block before it keeps the package. Writes

    benchmarks/results/coreml_conversion.json   one row per block; seconds are wall time
"""

import argparse
import json
import os
from pathlib import Path
from typing import Any

from rich.console import Console

from latency_db.backends.coreml_export import Recipe, coremltools, export_packages, write_manifest
from latency_db.builder_designs import designs, subjects
from latency_db.table_row import NETWORK
from search_space.atomic import write_file
from search_space.provenance import provenance
from studies.cli.phases import Phases

RESULT = Path(__file__).parent / "results" / "coreml_conversion.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--report", action="store_true", help="convert nothing more")
    given = parser.parse_args()
    coremltools()
    chosen = designs()
    listed = subjects(chosen)
    load = os.getloadavg()[0]
    refused: dict[str, str] = {}
    if not given.report:
        with Phases(Console(stderr=True)) as progress:
            _, refused = export_packages(
                listed, given.folder, Recipe(), (1,), given.workers, progress.phase("making graphs")
            )
    rows = [
        {name: getattr(package, name) for name in ("key", "params", "macs", "bytes", "seconds")}
        for package in write_manifest(given.folder)
        if not package.key.startswith(NETWORK)
    ]
    seconds = sorted(float(str(row["seconds"])) for row in rows)
    summary: dict[str, Any] = {
        "designs": len(chosen.named),
        "blocks": len(listed),
        "converted": len(rows),
        "refused": refused,
        "gigabytes": sum(int(str(row["bytes"])) for row in rows) / 1e9,
        "minutes": sum(seconds) / 60,
        "median_s": seconds[len(seconds) // 2],
        "slowest_s": seconds[-1],
        "workers": given.workers,
        "load_at_start": load,
    }
    result = {
        "summary": summary,
        "rows": sorted(rows, key=lambda row: -float(str(row["seconds"]))),
        "provenance": provenance("coremltools", "torch"),
    }
    write_file(RESULT, json.dumps(result, indent=1) + "\n")
    print(json.dumps(summary, indent=1))


if __name__ == "__main__":
    main()
