"""`Network`: what any kind of network is to the rest of the house, and the registry of kinds.

A network is a frozen value with a kind, a digest, a JSON form and a plan. Costs, latency tables and
estimates need no more. What else a kind supplies (how its JSON is read, its module) is one
:class:`NetworkKind`, registered under its name; :func:`register_twin` adds how proxies shrink it.

A dict without ``kind`` is a UNet, so that the JSON and the digests of specs are what they were.

>>> from search_space.presets import named_spec
>>> spec = named_spec("sd15")
>>> spec.kind, network_from_dict(spec.to_dict()) == spec
('unet', True)
>>> network_from_dict({"kind": "decodr"})
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: unknown kind of network 'decodr'; known: unet
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from search_space.axis import AxisTable
from search_space.codec import parse_json
from search_space.errors import SpecError, WalkbenchError, raise_unknown
from search_space.plan import Plan

if TYPE_CHECKING:
    from torch import nn

DEFAULT_KIND = "unet"


class Network(Protocol):
    """A network as a value: hashable, and equal to another exactly when the digests are."""

    @property
    def kind(self) -> str:
        """The name of its :class:`NetworkKind`."""

    def __hash__(self) -> int:
        """Networks are keys of caches."""

    def digest(self) -> str:
        """Return twelve hex digits that name the network."""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON types; any kind but the default writes itself under ``kind``."""

    def plan(self) -> Plan:
        """Return the blocks in forward order."""


class Twin(Protocol):
    """Makes a small copy of a network that a proxy trains; see :mod:`proxies.twin`."""

    def __call__(
        self, network: Any, width: int, latent: int, *, channels: int, tokens: int
    ) -> Network:
        """Return the network with 256 channels become ``width``, at a latent of ``latent``."""


@dataclass(frozen=True)
class NetworkKind:
    """What a kind of network supplies.

    ``words`` is what people call it. ``read`` turns JSON (without ``kind``) into a network and
    raises :class:`SpecError`; ``module`` builds the ``nn.Module``, usually a
    :class:`search_space.modules.network.PlannedNetwork`; ``axes`` is what a space may move.
    """

    name: str
    words: str
    read: Callable[[Mapping[str, Any]], Network]
    module: Callable[[Any], "nn.Module"]
    axes: AxisTable | None = None


_KINDS: dict[str, NetworkKind] = {}
_TWINS: dict[str, Twin] = {}
_SHIPPED = {"unet": "search_space.unet_kind"}  # imported when first asked for


def register_kind(kind: NetworkKind) -> NetworkKind:
    """Add a kind of network; returns it. Raises ``ValueError`` for a name that is taken."""
    if kind.name in _KINDS:
        raise ValueError(f"a network kind {kind.name!r} is registered already")
    _KINDS[kind.name] = kind
    return kind


def network_kind(name: str) -> NetworkKind:
    """Return the kind called ``name``; raises :class:`WalkbenchError` listing the known ones."""
    if name not in _KINDS and name in _SHIPPED:
        import_module(_SHIPPED[name])
    if name not in _KINDS:
        raise_unknown("kind of network", name, {*_KINDS, *_SHIPPED})
    return _KINDS[name]


def network_from_dict(data: Any) -> Network:
    """Read what a network's ``to_dict`` wrote; raises :class:`SpecError` naming what is wrong."""
    if not isinstance(data, Mapping):
        raise SpecError(f"a network is a JSON object, got {type(data).__name__}")
    fields = dict(data)
    return network_kind(str(fields.pop("kind", DEFAULT_KIND))).read(fields)


def network_from_json(text: str) -> Network:
    """Read a network from JSON text; raises :class:`SpecError` saying where it is malformed."""
    return network_from_dict(parse_json(text, "network"))


def build_network(network: Network) -> "nn.Module":
    """Return the module of ``network``, on torch's current default device and dtype."""
    return network_kind(network.kind).module(network)


def axes_of(kind: str) -> AxisTable:
    """Return the axes of ``kind``; raises :class:`WalkbenchError` for a kind that has none."""
    axes = network_kind(kind).axes
    if axes is None:
        raise WalkbenchError(f"networks of kind {kind!r} have no axes; no space is over them")
    return axes


def register_twin(kind: str, twin: Twin) -> None:
    """Say how networks of ``kind`` are made small enough to train as a proxy."""
    if kind in _TWINS:
        raise ValueError(f"a twin of {kind!r} is registered already")
    _TWINS[kind] = twin


def twin_of(kind: str) -> Twin:
    """Return the twin function of ``kind``; raises :class:`WalkbenchError` where it has none."""
    return _TWINS[kind] if kind in _TWINS else raise_unknown("kind with a twin", kind, _TWINS)
