"""Do the named designs convert whole to Core ML, Core AI and ONNX, and at what cost?

    python benchmarks/whole_network_conversion.py                      # all; resumes
    python benchmarks/whole_network_conversion.py --job "Core AI"      # jobs so named; repeatable
    python benchmarks/whole_network_conversion.py --job sdxl --again   # also what is done
    python benchmarks/whole_network_conversion.py --report             # convert nothing more

One job at a time, each conversion in a process of its own, with the code behind `walkbench export
--coreml --coreai --onnx`, at full size with initial weights. SnapGen (`snapgen-t2i`) comes first:
Core ML at 16, 6 and 4 bits, every palettised weight decompressed and compared; Core AI in single
precision; narrowed to 64 channels at a latent of 32, Core AI executed against torch; smaller still
(32 channels, a latent of 8), Core ML in an evaluator of its programs, in half and single precision.
Then every other design goes to Core ML at 16 bits, cut below 1 GB per program, SDXL last. At the
end two designs go to ONNX and are run in ONNX Runtime against torch.

A job's note is kept in FOLDER and its packages are deleted; the result file is written after every
job, and a job that it holds or that has a note is done. A job takes 1 to 20 minutes and up to 5 GB
of memory, SDXL in ONNX 12 GB. Writes

    benchmarks/results/whole_network_conversion.json   one row per job, seconds of wall and CPU time
"""

import argparse
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from latency_db.builder_width import with_first_width
from latency_db.packages import coreai_package, onnx_package
from latency_db.packages.coreai_package import COREAI, differences
from latency_db.packages.coreml_convert import EXACT
from latency_db.packages.coreml_package import COREML
from latency_db.packages.coreml_part import Settings, convert_part
from latency_db.packages.measured_process import run_measured
from latency_db.packages.onnx_package import ONNX
from latency_db.packages.package_folder import Format, write_packages
from latency_db.packages.part_module import part_inputs
from latency_db.packages.parts import Part, cut, sizes_at, whole
from latency_db.packages.weights import InitialWeights
from search_space.atomic import write_file
from search_space.errors import WalkbenchError
from search_space.lock import exclusive
from search_space.presets import all_named
from search_space.provenance import provenance
from search_space.spec import UNetSpec

RESULT = Path(__file__).parent / "results" / "whole_network_conversion.json"
FOLDER = Path("runs") / "whole_network_conversion"
FULL, SECOND, LARGEST = "snapgen-t2i", "sd15", "sdxl"  # the first two are evaluated as well
KEPT = ("file", "params", "macs", "bytes", "seconds", "cpu_seconds", "peak_gb")
KEPT += ("worst_weight", "worst_correlation", "compressed", "opset", "executed")
KEPT += ("max_error", "max_error_of_rms", "rms_error_of_rms", "versions")


@dataclass(frozen=True)
class Job:
    """One conversion: its name, the design, the network, and the function that makes its notes."""

    name: str
    design: str
    network: UNetSpec
    format: str
    bits: int
    run: Callable[[Path], list[dict[str, Any]]]


def jobs(named: dict[str, UNetSpec]) -> list[Job]:
    """Return what is to be converted, the full design first, equal designs once."""
    full = named[FULL]
    narrow = with_first_width(full, 64, 32)
    listed = [_core_ml(FULL, full, bits) for bits in (16, 6, 4)]
    kept = coreai_package.Settings(execute=False)
    listed.append(_whole(f"{FULL}, Core AI", FULL, full, COREAI, kept, 32))
    listed += [_executed(narrow, "fp32", 32), *_evaluated_jobs(named, FULL)]
    seen = {full.digest()}
    for design, spec in sorted(named.items(), key=lambda item: whole(item[1]).weight_bytes):
        if spec.digest() not in seen:
            seen.add(spec.digest())
            listed.append(_core_ml(design, spec, 16))
    listed += [_executed(narrow, "fp16", 16), *_evaluated_jobs(named, SECOND)]
    for design in (FULL, LARGEST):
        settings = onnx_package.Settings()
        listed.append(_whole(f"{design}, ONNX", design, named[design], ONNX, settings, 32))
    return listed


def _executed(narrow: UNetSpec, precision: str, bits: int) -> Job:
    name = f"{FULL} narrowed, Core AI {precision} executed"
    settings = coreai_package.Settings(precision)  # type: ignore[arg-type]
    return _whole(name, FULL, narrow, COREAI, settings, bits)


