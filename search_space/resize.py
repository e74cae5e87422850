"""A network at another latent size or token count; everything else stays.

>>> from search_space.presets import named_spec
>>> resized(named_spec("sd15"), latent=96).latent_size
96
"""

from dataclasses import replace

from search_space.decoder.spec import DecoderSpec
from search_space.errors import WalkbenchError
from search_space.network import Network
from search_space.spec import UNetSpec


def resized(network: Network, latent: int | None = None, tokens: int | None = None) -> Network:
    """Return ``network`` at these sizes.

    Raises :class:`SpecError` when they do not fit it, :class:`WalkbenchError` for a size that its
    kind does not have.
    """
    if latent is None and tokens is None:
        return network
    if isinstance(network, DecoderSpec):
        if tokens is not None:
            raise WalkbenchError("tokens is a size of UNets; a decoder reads no text")
        return network.replace(latent_size=latent)
    if not isinstance(network, UNetSpec):
        raise WalkbenchError(
            f"latent and tokens are sizes of UNets and decoders; this network is of kind "
            f"{network.kind}"
        )
    spec = network
    if latent is not None:
        spec = spec.replace(latent_size=latent)
    if tokens is not None:
        spec = spec.replace(context=replace(spec.context, tokens=tokens))
    return spec
