"""`DesignSpace`: what a study asks of a space, of networks or of whole pictures.

>>> from search_space.space import SearchSpace
>>> space: DesignSpace = SearchSpace.load("pocket")
>>> space.base.kind, [prefix for prefix, _ in space.networks]
('unet', [''])
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol, Self

from search_space.axis import SearchAxis, Value
from search_space.bounds import Bounds, Trial
from search_space.network import Network

if TYPE_CHECKING:
    from search_space.space import SearchSpace


class DesignSpace(Protocol):
    """A :class:`SearchSpace`, or a :class:`search_space.picture_space.PictureSpace`."""

    @property
    def name(self) -> str:
        """The space's name."""

    @property
    def base(self) -> Any:
        """One design of the space."""

    @property
    def axes(self) -> tuple[tuple[SearchAxis, Bounds], ...]:
        """The axes with their bounds."""

    def suggest(self, trial: Trial) -> Any:
        """Ask ``trial`` for every axis that has an effect."""

    def params_of(self, network: Network) -> dict[str, Value]:
        """Return the values that give ``network``; raises :class:`OutsideSpace`."""

    def __contains__(self, network: object) -> bool: ...

    def fix(self, values: Mapping[str, Any]) -> Self:
        """Return the space with some axes narrowed."""

    def size(self) -> int:
        """Return the number of designs."""

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain JSON types."""

    def digest(self) -> str:
        """Return twelve hex digits that change with the space's content."""

    @property
    def networks(self) -> "tuple[tuple[str, SearchSpace], ...]":
        """The spaces of networks in it, and what the names of their axes begin with."""
