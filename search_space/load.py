"""`load_network(text)`: what a user may type wherever a network is wanted, a name or a file.

>>> load_spec("sd15").stages[0].heads
8
"""

from pathlib import Path

from search_space.codec import parse_json
from search_space.decoder.spec import DecoderSpec
from search_space.errors import WalkbenchError, raise_unknown
from search_space.network import Network, network_from_dict
from search_space.presets import named_networks
from search_space.spec import UNetSpec


def load_spec(text: str) -> UNetSpec:
    """Return the UNet with this name, or the one in this JSON file.

    Raises :class:`WalkbenchError` as :func:`load_network` does, and for another kind of network.
    """
    network = load_network(text)
    if not isinstance(network, UNetSpec):
        raise WalkbenchError(f"{text} is a network of kind {network.kind}; a UNet is needed")
    return network


def load_decoder(text: str) -> DecoderSpec:
    """Return the decoder with this name, or the one in this JSON file.

    Raises :class:`WalkbenchError` as :func:`load_network` does, and for another kind of network.
    """
    network = load_network(text)
    if not isinstance(network, DecoderSpec):
        raise WalkbenchError(f"{text} is a network of kind {network.kind}; a decoder is needed")
    return network


def load_network(text: str) -> Network:
    """Return the network with this name, or the one in this JSON file.

    Raises :class:`WalkbenchError` for a name that is not known, a file that cannot be read, and a
    network that is malformed or contradicts itself.
    """
    named, path = named_networks(), Path(text)
    if text in named:
        return named[text]
    if path.suffix != ".json" and not _is_file(path):
        raise_unknown("spec", text, named)
    try:
        content = path.read_text(encoding="utf-8-sig")  # with or without a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise WalkbenchError(f"spec file {text!r}: {reason}; name a readable JSON file") from None
    try:
        return network_from_dict(parse_json(content, "spec"))
    except WalkbenchError as error:
        raise WalkbenchError(f"{text}: {error}") from None


def _is_file(path: Path) -> bool:
    """Whether ``path`` is a file; text that cannot be a path, such as a pasted spec, is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
