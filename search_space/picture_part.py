"""A part of a picture that is searched: a space of networks, or a choice of a few designs.

The axes of a part's space keep their names behind the part's: ``unet.channels.0``. A choice of
several designs is one axis, called like the part.

>>> part = read_part({"designs": ["sd15", "F/thin"]}, "unet", "mine", None)
>>> [axis.name for axis, _ in axes_of_part(part, "unet")]
['unet']
"""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from search_space.axis import AxisField, SearchAxis, Value
from search_space.bounds import Bounds, Trial
from search_space.errors import WalkbenchError, raise_unknown
from search_space.load import load_network
from search_space.network import Network
from search_space.picture import fitted_decoder
from search_space.space import OutsideSpace, SearchSpace, shipped_spaces


@dataclass(frozen=True)
class Choice:
    """A part that is one of a few designs, by name."""

    designs: tuple[tuple[str, Network], ...]

    @property
    def names(self) -> tuple[str, ...]:
        """The names, as listed."""
        return tuple(name for name, _ in self.designs)

    def named(self, name: Value) -> Network:
        """Return the design called ``name``."""
        return dict(self.designs)[str(name)]


Part = SearchSpace | Choice


@dataclass(frozen=True)
class _Prefixed:
    """A trial that knows an inner space's axes behind the part's name."""

    trial: Trial
    prefix: str

    def suggest_int(self, name: str, low: int, high: int, *, step: int = 1) -> int:
        return self.trial.suggest_int(self.prefix + name, low, high, step=step)

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None
    ) -> float:
        return self.trial.suggest_float(self.prefix + name, low, high, step=step)

    def suggest_categorical(self, name: str, choices: Any) -> Any:
        return self.trial.suggest_categorical(self.prefix + name, choices)


def read_part(table: Any, name: str, where: str, folder: Path | None) -> Part:
    """Return the part that a table of a space's TOML file describes; files lie in ``folder``.

    Raises :class:`WalkbenchError` naming what is wrong.
    """
    if not isinstance(table, dict) or ("space" in table) == ("designs" in table):
        raise WalkbenchError(f"{where}: [{name}] needs either space or designs")
    unknown = sorted(set(table) - {"space", "designs", "fix"})
    if unknown:
        raise WalkbenchError(
            f"{where}: [{name}] has no key {unknown[0]!r}; it has space, designs, fix"
        )
    if "space" in table:
        given = str(table["space"])
        known = given in shipped_spaces() or folder is None
        space = SearchSpace.load(given if known else cast(Path, folder) / given)
        return space.fix(table.get("fix", {}))
    listed = table["designs"]
    if not isinstance(listed, list) or not listed or not all(map(is_text, listed)):
        raise WalkbenchError(f"{where}: [{name}] designs is {listed!r}; a list of names is needed")
    designs = tuple((one, load_network(_beside(one, folder))) for one in listed)
    return Choice(designs)


def _beside(name: str, folder: Path | None) -> str:
    path = (folder or Path()) / name
    return str(path) if name.endswith(".json") else name


def base_of(part: Part) -> Network:
    """Return one design of the part: the first, or its space's base."""
    return part.designs[0][1] if isinstance(part, Choice) else cast(Network, part.base)


def size_of(part: Part) -> int:
    """Return the number of its designs."""
    return len(part.designs) if isinstance(part, Choice) else part.size()


def axes_of_part(part: Part, name: str) -> list[tuple[SearchAxis, Bounds]]:
    """Return the axes of the part called ``name``, with their bounds; none where all is decided."""
    if not isinstance(part, Choice):
        return [(dataclasses.replace(a, name=f"{name}.{a.name}"), b) for a, b in part.axes]
    if len(part.names) == 1:
        return []
    field = AxisField(name, "network", f"the {name}", _name_of(name, part), undrafted)
    return [(SearchAxis(name, field, ((),), ((),)), Bounds(part.names))]


def _name_of(part: str, choice: Choice) -> Any:
    def read(picture: Any) -> Value:
        (name,) = params_of_part(
            choice, getattr(picture, part), part, "", picture.unet if part == "decoder" else None
        ).values()
        return name

    return read


def undrafted(draft: Any, value: Value) -> None:
    """Refuse to write: pictures are made of all their values at once and have no drafts."""
    raise AssertionError(f"nothing writes {value!r} to a draft of a picture")


def suggest_part(part: Part, trial: Trial, name: str) -> Network:
    """Ask ``trial`` for the axes of the part called ``name``."""
    if isinstance(part, SearchSpace):
        return cast(Network, part.suggest(_Prefixed(trial, f"{name}.")))
    if len(part.designs) == 1:
        return part.designs[0][1]
    return part.named(trial.suggest_categorical(name, list(part.names)))


def params_of_part(
    part: Part, network: Network, name: str, space: str, unet: Network | None = None
) -> dict[str, Value]:
    """Return the values of one part; a decoder is compared at the size it is fitted to."""
    if isinstance(part, SearchSpace):
        try:
            unfitted = network if unet is None else fitted_decoder(network, part.base)
            inner = part.params_of(unfitted)
        except OutsideSpace as error:
            raise OutsideSpace(f"{name}: {error}") from None
        return {f"{name}.{key}": value for key, value in inner.items()}
    for known, design in part.designs:
        if network == (design if unet is None else fitted_decoder(design, unet)):
            return {name: known} if len(part.designs) > 1 else {}
    raise OutsideSpace(
        f"picture is outside space {space!r}: its {name} {network.digest()} is none of "
        f"{', '.join(part.names)}"
    )


def narrowed(part: Choice, name: str, value: Any) -> Choice:
    """Return the part with some of its designs; raises :class:`WalkbenchError` for another."""
    wanted = value if isinstance(value, list) else [value]
    for one in wanted:
        if one not in part.names:
            raise_unknown(f"design of axis {name!r}:", str(one), part.names)
    return Choice(tuple(pair for pair in part.designs if pair[0] in wanted))


def part_dict(part: Part) -> dict[str, Any]:
    """Return the part as plain JSON types."""
    if isinstance(part, SearchSpace):
        return {"space": {k: v for k, v in part.to_dict().items() if k != "name"}}
    return {"designs": {name: design.digest() for name, design in part.designs}}


def is_text(value: Any) -> bool:
    """Whether ``value`` is a string."""
    return isinstance(value, str)
