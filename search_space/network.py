"""The `Network` protocol and the registry of network kinds.

A network is a frozen value with a kind, a digest, a JSON form and a plan. Costs, latency tables and
estimates need no more. A :class:`NetworkKind` supplies the rest (reading JSON, building the module,
search axes); :func:`register_twin` adds how proxies shrink networks of the kind.

JSON without ``kind`` is a UNet's, which keeps the files and digests of version 0.1 valid.

>>> from search_space.presets import named_spec
>>> spec = named_spec("sd15")
>>> spec.kind, network_from_dict(spec.to_dict()) == spec
('unet', True)
>>> network_from_dict({"kind": "decodr"})
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: unknown kind of network 'decodr'; ...
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from search_space.axis import AxisTable
from search_space.codec import parse_json
from search_space.errors import SpecError, WalkbenchError
from search_space.plan import Plan
from search_space.registry import Registry

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

    ``words`` is its name in prose. ``read`` turns JSON (without ``kind``) into a network and
    raises :class:`SpecError`; ``module`` builds the ``nn.Module``, usually a
    :class:`search_space.modules.network.PlannedNetwork`; ``axes`` is its table of search axes.
    """

    name: str
    words: str
    read: Callable[[Mapping[str, Any]], Network]
    module: Callable[[Any], "nn.Module"]
    axes: AxisTable | None = None


NETWORK_KINDS: Registry[NetworkKind] = Registry(
    "kind of network",
    {
        "unet": "search_space.unet_kind:UNET",
        "decoder": "search_space.decoder.kind:DECODER",
        "text-encoder": "search_space.text_encoder:TEXT_ENCODER",
        "picture": "search_space.picture:PICTURE",
    },
)
TWINS: Registry[Twin] = Registry("kind of network with a twin")


def register_kind(kind: NetworkKind) -> None:
    """Add a kind of network; raises :class:`WalkbenchError` for a name that is taken."""
    NETWORK_KINDS.register(kind.name, kind)


def network_from_dict(data: Any) -> Network:
    """Read what a network's ``to_dict`` wrote; raises :class:`SpecError` naming what is wrong."""
    if not isinstance(data, Mapping):
        raise SpecError(f"a network is a JSON object, got {type(data).__name__}")
    fields = dict(data)
    return NETWORK_KINDS.get(str(fields.pop("kind", DEFAULT_KIND))).read(fields)


def network_from_json(text: str) -> Network:
    """Read a network from JSON text; raises :class:`SpecError` saying where it is malformed."""
    return network_from_dict(parse_json(text, "network"))


def build_network(network: Network) -> "nn.Module":
    """Return the module of ``network``, on torch's current default device and dtype."""
    return NETWORK_KINDS.get(network.kind).module(network)


def axes_of(kind: str) -> AxisTable:
    """Return the axes of ``kind``; raises :class:`WalkbenchError` for a kind that has none."""
    axes = NETWORK_KINDS.get(kind).axes
    if axes is None:
        raise WalkbenchError(f"networks of kind {kind!r} have no axes; no space is over them")
    return axes


def register_twin(kind: str, twin: Twin) -> None:
    """Register how networks of ``kind`` are shrunk for proxy training."""
    TWINS.register(kind, twin)
