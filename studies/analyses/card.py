"""`Card`: one result of an analysis, as words, a figure and a table; and the registry of analyses.

An analysis is a function from a study to cards, none where it has nothing to show. The report, the
dashboard and `walkbench study show` render the cards of every registered analysis, in this order.
To add one, register it; `tests/extending/test_add_card.py` does.

>>> ANALYSES.names()
('overview', 'front', 'walk', 'architectures', 'pictures', 'progress', 'importance', 'effects',
'distributions', 'designs', 'provenance')
>>> columns = (CardColumn("design"), CardColumn("params", right=True))
>>> table = CardTable(columns, (("F/mqa", "389.28 M"),))
>>> Card("A card", table=table).to_dict()["rows"]
[{'design': 'F/mqa', 'params': '389.28 M'}]
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import plotly.graph_objects as go

from search_space.registry import Registry
from studies.reading import StudyData


@dataclass(frozen=True)
class CardColumn:
    """A column of a card's table; numbers are aligned ``right``.

    Where room is short, an ``optional`` column is left out, and one with ``under`` goes into the
    cell of the column with that heading.
    """

    heading: str
    right: bool = False
    optional: bool = False
    under: str | None = None


@dataclass(frozen=True)
class CardTable:
    """A table of text. Headings are distinct."""

    columns: tuple[CardColumn, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Picture:
    """A drawing (``svg``, for inside a page) or a picture (``png``), with what it shows."""

    title: str
    svg: str = ""
    png: bytes = b""


@dataclass(frozen=True)
class Card:
    """A result of an analysis: paragraphs of ``words``, a figure, a table, ``notes`` on signs.

    ``pictures`` stand before the figure, ``commands`` are lines for a shell.
    """

    title: str
    words: tuple[str, ...] = ()
    figure: go.Figure | None = None
    table: CardTable | None = None
    notes: tuple[str, ...] = ()
    pictures: tuple[Picture, ...] = ()
    commands: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the card without figure and pictures as JSON types; headings are a row's keys."""
        headings = [column.heading for column in self.table.columns] if self.table else []
        rows = self.table.rows if self.table else ()
        return {
            "title": self.title,
            "words": list(self.words),
            "rows": [dict(zip(headings, row, strict=True)) for row in rows],
            "notes": list(self.notes),
            **({"commands": list(self.commands)} if self.commands else {}),
        }


Analysis = Callable[[StudyData], Sequence[Card]]

ANALYSES: Registry[Analysis] = Registry(
    "analysis",
    {
        "overview": "studies.analyses.overview:overview",
        "front": "studies.analyses.front:fronts",
        "walk": "studies.analyses.walk_steps:walk_steps",
        "architectures": "studies.analyses.architecture:architectures",
        "pictures": "studies.analyses.pictures:pictures",
        "progress": "studies.analyses.progress:progress",
        "importance": "studies.analyses.importance:importance",
        "effects": "studies.analyses.effects:effects",
        "distributions": "studies.analyses.distributions:distributions",
        "designs": "studies.analyses.designs:designs",
        "provenance": "studies.analyses.provenance:provenance",
    },
)


def cards(study: StudyData, names: Iterable[str] | None = None) -> list[Card]:
    """Return the cards of the analyses called ``names``, by default of all.

    Raises :class:`WalkbenchError` for an unknown name, listing the known ones.
    """
    chosen = ANALYSES.names() if names is None else names
    return [card for name in chosen for card in ANALYSES.get(name)(study)]
