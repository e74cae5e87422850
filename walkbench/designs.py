"""Designs: find one by name or file, build its module, draw it.

>>> network("snapgen-t2i").digest()
'836c0534af46'
>>> network("snapgenn")  # doctest: +IGNORE_EXCEPTION_DETAIL
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: unknown spec 'snapgenn'; did you mean 'M/snapgen'? known: ...
"""

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from search_space.load import load_network
from search_space.network import Network, build_network
from search_space.presets import named_networks

if TYPE_CHECKING:
    from torch import nn

Design = Network | str | os.PathLike[str]


def names() -> list[str]:
    """Return the names of the networks that ship: UNets, decoders and whole pictures."""
    return list(named_networks())


def network(design: Design) -> Network:
    """Return a design as a network: a :class:`UNetSpec`, a :class:`DecoderSpec` or another kind.

    ``design`` is a network, which is returned as it is, the name of one that ships, or the path of
    a JSON file. Raises :class:`WalkbenchError` for an unknown name, a file that cannot be read, and
    a spec that is malformed or contradicts itself.
    """
    if isinstance(design, str | os.PathLike):
        return load_network(os.fspath(design))
    return design


def build(design: Design) -> "nn.Module":
    """Return the torch module of a design, on torch's default device and dtype.

    A UNet maps a latent (B, in_channels, latent_size, latent_size), timesteps (B,) and text
    embeddings (B, tokens, width) to (B, out_channels, latent_size, latent_size); a decoder maps a
    latent to a picture.
    """
    return build_network(network(design))


@dataclass(frozen=True)
class Drawing:
    """A network drawn as SVG text; notebooks show the picture."""

    svg: str

    def _repr_svg_(self) -> str:
        return self.svg


def draw(design: Design, *, against: Design | None = None, title: str = "") -> Drawing:
    """Return a design drawn with its widths to scale.

    Blocks that differ from those of ``against`` are framed. ``title`` is the design's name or
    digest by default.
    """
    from studies.drawing.draw import draw as draw_svg

    other = None if against is None else network(against)
    named = against if isinstance(against, str) else ""
    return Drawing(draw_svg(network(design), title, against=other, other=named))
