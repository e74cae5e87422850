"""`PictureSpace`: a UNet, a decoder, steps and bits, searched together.

Each part has a space of its own, or a list of designs to choose from; their axes keep their names
behind the part's: ``unet.channels.0``, ``decoder.blocks.1``. Steps, bits and guidance are axes of
the picture. What it suggests is a :class:`search_space.picture.PictureSpec`. Text encoders follow
from the width that the UNet reads, unless they are named.

A TOML file with a table ``[picture]`` is such a space:

>>> space = PictureSpace.from_toml('''
... [picture]
... steps = [4, 8]
... bits = [16, 6]
... [unet]
... designs = ["sd15", "F/thin"]
... [decoder]
... designs = ["sd15"]
... ''')
>>> space.size(), [axis.name for axis, _ in space.axes]
(8, ['unet', 'steps', 'bits'])
"""

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Protocol, Self, cast

from search_space.axis import AxisField, SearchAxis, Value, parse_axis
from search_space.bounds import Bounds, Trial, parse_bounds
from search_space.codec import digest_of
from search_space.errors import WalkbenchError, raise_unknown
from search_space.load import load_network
from search_space.network import Network
from search_space.picture import PictureSpec, fitted_decoder, named_texts, text_encoders_for
from search_space.program import WEIGHT_BITS
from search_space.space import OutsideSpace, SearchSpace, shipped_spaces

FOLDER = "picture_spaces"


class DesignSpace(Protocol):
    """What a study asks of a space: :class:`SearchSpace` or :class:`PictureSpace`."""

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


def _set(name: str) -> Any:
    def write(draft: Any, value: Value) -> None:
        setattr(draft, name, value)

    return write


FIELDS = {
    "steps": AxisField(
        "steps", "network", "steps of the sampler", lambda n: n.steps, _set("steps"), kind=int
    ),
    "bits": AxisField(
        "bits",
        "network",
        "bits of the weights",
        lambda n: n.bits,
        _set("bits"),
        kind=int,
        choices=lambda: WEIGHT_BITS,
    ),
    "guidance": AxisField(
        "guidance",
        "network",
        "classifier-free guidance",
        lambda n: n.guidance,
        _set("guidance"),
        kind=bool,
        choices=lambda: (False, True),
    ),
}
_DEFAULTS = {"steps": [4], "bits": [16], "guidance": [False]}


