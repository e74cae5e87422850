"""`Program`: one network of a candidate that is several, and how often a picture runs it.

A phone makes a picture with several programs: text encoders once, a UNet at every step, a decoder
once. A network that stands for all of them has the method ``programs``; costs, latency sources and
memory then add them up. Every other network is one program that runs once.

>>> from search_space.presets import named_spec
>>> [(one.name, one.calls) for one in programs_of(named_spec("sd15"))]
[('unet', 1)]
"""

from typing import Any

from search_space.frozen import frozen
from search_space.network import Network
from search_space.plan import Plan

WEIGHT_BITS = (16, 8, 6, 4, 3)  # half precision, and palettes that a runtime decompresses


@frozen
class Program:
    """One network, how often it runs for one picture, and the bits of its stored weights.

    It is a network itself, so that a latency source tells how long it takes.
    """

    name: str
    network: Network
    calls: int = 1
    bits: int = 16

    @property
    def kind(self) -> str:
        """The kind of its network."""
        return self.network.kind

    def programs(self) -> "tuple[Program, ...]":
        """Return itself."""
        return (self,)

    def digest(self) -> str:
        """Return that of its network."""
        return self.network.digest()

    def to_dict(self) -> dict[str, Any]:
        """Return what its network is written as."""
        return self.network.to_dict()

    def plan(self) -> Plan:
        """Return the blocks of one call."""
        return self.network.plan()


def programs_of(network: Network) -> tuple[Program, ...]:
    """Return the programs behind ``network``: itself, unless it stands for several."""
    if not is_several(network):
        return (Program(network.kind, network),)
    standing: Any = network
    found: tuple[Program, ...] = standing.programs()
    return found


def is_several(network: Network) -> bool:
    """Whether ``network`` stands for programs, each with its calls and its bits."""
    return hasattr(network, "programs")
