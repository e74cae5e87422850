"""Whole pictures that others timed on phones: the programs' times, the steps, the total.

Joined from the published rows: Apple states the end-to-end time of 20 steps beside its UNets'
times, SnapGen and SnapFusion publish programs. A total is ``stated``, or ``derived`` by adding up
published programs; SnapGen's 4 steps are both: 1.215 s of programs, "1.2 to 1.4 s" in words. None
is ever mixed with an estimate.

>>> [(p.name, p.steps, p.total_s, p.confidence) for p in published_pictures("snapgen-t2i")]
[('SnapGen', 4, 1.215, 'derived'), ('SnapGen', 4, 1.4, 'stated'), ('SnapGen', 8, 2.311, 'derived')]
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from latency_db.published.rows import PublishedRow, published_rows

# Named UNets of ours, and the name of what others timed.
TIMED = {
    "sd15": ("SD 1.5", "SnapFusion"),
    "sd21": ("SD 2.1-base",),
    "sdxl": ("SDXL-base",),
    "snapgen-t2i": ("SnapGen",),
    "snapgen-imagenet": ("SnapGen",),
}
SNAPGEN_STATED_S = 1.4  # "1.2-1.4 s" for 4 steps at 1024 px; the upper end (arXiv 2412.09619)


@dataclass(frozen=True)
class PublishedPicture:
    """One published picture; what was not published is None.

    ``unet_ms`` is one step: with guidance a pair of passes. ``reduced``: models were loaded one
    after another to save memory, which takes most of the time.
    """

    name: str
    device: str
    chip: str
    resolution: str
    guidance: bool
    steps: int | None
    text_ms: float | None
    unet_ms: float | None
    decoder_ms: float | None
    total_s: float | None
    confidence: Literal["stated", "derived", ""]
    source: str
    url: str
    reduced: bool = False


def published_pictures(unet: str | None = None) -> list[PublishedPicture]:
    """Return all pictures, or those of the named UNet ``unet``; none for a name without any."""
    wanted = TIMED.get(unet, ()) if unet is not None else None
    return [one for one in _all() if wanted is None or one.name in wanted]


@lru_cache(maxsize=1)
def _all() -> tuple[PublishedPicture, ...]:
    apple = [found for row in published_rows() if (found := _end_to_end(row))]
    return (*_snapgen(), *_snapfusion(), *apple)


def _row(model: str, source_id: str) -> PublishedRow:
    return next(r for r in published_rows() if (r.model, r.source_id) == (model, source_id))


def _snapgen() -> list[PublishedPicture]:
    unet, decoder = (_row(f"SnapGen {part}", "snapgen") for part in ("UNet", "tiny decoder"))

    def picture(
        steps: int, total: float, confidence: Literal["stated", "derived"]
    ) -> PublishedPicture:
        return PublishedPicture(
            "SnapGen", unet.device, unet.chip, "1024 px", False, steps, None, unet.latency_ms,
            decoder.latency_ms, total, confidence, unet.source, unet.source_url,
        )  # fmt: skip

    def programs(steps: int) -> float:
        return (steps * unet.latency_ms + decoder.latency_ms) / 1000

    return [
        picture(4, programs(4), "derived"),
        picture(4, SNAPGEN_STATED_S, "stated"),
        picture(8, programs(8), "derived"),
    ]


def _snapfusion() -> list[PublishedPicture]:
    text = _row("SD 1.5 CLIP-L text encoder", "snapfusion")
    found = []
    for name in ("SD 1.5", "SnapFusion"):
        unet, decoder = (_row(f"{name} {p}", "snapfusion") for p in ("UNet", "VAE decoder"))
        found.append(
            PublishedPicture(
                name, unet.device, unet.chip, "512 px", False, None, text.latency_ms,
                unet.latency_ms, decoder.latency_ms, None, "", unet.source, unet.source_url,
            )
        )  # fmt: skip
    return found


def _end_to_end(row: PublishedRow) -> PublishedPicture | None:
    """Return the picture that an Apple row states in its notes."""
    stated = re.search(r"(\d+) steps, end to end ([\d.]+)( \(reduceMemory\))? s", row.notes)
    if stated is None:
        return None
    return PublishedPicture(
        row.model.removesuffix(" UNet (CFG pair)"), row.device, row.chip,
        row.input_resolution.split(" (")[0], True, int(stated[1]), None, row.latency_ms, None,
        float(stated[2]), "stated", row.source, row.source_url, bool(stated[3]),
    )  # fmt: skip