def _evaluated_jobs(named: dict[str, UNetSpec], design: str) -> list[Job]:
    small = with_first_width(named[design], 32, 8)
    return [
        Job(
            f"{design} small, Core ML {precision} evaluated",
            design,
            small,
            "evaluated",
            bits,
            partial(_evaluate, small, precision),
        )
        for precision, bits in (("fp16", 16), ("fp32", 32))
    ]


def _core_ml(design: str, spec: UNetSpec, bits: int) -> Job:
    parts = partial(cut, spec, sizes_at(bits))
    run = partial(_packages, parts, Settings(bits=bits), COREML)
    return Job(f"{design}, Core ML {bits} bits", design, spec, "coreml", bits, run)


def _whole(name: str, design: str, spec: UNetSpec, format: Format, settings: Any, bits: int) -> Job:
    def parts() -> tuple[Part, ...]:
        return (whole(spec, sizes_at(bits)),)

    run = partial(_packages, parts, settings, format)
    return Job(name, design, spec, format.name, bits, run)


def _packages(
    parts: Callable[[], tuple[Part, ...]], settings: Any, format: Format, folder: Path
) -> list[dict[str, Any]]:
    return write_packages(parts(), InitialWeights(0), settings, format, folder)


def _evaluate(spec: UNetSpec, precision: str, folder: Path) -> list[dict[str, Any]]:
    ran = run_measured(_evaluated, spec, precision)
    cost = {"seconds": ran.seconds, "cpu_seconds": ran.cpu_seconds, "peak_gb": ran.peak_gb}
    return [{**ran.result, **cost}]


def _evaluated(spec: UNetSpec, precision: str) -> dict[str, Any]:
    """Compare a Core ML program, evaluated operator by operator, with the network in torch."""
    from tests.latency_db.mil_evaluator import evaluate

    part = whole(spec)
    made = convert_part(part, InitialWeights(0), Settings(precision=precision))
    inputs = part_inputs(part, 1, "channels", torch.Generator().manual_seed(0))
    inputs = {name: t if name in EXACT else t.half().float() for name, t in inputs.items()}
    main = made.model._mil_program.functions["main"]
    with torch.no_grad():
        wanted = dict(zip(part.outputs, made.module(**inputs), strict=True))
        got = evaluate(made.model._mil_program, [inputs[name] for name in main.inputs])
    outputs = dict(zip((output.name for output in main.outputs), got, strict=True))
    params = sum(p.numel() for p in made.module.parameters())
    return {"params": params, "macs": made.facts.macs, **differences(outputs, wanted)}


def note_of(job: Job, folder: Path) -> Path:
    """Return where the note of ``job`` lies, made or not."""
    return folder / f"{job.name.replace('/', '-').replace(' ', '_')}.json"


def row_of(job: Job, folder: Path) -> dict[str, Any] | None:
    """Return what is known of a job: its note, or its row in the result file, or None."""
    note = note_of(job, folder)
    if note.exists():
        kept: dict[str, Any] = json.loads(note.read_text(encoding="utf-8"))
        return kept
    earlier = json.loads(RESULT.read_text(encoding="utf-8"))["rows"] if RESULT.exists() else []
    key = (job.name, job.network.digest())
    return next((row for row in earlier if (row["job"], row["digest"]) == key), None)


def convert(job: Job, folder: Path) -> dict[str, Any]:
    """Run one job, keep its note, delete its packages; return its row."""
    note = note_of(job, folder)
    work, load = folder / note.stem, os.getloadavg()[0]
    notes = job.run(work)
    found = provenance()
    row = {
        "job": job.name,
        "design": job.design,
        "digest": job.network.digest(),
        "format": job.format,
        "bits": job.bits,
        "programs": [{key: n[key] for key in KEPT if key in n} for n in notes],
        "seconds": round(sum(n["seconds"] for n in notes), 1),
        "cpu_seconds": round(sum(n["cpu_seconds"] for n in notes), 1),
        "peak_gb": max(n["peak_gb"] for n in notes),
        "load_at_start": round(load, 2),
        "date": found["date"],
        "code_revision": found["code_revision"],
    }
    write_file(note, json.dumps(row, indent=1) + "\n")
    shutil.rmtree(work, ignore_errors=True)  # an evaluated program has no folder
    return row


