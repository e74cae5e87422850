"""`ImageTime`: a picture on one device, as the rows that `walkbench image-time` prints.

Time of each program, of all of them and of the picture; weights on disk at every number of bits;
memory, and whether a phone has it; what others published, apart from all of it.

>>> from search_space.presets import named_spec
>>> rows = disk_rows(PictureSpec(named_spec("sd15"), named_spec("sd15"), 4))
>>> [(row["program"], round(row["bytes_16"] / 1e6), round(row["bytes_4"] / 1e6)) for row in rows]
[('unet', 1719, 430), ('decoder', 1719, 430), ('all', 3438, 861)]
"""

from dataclasses import asdict
from typing import Any

from latency_db.devices import chip_of, is_known
from latency_db.latency import Latency
from latency_db.packages.phone_check import app_memory
from latency_db.packages.stored import (
    loaded_bytes,
    packages_needed,
    resident_bytes,
    stored_bytes,
)
from latency_db.picture_time import PictureTime
from latency_db.published.pictures import PublishedPicture, published_pictures
from latency_db.source import LatencySource
from search_space.errors import WalkbenchError
from search_space.picture import PictureSpec
from search_space.program import Program, programs_of

DISK_BITS = (16, 8, 6, 4)
ALL = "all"


def time_rows(timed: PictureTime) -> list[dict[str, Any]]:
    """Return one row per program, then the programs together, the overhead, and the picture."""
    rows = [
        {
            "part": part.program.name,
            "kind": part.program.kind,
            "calls": part.program.calls,
            **_latency(part.call, "call_"),
            "ms": part.ms,
            "low_ms": part.program.calls * part.call.low,
            "high_ms": part.program.calls * part.call.high,
            "coverage": part.call.coverage,
            "source": part.call.source,
        }
        for part in timed.parts
    ]
    for name, latency in (
        ("programs", timed.computing),
        ("overhead", timed.overhead),
        ("picture", timed.total),
    ):
        rows.append(
            {
                "part": name,
                "kind": "sum" if name != "overhead" else "overhead",
                "calls": 1,
                **_latency(latency, "call_"),
                **_latency(latency, ""),
                "coverage": latency.coverage,
                "source": latency.source,
            }
        )
    return rows


def _latency(latency: Latency, prefix: str) -> dict[str, float]:
    return {
        f"{prefix}ms": latency.ms,
        f"{prefix}low_ms": latency.low,
        f"{prefix}high_ms": latency.high,
    }


def disk_rows(picture: PictureSpec) -> list[dict[str, Any]]:
    """Return the bytes of each program's weights, and of all, at 16, 8, 6 and 4 bits."""
    rows: list[dict[str, Any]] = [
        {
            "program": one.name,
            **{f"bytes_{bits}": stored_bytes(one.network, bits) for bits in DISK_BITS},
        }
        for one in programs_of(picture)
    ]
    keys = [f"bytes_{bits}" for bits in DISK_BITS]
    return [*rows, {"program": ALL, **{key: sum(row[key] for row in rows) for key in keys}}]


def memory_rows(picture: PictureSpec, allowed: float | None) -> list[dict[str, Any]]:
    """Return what each program needs while it runs, and what an app needs that keeps all loaded.

    ``allowed`` are the bytes that an app may use, None where nobody knows them; ``fits`` is then
    None too. ``packages`` None: a step is too large for one program of the Neural Engine.
    """
    rows = [_memory(one, allowed) for one in programs_of(picture)]
    needed = resident_bytes(picture)
    packages = [row["packages"] for row in rows]
    whole = None if None in packages else sum(packages)
    return [
        *rows,
        {
            "program": ALL,
            "weight_bytes": sum(row["weight_bytes"] for row in rows),
            "peak_activation_bytes": max(row["peak_activation_bytes"] for row in rows),
            "needed_bytes": needed,
            "allowed_bytes": allowed,
            "packages": whole,
            "fits": None if allowed is None else needed <= allowed and whole is not None,
        },
    ]


def _memory(program: Program, allowed: float | None) -> dict[str, Any]:
    needed, packages = loaded_bytes(program), packages_needed(program)
    weights = stored_bytes(program.network, program.bits)
    return {
        "program": program.name,
        "weight_bytes": weights,
        "peak_activation_bytes": needed - weights,
        "needed_bytes": needed,
        "allowed_bytes": allowed,
        "packages": packages,
        "fits": None if allowed is None else needed <= allowed and packages is not None,
    }


def allowed_memory(device: str, source: LatencySource) -> float | None:
    """Return the bytes an app may use on ``device``; None where its memory is not known."""
    chip: str | None = getattr(source, "chip", None)
    named = device if is_known(device) else chip
    try:
        return None if named is None else app_memory(named)
    except WalkbenchError:
        return None


def published_rows(unet: str, device: str) -> list[dict[str, Any]]:
    """Return what others published of the named UNet, of this device's chip where there is any."""
    found = published_pictures(unet)
    chip = chip_of(device) if is_known(device) else None
    same = [one for one in found if one.chip == chip]
    return [_published(one) for one in same or found]


def _published(picture: PublishedPicture) -> dict[str, Any]:
    return asdict(picture)
