"""A network at another latent size or token count; everything else stays.

>>> from search_space.presets import named_spec
>>> resized(named_spec("sd15"), latent=96).latent_size
96
"""

from dataclasses import replace

from search_space.errors import WalkbenchError
from search_space.network import Network
from search_space.spec import UNetSpec


def resized(network: Network, latent: int | None = None, tokens: int | None = None) -> Network:
    """Return ``network`` at these sizes.

    Raises :class:`SpecError` when they do not fit it, :class:`WalkbenchError` for a network of
    another kind than UNet.
    """
    if latent is None and tokens is None:
        return network
    if not isinstance(network, UNetSpec):
        raise WalkbenchError(
            f"latent and tokens are sizes of UNets; this network is of kind {network.kind}"
        )
    spec = network
    if latent is not None:
        spec = spec.replace(latent_size=latent)
    if tokens is not None:
        spec = spec.replace(context=replace(spec.context, tokens=tokens))
    return spec
