"""`Metric`: one quantity that candidates are measured on, and `Measured`, what measuring gives.

A metric says its name, unit and goal, what it costs to know it, how it is read off a candidate and
how it is written. `studies.metrics` has the registry.

>>> stages = Metric("stages", "Stages", measure=lambda c: exact(len(c.network.stages)))
>>> stages.write(Measured(3.0, 3.0, 3.0, "exact")), stages.goal, stages.stage
('3', 'minimise', 'free')
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from latency_db.latency import Latency
from proxies.score import Score
from search_space.cost import Cost
from search_space.network import Network
from studies.formats import ABSENT

Goal = Literal["minimise", "maximise"]
Stage = Literal["free", "lookup", "trained"]  # computed | read off the latency source | trained
Uncertainty = Literal["exact", "interval", "stderr"]  # what low and high are

SIGNS = {"estimated": "○", "measured": "■", "mixed": "◧"}
_UNCERTAIN = {"exact": "exact", "interval": "80 % interval", "stderr": "± standard error"}


@dataclass(frozen=True)
class Measured:
    """A value, what it may be instead, and where it comes from.

    ``low`` and ``high`` are the ends of an 80 % interval, the value plus or minus its standard
    error, or the value itself where it is exact (:attr:`Metric.uncertainty`). ``source`` is
    ``exact``, ``trained``, or that of a latency: ``measured``, ``estimated``, ``mixed``.
    """

    value: float
    low: float
    high: float
    source: str


def exact(value: float) -> Measured:
    """Return a value that has no uncertainty."""
    return Measured(value, value, value, "exact")


class Candidate(Protocol):
    """A network with what is known of it so far; the parts that are not known are None."""

    @property
    def kind(self) -> str:
        """The kind of the network, known without reading it."""

    @property
    def network(self) -> Network:
        """The network; raises :class:`WalkbenchError` when this version cannot read it."""

    @property
    def cost(self) -> Cost | None:
        """Its exact cost."""

    @property
    def latency(self) -> Latency | None:
        """Its latency on the study's device; of a whole picture, that of all programs' calls."""

    @property
    def programs(self) -> Mapping[str, Latency]:
        """What all calls of each program of a picture take, by the program's name; else empty."""

    @property
    def score(self) -> Score | None:
        """What training its twin gave."""


@dataclass(frozen=True)
class Metric:
    """One quantity of a candidate.

    ``measure`` returns None while the candidate lacks what it needs. ``scale`` is how much one
    printed ``unit`` is, ``digits`` the decimals of a printed value. ``heading`` is the column's;
    ``in_tables`` shows the metric in every table of designs, not only where it is an objective or a
    budget. ``ranks`` says whether a candidate's value is known to order designs (True) or not to
    (False), None where nobody knows.
    """

    name: str
    title: str
    measure: Callable[[Candidate], Measured | None]
    unit: str = ""
    goal: Goal = "minimise"
    stage: Stage = "free"
    uncertainty: Uncertainty = "exact"
    scale: float = 1.0
    digits: int = 0
    heading: str = ""
    in_tables: bool = False
    ranks: Callable[[Candidate], bool | None] = lambda candidate: None

    @property
    def is_exact(self) -> bool:
        """Whether values have no uncertainty."""
        return self.uncertainty == "exact"

    @property
    def axis_title(self) -> str:
        """The title of a figure's axis: name, unit, and how sure the number is."""
        unit = {"M": "millions", "G": "billions"}.get(self.unit, self.unit)
        return f"{self.title} ({', '.join(filter(None, (unit, _UNCERTAIN[self.uncertainty])))})"

    @property
    def phrase(self) -> str:
        """The title inside a sentence: latency, but MACs."""
        return self.title if self.title[:2].isupper() else self.title[:1].lower() + self.title[1:]

    @property
    def column(self) -> str:
        """The heading of a table's column."""
        return self.heading or self.phrase

    def oriented(self, value: float) -> float:
        """Return ``value`` with less always better; the one place that knows of maximising."""
        return value if self.goal == "minimise" else -value

    def violation(self, value: float, limit: float) -> float:
        """Return by what share of ``limit`` a budget is missed; at most 0 where it is kept.

        A budget limits a minimised metric from above and a maximised one from below.
        """
        return self.oriented(value / limit - 1.0)

    def limit(self, limit: float) -> str:
        """Write a budget: Latency ≤ 650 ms."""
        sign = "≤" if self.goal == "minimise" else "≥"
        return f"{self.title} {sign} {limit / self.scale:,.6g} {self.unit}".rstrip()

    def write(self, found: Measured | None) -> str:
        """Write a value with its unit and all that is uncertain about it; a dash for None."""
        text = self._write(found)
        return text if found is None or not self.unit else f"{text} {self.unit}"

    def cell(self, found: Measured | None) -> str:
        """Write a value for a table, without a unit that the column's heading has."""
        text = self._write(found)
        bare = found is None or not self.unit or self.column.endswith(self.unit)
        return text if bare else f"{text} {self.unit}"

    def _write(self, found: Measured | None) -> str:
        if found is None:
            return ABSENT
        digits = self.digits
        value, low, high = (x / self.scale for x in (found.value, found.low, found.high))
        text = f"{value:,.{digits}f}"
        if self.uncertainty == "stderr":
            return f"{text} ± {high - value:.{digits}f}"
        if self.uncertainty == "interval":
            sign = SIGNS.get(found.source)
            return f"{sign + ' ' if sign else ''}{text} ({low:,.{digits}f}–{high:,.{digits}f})"
        return text


def weighted_sum(*parts: tuple[Metric, float]) -> Callable[[Candidate], Measured | None]:
    """Return how to measure a sum of other metrics, each times its weight.

    Intervals add end to end, as if all parts were off in the same direction. The sum is known when
    every part is.
    """

    def measure(candidate: Candidate) -> Measured | None:
        found = [(metric.measure(candidate), weight) for metric, weight in parts]
        known = [(part, weight) for part, weight in found if part is not None]
        if len(known) < len(found):
            return None
        sources = {part.source for part, _ in known if part.source != "exact"}
        return Measured(
            sum(part.value * weight for part, weight in known),
            sum(part.low * weight for part, weight in known),
            sum(part.high * weight for part, weight in known),
            sources.pop() if len(sources) == 1 else "mixed" if sources else "exact",
        )

    return measure