def summary(rows: list[dict[str, Any]], named: dict[str, UNetSpec]) -> dict[str, Any]:
    """Return the figures of the page; None where a job has not run yet."""
    by_job = {row["job"]: row for row in rows}
    converted = {row["digest"] for row in rows if row["format"] == "coreml" and row["bits"] == 16}

    def of(job: str, key: str) -> Any:
        return by_job[job].get(key) if job in by_job else None

    def lowest(job: str) -> Any:
        return (
            min(p["worst_correlation"] for p in by_job[job]["programs"]) if job in by_job else None
        )

    def largest(key: str, *names: str) -> Any:
        found = [p.get(key) for job in names if job in by_job for p in by_job[job]["programs"]]
        return max((value for value in found if value is not None), default=None)

    evaluated = {
        precision: [f"{design} small, Core ML {precision} evaluated" for design in (FULL, SECOND)]
        for precision in ("fp16", "fp32")
    }
    executed = f"{FULL} narrowed, Core AI {{}} executed"
    return {
        "coreml_seconds": of(f"{FULL}, Core ML 16 bits", "seconds"),
        "coreml_cpu_seconds": of(f"{FULL}, Core ML 16 bits", "cpu_seconds"),
        "coreml_peak_gb": of(f"{FULL}, Core ML 16 bits", "peak_gb"),
        "coreml_6bit_seconds": of(f"{FULL}, Core ML 6 bits", "seconds"),
        "coreml_4bit_seconds": of(f"{FULL}, Core ML 4 bits", "seconds"),
        "worst_correlation_6bit": lowest(f"{FULL}, Core ML 6 bits"),
        "worst_correlation_4bit": lowest(f"{FULL}, Core ML 4 bits"),
        "coreml_error_of_rms_fp32": largest("max_error_of_rms", *evaluated["fp32"]),
        "coreml_error_of_rms_fp16": largest("max_error_of_rms", *evaluated["fp16"]),
        "coreml_rms_error_of_rms_fp16": largest("rms_error_of_rms", *evaluated["fp16"]),
        "coreai_seconds": of(f"{FULL}, Core AI", "seconds"),
        "coreai_cpu_seconds": of(f"{FULL}, Core AI", "cpu_seconds"),
        "coreai_peak_gb": of(f"{FULL}, Core AI", "peak_gb"),
        "coreai_rel_error_fp32": largest("max_error_of_rms", executed.format("fp32")),
        "coreai_rms_error_of_rms_fp16": largest("rms_error_of_rms", executed.format("fp16")),
        "onnx_seconds": of(f"{FULL}, ONNX", "seconds"),
        "onnx_sdxl_seconds": of(f"{LARGEST}, ONNX", "seconds"),
        "onnx_sdxl_peak_gb": of(f"{LARGEST}, ONNX", "peak_gb"),
        "onnx_sdxl_rel_error_fp32": largest("max_error_of_rms", f"{LARGEST}, ONNX"),
        "designs_converted": sum(spec.digest() in converted for spec in named.values()),
        "designs_total": len(named),
        "missing": [name for name, spec in named.items() if spec.digest() not in converted],
    }


def report(listed: list[Job], folder: Path, refused: dict[str, str]) -> None:
    """Write the result file from the notes of all jobs that are done."""
    rows = [row for row in (row_of(job, folder) for job in listed) if row is not None]
    result = {
        "summary": summary(rows, all_named()),
        "refused": refused,
        "rows": rows,
        "provenance": provenance("coremltools", "coreai-torch", "coreai-core", "onnxruntime"),
    }
    write_file(RESULT, json.dumps(result, indent=1) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER, help="for notes")
    parser.add_argument("--job", action="append", help="jobs whose name contains this; repeatable")
    parser.add_argument("--again", action="store_true", help="run jobs that are done too")
    parser.add_argument("--report", action="store_true", help="convert nothing more")
    given = parser.parse_args()
    listed, refused = jobs(all_named()), dict[str, str]()
    wanted = [job for job in listed if not given.job or any(one in job.name for one in given.job)]
    with exclusive(given.folder, f"another run converts into {given.folder}; wait for it"):
        for job in [] if given.report else wanted:
            if not given.again and row_of(job, given.folder) is not None:
                continue
            try:
                row = convert(job, given.folder)
                took = f"{row['seconds']:.0f} s ({row['cpu_seconds']:.0f} of a processor)"
                print(f"{job.name}: {took}, {row['peak_gb']:.1f} GB", flush=True)
            except WalkbenchError as error:
                refused[job.name] = str(error)
                print(f"{job.name}: {error}", flush=True)
            report(listed, given.folder, refused)
        if given.report:
            report(listed, given.folder, refused)
    print(RESULT.read_text(encoding="utf-8").split('"rows"')[0])


if __name__ == "__main__":
    main()
