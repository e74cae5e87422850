"""`DecoderLearner`: a twin of a decoder in training.

It reads latents as the decoder will read them: an export of the trained network needs nothing else.
The last convolution starts at zero, so that all designs of one form start from one flat picture.

>>> import torch
>>> from search_space.decoder import named_decoder
>>> learner = DecoderLearner(named_decoder("taesd-decoder").replace(latent_size=4))
>>> learner(torch.zeros(2, 4, 4, 4)).shape
torch.Size([2, 3, 32, 32])
"""

from torch import Tensor, nn

from proxies.data.training_data import TrainingData
from proxies.model import TwinModule
from search_space.decoder.spec import DecoderSpec
from search_space.network import build_network


class DecoderLearner(TwinModule):
    """Pictures from latents."""

    predicts = "picture"

    def __init__(self, spec: DecoderSpec):
        super().__init__()
        self.spec = spec
        self.decoder = build_network(spec)

    @property
    def network(self) -> nn.Module:
        """The decoder."""
        return self.decoder

    @property
    def readout(self) -> nn.Parameter:
        """The weight of the last convolution."""
        return self.get_parameter("decoder.output.conv_out.conv.weight")

    def forward(self, latents: Tensor) -> Tensor:
        """Latents (B, z, H, W) to pictures (B, C, 8H, 8W) for four stages."""
        picture: Tensor = self.decoder(latents)
        return picture


def decoder_learner(twin: DecoderSpec, data: TrainingData) -> DecoderLearner:
    """Return the learner of a decoder; of ``data`` it needs nothing."""
    return DecoderLearner(twin)
