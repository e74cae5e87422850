"""Do the named designs convert whole to Core ML and Core AI, and at what cost?

    python benchmarks/whole_network_conversion.py FOLDER                  # all; resumes
    python benchmarks/whole_network_conversion.py FOLDER --design sdxl    # one; repeatable
    python benchmarks/whole_network_conversion.py FOLDER --report         # convert nothing more

One design at a time, with the code behind `walkbench export --coreml --coreai`, at full size with
initial weights. SnapGen (`snapgen-t2i`) comes first: to Core ML at 16, 6 and 4 bits, every
palettised weight decompressed and compared; to Core AI in single precision; and, narrowed to 64
channels at a latent of 32, to Core AI executed against torch. Every other design goes to Core ML at
16 bits, cut below 1 GB per program. Packages are deleted once their notes are kept; a design takes
2 to 20 minutes and up to 5 GB of memory. Writes

    benchmarks/results/whole_network_conversion.json   one row per conversion; seconds of wall time
"""

import argparse
import json
import os
import shutil
from pathlib import Path
from typing import Any

from latency_db.builder_width import with_first_width
from latency_db.packages import coreai_package
from latency_db.packages.coreai_package import COREAI
from latency_db.packages.coreml_package import COREML
from latency_db.packages.coreml_part import Settings
from latency_db.packages.package_folder import Format, write_packages
from latency_db.packages.parts import cut, sizes_at, whole
from latency_db.packages.weights import InitialWeights
from search_space.atomic import write_file
from search_space.errors import WalkbenchError
from search_space.presets import all_named
from search_space.provenance import provenance
from search_space.spec import UNetSpec

RESULT = Path(__file__).parent / "results" / "whole_network_conversion.json"
FULL = "snapgen-t2i"
KEPT = ("file", "params", "macs", "bytes", "seconds", "peak_gb", "worst_weight")
KEPT += ("worst_correlation", "compressed", "max_error", "max_error_of_rms", "versions")
Job = tuple[str, str, UNetSpec, Format, Any]  # name of the job, design, network, format, settings


def jobs(named: dict[str, UNetSpec]) -> list[Job]:
    """Return what is to be converted, the full design first, equal designs once."""
    full = named[FULL]
    narrow = with_first_width(full, 64, 32)
    listed: list[Job] = [
        (f"{FULL}, Core ML {bits} bits", FULL, full, COREML, Settings(bits=bits))
        for bits in (16, 6, 4)
    ]
    kept = coreai_package.Settings(execute=False)
    listed.append((f"{FULL}, Core AI", FULL, full, COREAI, kept))
    executed = (f"{FULL} narrowed, Core AI executed", FULL, narrow, COREAI)
    listed.append((*executed, coreai_package.Settings()))
    seen = {full.digest()}
    smallest = sorted(named.items(), key=lambda item: whole(item[1]).weight_bytes)
    for name, spec in smallest:
        if spec.digest() not in seen:
            seen.add(spec.digest())
            listed.append((f"{name}, Core ML 16 bits", name, spec, COREML, Settings()))
    return listed


def convert(job: Job, folder: Path) -> dict[str, Any]:
    """Convert one job, keep its notes, delete its packages; a job that is done is read."""
    name, design, spec, format, settings = job
    note = folder / f"{name.replace('/', '-').replace(' ', '_')}.json"
    if note.exists():
        done: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        return done
    sizes = sizes_at(getattr(settings, "bits", 32))
    parts = cut(spec, sizes) if format is COREML else (whole(spec, sizes),)
    work = folder / note.stem
    load = os.getloadavg()[0]
    notes = write_packages(parts, InitialWeights(0), settings, format, work)
    row = {
        "job": name,
        "design": design,
        "digest": spec.digest(),
        "format": format.name,
        "bits": getattr(settings, "bits", 32),
        "programs": [{key: n[key] for key in KEPT if key in n} for n in notes],
        "seconds": round(sum(n["seconds"] for n in notes), 1),
        "peak_gb": max(n["peak_gb"] for n in notes),
        "load_at_start": load,
    }
    write_file(note, json.dumps(row, indent=1) + "\n")
    shutil.rmtree(work)
    return row


def summary(rows: list[dict[str, Any]], named: dict[str, UNetSpec]) -> dict[str, Any]:
    """Return the figures of the issue; None where a job has not run yet."""
    by_job = {row["job"]: row for row in rows}
    converted = {row["digest"] for row in rows if row["format"] == "coreml" and row["bits"] == 16}

    def of(job: str, key: str) -> Any:
        return by_job[job][key] if job in by_job else None

    def program(job: str, key: str) -> Any:
        return min(p[key] for p in by_job[job]["programs"]) if job in by_job else None

    return {
        "coreml_seconds": of(f"{FULL}, Core ML 16 bits", "seconds"),
        "coreml_peak_gb": of(f"{FULL}, Core ML 16 bits", "peak_gb"),
        "coreai_seconds": of(f"{FULL}, Core AI", "seconds"),
        "coreai_peak_gb": of(f"{FULL}, Core AI", "peak_gb"),
        "designs_converted": sum(spec.digest() in converted for spec in named.values()),
        "designs_total": len(named),
        "missing": [name for name, spec in named.items() if spec.digest() not in converted],
        "coreai_rel_error_fp32": program(f"{FULL} narrowed, Core AI executed", "max_error_of_rms"),
        "worst_correlation_6bit": program(f"{FULL}, Core ML 6 bits", "worst_correlation"),
        "worst_correlation_4bit": program(f"{FULL}, Core ML 4 bits", "worst_correlation"),
        "coreml_6bit_seconds": of(f"{FULL}, Core ML 6 bits", "seconds"),
        "coreml_4bit_seconds": of(f"{FULL}, Core ML 4 bits", "seconds"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--design", action="append", help="only this named design; repeatable")
    parser.add_argument("--report", action="store_true", help="convert nothing more")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    named, refused = all_named(), dict[str, str]()
    for job in [] if given.report else jobs(named):
        if given.design and job[1] not in given.design:
            continue
        try:
            row = convert(job, given.folder)
            print(f"{job[0]}: {row['seconds']:.0f} s, {row['peak_gb']:.1f} GB", flush=True)
        except WalkbenchError as error:
            refused[job[0]] = str(error)
            print(f"{job[0]}: {error}", flush=True)
        report(given.folder, named, refused)
    if given.report:
        report(given.folder, named, refused)
    print(RESULT.read_text(encoding="utf-8").split('"rows"')[0])


def report(folder: Path, named: dict[str, UNetSpec], refused: dict[str, str]) -> None:
    """Write the result file from the notes of all jobs that are done."""
    notes = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime)
    rows = [json.loads(path.read_text(encoding="utf-8")) for path in notes]
    result = {
        "summary": summary(rows, named),
        "refused": refused,
        "rows": rows,
        "provenance": provenance("coremltools", "coreai-torch", "coreai-core", "torch"),
    }
    write_file(RESULT, json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