@dataclass(frozen=True)
class PictureSpace:
    """See the module. ``texts`` None: the encoders of the UNet's width."""

    name: str
    unet: Part
    decoder: Part
    own: tuple[tuple[SearchAxis, Bounds], ...]
    texts: tuple[str, ...] | None = None

    @classmethod
    def from_toml(
        cls, text: str, where: str = "space", folder: Path | None = None
    ) -> "PictureSpace":
        """Read a space from TOML text; raises :class:`WalkbenchError` naming what is wrong."""
        data = _toml(text, where)
        unknown = sorted(set(data) - {"name", "picture", "unet", "decoder"})
        if unknown:
            raise WalkbenchError(
                f"{where} has no table {unknown[0]!r}; it has name, picture, unet, decoder"
            )
        picture = dict(data["picture"])
        texts = picture.pop("text_encoders", None)
        if texts is not None and not (isinstance(texts, list) and all(map(_is_text, texts))):
            raise WalkbenchError(f"{where}: text_encoders is {texts!r}; a list of names is needed")
        wrong = sorted(set(picture) - set(FIELDS))
        if wrong:
            raise WalkbenchError(
                f"{where}: [picture] has no key {wrong[0]!r}; it has {', '.join(FIELDS)}, "
                "text_encoders"
            )
        axes = [parse_axis(name, FIELDS, 0) for name in FIELDS]
        given = {**_DEFAULTS, **picture}
        own = tuple((axis, parse_bounds(axis, given[axis.name])) for axis in axes)
        unet, decoder = (_part(data.get(name), name, where, folder) for name in ("unet", "decoder"))
        space = cls(
            str(data.get("name", where)),
            unet,
            decoder,
            own,
            None if texts is None else tuple(texts),
        )
        space.base.plan()  # raises where the parts do not fit together
        return space

    @property
    def axes(self) -> tuple[tuple[SearchAxis, Bounds], ...]:
        """The axes that are asked for, those of the parts' spaces behind the part's name."""
        found = []
        for name, part in (("unet", self.unet), ("decoder", self.decoder)):
            if isinstance(part, Choice) and len(part.names) == 1:
                continue
            if isinstance(part, Choice):
                field = AxisField(name, "network", f"the {name}", _name_of(name, part), _set(name))
                found.append((SearchAxis(name, field, ((),), ((),)), Bounds(part.names)))
            else:
                for axis, bounds in part.axes:
                    named = dataclasses.replace(axis, name=f"{name}.{axis.name}")
                    found.append((named, bounds))
        return (*found, *((axis, bounds) for axis, bounds in self.own if len(bounds) > 1))

    @property
    def base(self) -> PictureSpec:
        """The picture of the parts' bases."""
        values = {axis.name: next(iter(bounds)) for axis, bounds in self.own}
        unet = self.unet.designs[0][1] if isinstance(self.unet, Choice) else self.unet.base
        part = self.decoder
        decoder = part.designs[0][1] if isinstance(part, Choice) else part.base
        return self._picture(unet, decoder, values)

    def suggest(self, trial: Trial) -> PictureSpec:
        """Ask ``trial`` for every axis that has an effect."""
        unet = _suggest(self.unet, trial, "unet")
        decoder = _suggest(self.decoder, trial, "decoder")
        values = {
            axis.name: bounds.suggest(trial, axis.name) if len(bounds) > 1 else next(iter(bounds))
            for axis, bounds in self.own
        }
        return self._picture(unet, decoder, values)

    def params_of(self, network: Network) -> dict[str, Value]:
        """Return the values with which :meth:`suggest` gives ``network``.

        Raises :class:`OutsideSpace` naming the axis that excludes it.
        """
        if not isinstance(network, PictureSpec):
            raise OutsideSpace(
                f"network is of kind {network.kind}, space {self.name!r} holds pictures"
            )
        found = _params(self.unet, network.unet, "unet", self.name)
        found |= _params(self.decoder, network.decoder, "decoder", self.name, network.unet)
        for axis, bounds in self.own:
            value = axis.read(network)
            if value not in bounds:
                raise OutsideSpace(
                    f"picture is outside space {self.name!r}: {axis.name} is {value}, "
                    f"allowed: {bounds}"
                )
            if len(bounds) > 1:
                found[axis.name] = value
        values = {axis.name: axis.read(network) for axis, _ in self.own}
        if self._picture(network.unet, network.decoder, values) != network:
            raise OutsideSpace(f"picture is outside space {self.name!r}: other text encoders")
        return found

    def __contains__(self, network: object) -> bool:
        if not isinstance(network, PictureSpec):
            return False
        try:
            self.params_of(network)
        except OutsideSpace:
            return False
        return True

    def fix(self, values: Mapping[str, Any]) -> Self:
        """Return the space with some axes narrowed; raises :class:`WalkbenchError`."""
        changed: dict[str, Any] = {}
        for name in ("unet", "decoder"):
            inner = {k.removeprefix(f"{name}."): v for k, v in values.items() if f"{name}." in k}
            part = getattr(self, name)
            if name in values and isinstance(part, Choice):
                changed[name] = _narrowed(part, name, values[name])
            elif inner and isinstance(part, SearchSpace):
                changed[name] = part.fix(inner)
        own = dict((axis.name, (axis, bounds)) for axis, bounds in self.own)
        for name, value in values.items():
            if name in own:
                axis, bounds = own[name]
                given = value if isinstance(value, (list, dict)) else [value]
                narrowed = parse_bounds(axis, given)
                outside = [one for one in narrowed if one not in bounds]
                if outside:
                    raise WalkbenchError(f"axis {name!r}: {outside[0]} is outside {bounds}")
                own[name] = (axis, narrowed)
            elif name.split(".")[0] not in changed:
                raise_unknown("axis", name, [axis.name for axis, _ in self.axes])
        return dataclasses.replace(self, own=tuple(own.values()), **changed)

    def size(self) -> int:
        """Return the number of pictures in the space."""
        parts = [
            len(part.designs) if isinstance(part, Choice) else part.size()
            for part in (self.unet, self.decoder)
        ]
        return math.prod([*parts, *(len(bounds) for _, bounds in self.own)])

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain JSON types: what its digest is computed from."""
        return {
            "name": self.name,
            "unet": _part_dict(self.unet),
            "decoder": _part_dict(self.decoder),
            "picture": {axis.name: bounds.to_json() for axis, bounds in self.own},
            "text_encoders": None if self.texts is None else list(self.texts),
        }

    def digest(self) -> str:
        """Return twelve hex digits that change with parts, axes or bounds, not with the name."""
        return digest_of({k: v for k, v in self.to_dict().items() if k != "name"})

    def bounds(self, name: str) -> Bounds:
        """Return the bounds of steps, bits or guidance."""
        return {axis.name: bounds for axis, bounds in self.own}[name]

    def _picture(self, unet: Network, decoder: Network, values: Mapping[str, Value]) -> PictureSpec:
        names = text_encoders_for(unet) if self.texts is None else self.texts
        return PictureSpec(
            unet,
            fitted_decoder(decoder, unet),
            cast(int, values["steps"]),
            cast(bool, values["guidance"]),
            named_texts(names, unet),
            cast(int, values["bits"]),
        )


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _name_of(part: str, choice: Choice) -> Any:
    def read(network: Any) -> Value:
        wanted = getattr(network, part)
        return next(name for name, design in choice.designs if design == wanted)

    return read


def _suggest(part: Part, trial: Trial, name: str) -> Network:
    if isinstance(part, SearchSpace):
        return cast(Network, part.suggest(_Prefixed(trial, f"{name}.")))
    if len(part.designs) == 1:
        return part.designs[0][1]
    return part.named(trial.suggest_categorical(name, list(part.names)))


def _params(
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


def _narrowed(part: Choice, name: str, value: Any) -> Choice:
    wanted = value if isinstance(value, list) else [value]
    for one in wanted:
        if one not in part.names:
            raise_unknown(f"design of axis {name!r}:", str(one), part.names)
    return Choice(tuple(pair for pair in part.designs if pair[0] in wanted))


def _part_dict(part: Part) -> dict[str, Any]:
    if isinstance(part, SearchSpace):
        return {"space": {k: v for k, v in part.to_dict().items() if k != "name"}}
    return {"designs": {name: design.digest() for name, design in part.designs}}


def _part(table: Any, name: str, where: str, folder: Path | None) -> Part:
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
    if not isinstance(listed, list) or not listed or not all(map(_is_text, listed)):
        raise WalkbenchError(f"{where}: [{name}] designs is {listed!r}; a list of names is needed")
    designs = tuple((one, load_network(_beside(one, folder))) for one in listed)
    return Choice(designs)


def _beside(name: str, folder: Path | None) -> str:
    path = (folder or Path()) / name
    return str(path) if name.endswith(".json") else name


def _toml(text: str, where: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise WalkbenchError(f"{where} is not TOML: {error}") from None


def shipped_picture_spaces() -> list[str]:
    """Return the names of the spaces of whole pictures that come with Walkbench."""
    folder = files("search_space") / FOLDER
    return sorted(
        p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
    )


def load_space(name_or_path: str | Path) -> SearchSpace | PictureSpace:
    """Read a shipped space by name, or a TOML file, of networks or of whole pictures.

    Raises :class:`WalkbenchError` as :meth:`SearchSpace.load` does.
    """
    name, path = str(name_or_path), Path(name_or_path)
    if name in shipped_picture_spaces():
        text = (files("search_space") / FOLDER / f"{name}.toml").read_text("utf-8")
        return PictureSpace.from_toml(text, name)
    if name not in shipped_spaces() and path.is_file():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return SearchSpace.load(name_or_path)  # which says what is wrong
        if isinstance(_toml(text, name).get("picture"), dict):
            return PictureSpace.from_toml(text, name, path.parent)
    elif path.suffix != ".toml" and name not in shipped_spaces():
        raise_unknown("space", name, [*shipped_spaces(), *shipped_picture_spaces()])
    return SearchSpace.load(name_or_path)
