"""How long a phone takes for one picture: its programs, and what lies between them.

Programs of one picture run on one phone and are timed by one lab, so their errors are correlated;
the latency source adds them up accordingly. What lies between programs (the sampler's arithmetic,
copies, starting each program) was published by nobody on its own. SnapGen's picture of 4 steps is
stated to take 1.2 to 1.4 s where its programs add up to 1.215 s (arXiv 2412.09619), which leaves
nothing to 0.185 s; the middle of that is the estimate here, for any phone.

>>> OVERHEAD.ms
92.5
"""

from dataclasses import dataclass, replace

from latency_db.latency import Latency
from latency_db.latency_sum import independent
from latency_db.source import LatencySource
from search_space.picture import PictureSpec
from search_space.program import Program, programs_of

OVERHEAD = Latency(92.5, 1.0, 185.0, 0.0, "estimated")


@dataclass(frozen=True)
class ProgramTime:
    """One program of a picture, and the milliseconds of one call."""

    program: Program
    call: Latency

    @property
    def ms(self) -> float:
        """Milliseconds of all its calls."""
        return self.program.calls * self.call.ms


@dataclass(frozen=True)
class PictureTime:
    """A picture's time in parts and together.

    ``computing`` are all programs, their errors correlated; ``total`` has the overhead too.
    """

    parts: tuple[ProgramTime, ...]
    computing: Latency
    overhead: Latency
    total: Latency


def picture_time(
    source: LatencySource, picture: PictureSpec, overhead: Latency = OVERHEAD
) -> PictureTime:
    """Return the time of ``picture`` on the source's device."""
    parts = tuple(
        ProgramTime(program, source.predict(replace(program, calls=1)))
        for program in programs_of(picture)
    )
    computing = source.predict(picture)
    return PictureTime(parts, computing, overhead, independent(computing, overhead))
