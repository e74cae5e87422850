"""Blocks and networks as Core ML packages, on Linux or a Mac, checked before they are kept.

Route: `torch.export` → `run_decompositions({})` → `coremltools.convert`, half precision unless
asked otherwise. The module is first brought into export form
(:mod:`latency_db.backends.coreml_form`); the program is then compared with the block
(:mod:`latency_db.backends.coreml_check`).

A folder of packages resumes: each package gets a small JSON beside it when it is complete, and
`manifest.json` is put together from those.

>>> slug("conv_in in_channels=4 out_channels=64 size=32", 4)
'conv_in-4fd3f1c104-x4'
"""

import contextlib
import hashlib
import io
import json
import logging
import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from latency_db.backends.backend import CannotRun
from latency_db.backends.coreml_check import ProgramFacts, check_program
from latency_db.backends.coreml_form import Layout, export_form
from latency_db.backends.host import versions
from latency_db.builder_chain import Chain, Program, Subject, key_of, program_of
from latency_db.packages.atomic_package import disk_errors, package_at
from latency_db.packages.measured_process import start_worker
from search_space.atomic import atomic_write
from search_space.blocks import Block, TransformerLayer
from search_space.cost import block_cost, cost
from search_space.errors import WalkbenchError, raise_unknown

TARGETS = {"ios17": "iOS17", "ios18": "iOS18"}
PRECISIONS = {"fp16": "FLOAT16", "fp32": "FLOAT32"}
LAYOUTS = ("standard", "ane")
MANIFEST = "manifest.json"


def check_conversion(target: str, precision: str, layout: str) -> None:
    """Raise :class:`WalkbenchError` for a target, precision or layout that is unknown."""
    if target not in TARGETS:
        raise_unknown("deployment target", target, TARGETS)
    if precision not in PRECISIONS:
        raise_unknown("Core ML precision", precision, PRECISIONS)
    if layout not in LAYOUTS:
        raise_unknown("layout", layout, LAYOUTS)


@dataclass(frozen=True)
class Recipe:
    """How a package is made."""

    target: str = "ios17"
    precision: str = "fp16"
    layout: Layout = "standard"
    batch: int = 1

    def __post_init__(self) -> None:
        check_conversion(self.target, self.precision, self.layout)

    def __str__(self) -> str:
        return f"target {self.target}, layout {self.layout}"


@dataclass(frozen=True)
class Package:
    """One line of the manifest."""

    key: str
    copies: int
    file: str
    target: str
    precision: str
    layout: str
    batch: int
    macs: int
    params: int
    operators: dict[str, int]
    bytes: int
    seconds: float
    versions: str


