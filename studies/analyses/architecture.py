"""The architecture of designs, drawn: of one, and of those on a study's front.

>>> from search_space.presets import named_spec
>>> card = architecture(named_spec("F/mqa"), "F/mqa")
>>> card.title, card.pictures[0].svg[:4], len(card.table.rows)
('The architecture of F/mqa', '<svg', 7)
"""

from search_space.errors import WalkbenchError
from search_space.network import Network
from search_space.spec import UNetSpec
from studies.analyses.card import Card, CardColumn, CardTable, Picture
from studies.design_tables import changes, shared_facts, stage_table
from studies.drawing.draw import draw
from studies.reading import StudyData
from studies.records import TrialRecord
from studies.summary import front_and_named

MOST = 6  # designs that a study's card draws
SIGNS = (
    "Widths are channels to scale. res: resblock, SA and CA: layers with self- and "
    "cross-attention, each with a feed-forward."
)


def architectures(study: StudyData) -> list[Card]:
    """Return a card that draws the designs of the front, then the named ones, :data:`MOST`."""
    pictures: list[Picture] = []
    shown = front_and_named(study)
    for trial in shown:
        if (picture := _picture(trial)) is not None and len(pictures) < MOST:
            pictures.append(picture)
    if not pictures:
        return []
    words = f"{len(pictures)} of {len(shown)} designs on the front or with a name."
    return [Card("The designs", (words,), notes=(SIGNS,), pictures=tuple(pictures))]


def _picture(trial: TrialRecord) -> Picture | None:
    try:
        network = trial.network
    except WalkbenchError:  # a design of another version
        return None
    title = f"{trial.label}, trial {trial.number}"
    return Picture(title, draw(network, title, alone=False))


def architecture(network: Network, name: str) -> Card:
    """Return the drawing of ``network`` with the table of its stages."""
    picture = Picture(name, draw(network, name, alone=False))
    title = f"The architecture of {name}"
    if not isinstance(network, UNetSpec):
        return Card(title, pictures=(picture,))
    head, rows = stage_table(network)
    columns = tuple(CardColumn(heading or "stages") for heading in head)
    table = CardTable(columns, tuple(tuple(row) for row in rows))
    words = f"{' · '.join(shared_facts(network))}."
    return Card(title, (words,), table=table, notes=(SIGNS,), pictures=(picture,))


def difference(network: Network, name: str, other: Network, other_name: str) -> Card:
    """Return what ``network`` changes against ``other``: both drawn, and the fields that differ."""
    title = f"{name} against {other_name}"
    found = changes(other, network)
    if not found:
        return Card(title, (f"{name} is {other_name}: nothing differs.",))
    columns = (CardColumn("field"), *map(CardColumn, _apart(other_name, name)))
    pictures = (
        Picture(other_name, draw(other, other_name, alone=False)),
        Picture(name, draw(network, name, against=other, other=other_name, alone=False)),
    )
    words = f"{len(found)} differences; the blocks that differ are framed."
    return Card(title, (words,), table=CardTable(columns, tuple(found)), pictures=pictures)


def _apart(*names: str) -> list[str]:
    """Return ``names`` as headings beside "field", distinct whatever designs are called."""
    found = ["field"]
    for name in names:
        found.append(f"{name} ({len(found)})" if name in found else name)
    return found[1:]
