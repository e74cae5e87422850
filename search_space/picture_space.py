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
from pathlib import Path
from typing import Any, Self, cast

from search_space.axis import AxisField, SearchAxis, Value, parse_axis
from search_space.bounds import Bounds, Trial, parse_bounds
from search_space.codec import digest_of
from search_space.errors import WalkbenchError, raise_unknown
from search_space.network import Network
from search_space.picture import PictureSpec, fitted_decoder, named_texts, text_encoders_for
from search_space.picture_part import (
    Choice,
    Part,
    axes_of_part,
    base_of,
    is_text,
    narrowed,
    params_of_part,
    part_dict,
    read_part,
    size_of,
    suggest_part,
    undrafted,
)
from search_space.program import WEIGHT_BITS
from search_space.space import OutsideSpace, SearchSpace

FIELDS = {
    "steps": AxisField(
        "steps", "network", "steps of the sampler", lambda n: n.steps, undrafted, kind=int
    ),
    "bits": AxisField(
        "bits",
        "network",
        "bits of the weights",
        lambda n: n.bits,
        undrafted,
        kind=int,
        choices=lambda: WEIGHT_BITS,
    ),
    "guidance": AxisField(
        "guidance",
        "network",
        "classifier-free guidance",
        lambda n: n.guidance,
        undrafted,
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
        data = parsed(text, where)
        unknown = sorted(set(data) - {"name", "picture", "unet", "decoder"})
        if unknown:
            raise WalkbenchError(
                f"{where} has no table {unknown[0]!r}; it has name, picture, unet, decoder"
            )
        picture = dict(data["picture"])
        texts = picture.pop("text_encoders", None)
        if texts is not None and not (isinstance(texts, list) and all(map(is_text, texts))):
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
        unet, decoder = (
            read_part(data.get(name), name, where, folder) for name in ("unet", "decoder")
        )
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
        found = [*axes_of_part(self.unet, "unet"), *axes_of_part(self.decoder, "decoder")]
        return (*found, *((axis, bounds) for axis, bounds in self.own if len(bounds) > 1))

    @property
    def networks(self) -> tuple[tuple[str, SearchSpace], ...]:
        """The spaces of parts, and what the names of their axes begin with."""
        named = (("unet.", self.unet), ("decoder.", self.decoder))
        return tuple((name, part) for name, part in named if isinstance(part, SearchSpace))

    @property
    def base(self) -> PictureSpec:
        """The picture of the parts' bases."""
        values = {axis.name: next(iter(bounds)) for axis, bounds in self.own}
        return self._picture(base_of(self.unet), base_of(self.decoder), values)

    def suggest(self, trial: Trial) -> PictureSpec:
        """Ask ``trial`` for every axis that has an effect."""
        unet = suggest_part(self.unet, trial, "unet")
        decoder = suggest_part(self.decoder, trial, "decoder")
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
        found = params_of_part(self.unet, network.unet, "unet", self.name)
        found |= params_of_part(self.decoder, network.decoder, "decoder", self.name, network.unet)
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
                changed[name] = narrowed(part, name, values[name])
            elif inner and isinstance(part, SearchSpace):
                changed[name] = part.fix(inner)
        own = dict((axis.name, (axis, bounds)) for axis, bounds in self.own)
        for name, value in values.items():
            if name in own:
                axis, bounds = own[name]
                given = value if isinstance(value, (list, dict)) else [value]
                some = parse_bounds(axis, given)
                outside = [one for one in some if one not in bounds]
                if outside:
                    raise WalkbenchError(f"axis {name!r}: {outside[0]} is outside {bounds}")
                own[name] = (axis, some)
            elif name.split(".")[0] not in changed:
                raise_unknown("axis", name, [axis.name for axis, _ in self.axes])
        return dataclasses.replace(self, own=tuple(own.values()), **changed)

    def size(self) -> int:
        """Return the number of pictures in the space."""
        parts = [size_of(self.unet), size_of(self.decoder)]
        return math.prod([*parts, *(len(bounds) for _, bounds in self.own)])

    def to_dict(self) -> dict[str, Any]:
        """Return the space as plain JSON types: what its digest is computed from."""
        return {
            "name": self.name,
            "unet": part_dict(self.unet),
            "decoder": part_dict(self.decoder),
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


def parsed(text: str, where: str) -> dict[str, Any]:
    """Return TOML text as a table; raises :class:`WalkbenchError` where it is none."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise WalkbenchError(f"{where} is not TOML: {error}") from None