def convert(subject: Subject, copies: int, recipe: Recipe) -> tuple[Any, Program, ProgramFacts]:
    """Return the Core ML model of ``copies`` of ``subject``, its torch program, and the facts.

    Raises :class:`CannotRun` when it cannot be converted, or did not become the same block.
    """
    import torch

    ct = coremltools()
    where = f"{key_of(subject)!r}"
    program = _in_layout(program_of(subject, copies, recipe.batch), subject, recipe.layout)
    try:
        with torch.no_grad(), quiet():
            exported = torch.export.export(program.module, program.inputs).run_decompositions({})
            model = ct.convert(
                exported,
                minimum_deployment_target=getattr(ct.target, TARGETS[recipe.target]),
                compute_precision=getattr(ct.precision, PRECISIONS[recipe.precision]),
                skip_model_load=True,
            )
    except (NotImplementedError, ValueError, RuntimeError, TypeError, KeyError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CannotRun(f"{where} cannot be converted to Core ML: {reason}") from None
    macs = recipe.batch * copies * _macs(subject)
    return model, program, check_program(model._mil_program, program.module, macs, where)


def export_packages(
    subjects: Sequence[Subject],
    folder: Path,
    recipe: Recipe,
    copies: Sequence[int] = (1,),
    workers: int = 1,
    progress: Callable[[int, int, str], None] | None = None,
) -> tuple[list[Package], dict[str, str]]:
    """Convert all subjects into ``folder``; return the manifest and what could not be converted.

    Packages that are complete are left alone, so a killed export goes on where it stopped.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise WalkbenchError(f"{folder}: {error.strerror}; name a folder to write to") from None
    jobs = [
        (subject, n)
        for subject in subjects
        for n in (copies if isinstance(subject, Block) else (1,))
    ]
    refused: dict[str, str] = {}
    # spawn: torch's threads do not survive a fork; a worker's memory goes with it
    with (
        disk_errors(folder),
        ProcessPoolExecutor(
            workers, mp_context=get_context("spawn"), initializer=start_worker
        ) as pool,
    ):
        running = {pool.submit(export_one, s, n, folder, recipe): key_of(s) for s, n in jobs}
        try:
            for done, future in enumerate(as_completed(running), start=1):
                reason = future.result()
                if reason is not None:
                    refused[running[future]] = reason
                if progress is not None:
                    progress(done, len(jobs), running[future])
        except BaseException:  # a full disk or Ctrl-C: the others are not begun
            pool.shutdown(cancel_futures=True)
            raise
    return write_manifest(folder), refused


def export_one(subject: Subject, copies: int, folder: Path, recipe: Recipe) -> str | None:
    """Make one package unless it is there; return the reason when it cannot be made."""
    final = package_path(subject, copies, folder, recipe)
    note = final.with_suffix(".json")
    if note.exists():
        return None
    started = time.monotonic()
    try:
        with package_at(final) as made:
            model, program, facts = convert(subject, copies, recipe)
            with quiet():
                model.save(str(made))
    except CannotRun as error:
        return str(error)
    package = Package(
        key=key_of(subject),
        copies=copies,
        file=final.name,
        **asdict(recipe),
        macs=facts.macs,
        params=sum(p.numel() for p in program.module.parameters()),
        operators=facts.operators,
        bytes=sum(f.stat().st_size for f in final.rglob("*") if f.is_file()),
        seconds=round(time.monotonic() - started, 2),
        versions=versions("coremltools", "torch"),
    )
    _write_json(note, asdict(package))
    return None


def package_path(subject: Subject, copies: int, folder: Path, recipe: Recipe) -> Path:
    """Return where the package of ``copies`` of ``subject`` lies, made or not."""
    return folder / f"{slug(f'{key_of(subject)}|{asdict(recipe)}', copies)}.mlpackage"


def write_manifest(folder: Path) -> list[Package]:
    """Gather the notes beside the packages into `manifest.json`."""
    notes = sorted(p for p in folder.glob("*.json") if p.name != MANIFEST)
    packages = [Package(**json.loads(p.read_text(encoding="utf-8"))) for p in notes]
    packages.sort(key=lambda package: (package.key, package.copies, package.file))
    _write_json(folder / MANIFEST, [asdict(package) for package in packages])
    return packages


def slug(text: str, copies: int) -> str:
    """Return a file name for a key: its kind, ten digits of its hash, the copies."""
    kind = re.split(r"[ |]", text)[0]
    return f"{kind}-{hashlib.sha256(text.encode()).hexdigest()[:10]}-x{copies}"


@cache
def coremltools() -> Any:
    """Import coremltools without the notes it prints on a system that cannot run models."""
    logging.getLogger("coremltools").setLevel(logging.ERROR)
    try:
        with quiet():
            import coremltools as ct
    except ImportError:
        raise WalkbenchError(
            "Core ML needs the coreml extra; pip install 'walkbench[coreml]'"
        ) from None
    return ct


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep progress bars and version notes of coremltools off the terminal; errors still raise."""
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield


def _in_layout(program: Program, subject: Subject, layout: Layout) -> Program:
    """Bring a program into export form; a layer's stream and text change places with it."""
    module, inputs = export_form(program.module, layout), program.inputs
    if layout == "ane" and isinstance(subject, TransformerLayer):
        assert isinstance(program.module, Chain)
        inputs = tuple(t.transpose(1, 2).unsqueeze(2).contiguous() for t in inputs)
    return Program(module.eval(), inputs)


def _macs(subject: Subject) -> int:
    return block_cost(subject).macs if isinstance(subject, Block) else cost(subject).macs


def _write_json(path: Path, data: Any) -> None:
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
