"""`Learner`: a twin's UNet with the text encoder it is trained with.

A proxy must not depend on a text encoder of gigabytes, so captions of a few dozen words are read
through a trainable table: one vector per word plus one per place (without the place, "a red circle
and a blue square" and its opposite would be the same bag of words), as wide as the context that the
twin is given. The pooled condition is a projection of their mean, the size numbers are the side of
the picture, a class label is passed on. So every condition of the spec keeps its module and gets a
gradient. Where the data has embeddings of a text encoder, a trainable projection to the context's
width takes the place of the table.

The network reads normalised values and predicts what the best linear guess of the velocity leaves
over (:class:`proxies.flow_matching.Moments`).

>>> from proxies.flow_matching import Moments
>>> from proxies.twin import twin
>>> from search_space.presets import named_spec
>>> learner = Learner(twin(named_spec("sdxl"), width=8), 27, Moments(-0.75, 0.115))
>>> t, tokens = torch.tensor([0.5, 1.0]), torch.zeros(2, 12, dtype=torch.long)
>>> learner(torch.zeros(2, 3, 24, 24), t, tokens).shape
torch.Size([2, 3, 24, 24])
"""

from collections.abc import Callable
from typing import Any, ClassVar, TypeVar

import torch
from torch import Tensor, nn

from proxies.data.training_data import TrainingData
from proxies.flow_matching import TIME_SCALE, Moments
from search_space.initialise import initialise
from search_space.registry import Registry
from search_space.spec import UNetSpec
from search_space.unet import UNet

READOUT = "unet.output.conv_out.conv"
TEXT_PARTS = ("words", "places", "pool")  # of a learner: what reads captions


class TwinModule(nn.Module):
    """A twin with what it needs to be trained; each kind of network has one in ``LEARNERS``.

    ``predicts`` says what its forward pass returns; objectives refuse what they cannot train.
    """

    predicts: ClassVar[str] = "velocity"

    @property
    def network(self) -> nn.Module:
        """The twin itself, whose parameters a score counts."""
        raise NotImplementedError

    @property
    def readout(self) -> nn.Parameter:
        """The weight that starts at zero, so that all candidates start from one loss."""
        raise NotImplementedError


class Learner(TwinModule):
    """Predicts the velocity of noisy pictures from their captions.

    ``text_width`` is the width of given embeddings, 0 where captions are word numbers.
    """

    def __init__(self, spec: UNetSpec, vocabulary: int, moments: Moments, text_width: int = 0):
        super().__init__()
        self.spec, self.moments = spec, moments
        width, pooled = spec.context.given_width, spec.conditions.pooled_width
        self.words = nn.Linear(text_width, width) if text_width else nn.Embedding(vocabulary, width)
        self.places = nn.Embedding(spec.context.tokens, width)
        self.pool = nn.Linear(width, pooled) if pooled else None
        self.unet = UNet(spec)

    @property
    def network(self) -> nn.Module:
        """The UNet."""
        return self.unet

    @property
    def readout(self) -> nn.Parameter:
        """The weight of the last convolution."""
        return self.get_parameter(f"{READOUT}.weight")

    def forward(self, x_t: Tensor, t: Tensor, text: Tensor, labels: Tensor | None = None) -> Tensor:
        """Noisy pictures (B, C, H, W), times (B,) in [0, 1], captions to velocities.

        ``text`` is (B, T) word numbers, or (B, T, W) embeddings.
        """
        residual: Tensor = self.unet(**self.inputs(x_t, t, text, labels))
        return self.velocity(x_t, t, residual)

    def velocity(self, x_t: Tensor, t: Tensor, residual: Tensor) -> Tensor:
        """Return the velocity that the UNet's output implies: the guess and what it leaves over."""
        return self.moments.guess(x_t, t) + self.moments.residual_std(x_t, t) * residual

    def inputs(
        self, x_t: Tensor, t: Tensor, text: Tensor, labels: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Return what the UNet reads, by the names of its plan."""
        context = self.words(text) + self.places.weight  # (B, T, width)
        conditions: dict[str, Tensor] = {}
        if self.pool is not None:
            conditions["pooled"] = self.pool(context.mean(dim=1))
        if ids := self.spec.conditions.size_ids:
            conditions["size_ids"] = x_t.new_full((x_t.shape[0], ids), x_t.shape[-1])
        if count := self.spec.conditions.classes:
            given = torch.zeros_like(t, dtype=torch.long) if labels is None else labels
            conditions["classes"] = given % count
        normal = self.moments.normalised(x_t, t)
        return {"latents": normal, "timesteps": t * TIME_SCALE, "context": context, **conditions}


M = TypeVar("M", bound=TwinModule)


def start(build: Callable[[], M], seed: int, *, zero_readout: bool = True) -> M:
    """Return the module that ``build`` makes, with weights from ``seed``, one stream per name.

    With ``zero_readout`` the readout starts at zero, so that every candidate starts from the same
    loss: for UNets, that of the linear guess.
    """
    with torch.random.fork_rng(devices=[]):  # torch draws weights of its own before ours
        module = initialise(build(), seed)
    if zero_readout:
        nn.init.zeros_(module.readout)
    return module


def unet_learner(twin: UNetSpec, data: TrainingData) -> Learner:
    """Return the learner of a UNet that reads ``data``."""
    return Learner(twin, data.vocabulary, data.moments, data.text_width)


LEARNERS: Registry[Callable[[Any, TrainingData], TwinModule]] = Registry(
    "kind of network with a learner",
    {"unet": unet_learner, "decoder": "proxies.decoder_model:decoder_learner"},
)
