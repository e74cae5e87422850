"""Metrics of whole pictures: seconds, megabytes, and what stands in for their quality.

A candidate that is a picture has a UNet, a decoder, steps and bits. Its time is the sum of its
programs' and of the overhead, with the interval of correlated times. Its error is a sum of mean
squared errors: of the velocity, of drawing in few steps instead of many and of storing weights in
fewer bits, all on the UNet's trained twin, and of the decoder's twin. Nobody has shown that this
sum ranks pictures.

>>> [metric.name for metric in picture_metrics(PROXY)]
['text_ms', 'unet_ms', 'decoder_ms', 'overhead_ms', 'picture_s', 'disk_mb', 'picture_mb',
'sampling_error', 'palette_error', 'decoder_error', 'picture_error']
"""

from collections.abc import Callable
from typing import Any

from latency_db.latency import Latency
from latency_db.latency_sum import independent
from latency_db.picture_time import OVERHEAD
from studies.metric import Candidate, Measured, Metric, exact, weighted_sum

PICTURE = "picture"  # the kind of network
PROXY = Metric("proxy_loss", "Proxy loss", lambda candidate: None, stage="trained")
MB = 1e6


def picture_metrics(proxy_loss: Metric) -> list[Metric]:
    """Return the metrics, in the order of their registration; ``proxy_loss`` is the UNet's."""
    sampling = _trained("sampling_error", "Few-step error", _sampling)
    palette = _trained("palette_error", "Error of fewer bits", _palette)
    decoder = Metric("decoder_error", "Decoder error", _decoder_error, stage="trained", digits=4)
    return [
        *PROGRAMS,
        OVERHEAD_MS,
        Metric(
            "picture_s",
            "Time to picture",
            _picture_s,
            unit="s",
            stage="lookup",
            uncertainty="interval",
            digits=2,
            heading="picture s",
        ),
        Metric("disk_mb", "Weights on disk", _disk, unit="MB", heading="on disk MB"),
        Metric("picture_mb", "Memory of the app", _memory, unit="MB", heading="memory MB"),
        sampling,
        palette,
        decoder,
        _trained(
            "picture_error",
            "Picture error",
            weighted_sum(*((part, 1.0) for part in (proxy_loss, sampling, palette, decoder))),
        ),
    ]


def _program(prefix: str, title: str) -> Metric:
    """A metric of the programs whose names begin with ``prefix``: all calls of one picture."""

    def measure(candidate: Candidate) -> Measured | None:
        if candidate.kind != PICTURE or not candidate.programs:
            return None
        found = [one for name, one in candidate.programs.items() if name.startswith(prefix)]
        return _added(found)

    return Metric(
        f"{prefix}_ms",
        title,
        measure,
        unit="ms",
        stage="lookup",
        uncertainty="interval",
        heading=f"{prefix} ms",
    )


def _added(found: list[Latency]) -> Measured:
    if not found:
        return exact(0.0)
    sources = {one.source for one in found}
    return Measured(
        sum(one.ms for one in found),
        sum(one.low for one in found),
        sum(one.high for one in found),
        sources.pop() if len(sources) == 1 else "mixed",
    )


def _overhead(candidate: Candidate) -> Measured | None:
    if candidate.kind != PICTURE or not candidate.programs:
        return None
    return Measured(OVERHEAD.ms, OVERHEAD.low, OVERHEAD.high, OVERHEAD.source)


PROGRAMS = (
    _program("text", "Text encoders"),
    _program("unet", "UNet, all steps"),
    _program("decoder", "Decoder"),
)
OVERHEAD_MS = Metric(
    "overhead_ms",
    "Overhead",
    _overhead,
    unit="ms",
    stage="lookup",
    uncertainty="interval",
    heading="overhead ms",
)


def _picture_s(candidate: Candidate) -> Measured | None:
    """The sum of the parts, with the interval of times that err together."""
    parts = [metric.measure(candidate) for metric in (*PROGRAMS, OVERHEAD_MS)]
    if candidate.latency is None or None in parts:
        return None
    total = independent(candidate.latency, OVERHEAD)
    value = sum(part.value for part in parts if part is not None)
    return Measured(value / 1e3, total.low / 1e3, total.high / 1e3, total.source)


def _disk(candidate: Candidate) -> Measured | None:
    from latency_db.packages.stored import stored_bytes
    from search_space.program import programs_of

    if candidate.kind != PICTURE:
        return None
    programs = programs_of(candidate.network)
    return exact(sum(stored_bytes(one.network, one.bits) for one in programs) / MB)


def _memory(candidate: Candidate) -> Measured | None:
    from latency_db.packages.stored import resident_bytes

    return exact(resident_bytes(candidate.network) / MB) if candidate.kind == PICTURE else None


def _sampling(candidate: Candidate) -> Measured | None:
    return _of_score(candidate, "steps")


def _palette(candidate: Candidate) -> Measured | None:
    return _of_score(candidate, "bits")


def _decoder_error(candidate: Candidate) -> Measured | None:
    score = candidate.score
    if score is None or score.picture is None or score.picture.decoder is None:
        return None
    return exact(score.picture.decoder)


def _of_score(candidate: Candidate, name: str) -> Measured | None:
    """The error at the candidate's own steps or bits, of those that its training measured."""
    if candidate.kind != PICTURE or candidate.score is None or candidate.score.picture is None:
        return None
    network: Any = candidate.network
    for at, error, stderr in getattr(candidate.score.picture, name):
        if at == getattr(network, name):
            return Measured(error, error - stderr, error + stderr, "trained")
    return None


def _trained(name: str, title: str, measure: Callable[[Candidate], Measured | None]) -> Metric:
    return Metric(name, title, measure, stage="trained", uncertainty="stderr", digits=4)
