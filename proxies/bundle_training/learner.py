"""`BundleLearner`: the diffusers class of a design, with its own text encoder where it trains one.

Parameters of the network have Walkbench's names. A design that is trained from its initial weights
starts with a readout of zero, hence from the linear guess where it has one.
"""

from typing import Any

import torch
from torch import Tensor, nn

from proxies.bundle_training.words import WordTable
from proxies.flow_matching import TIME_SCALE, Moments
from search_space.errors import WalkbenchError
from search_space.initialise import initialise
from search_space.spec import UNetSpec
from search_space.unet import UNet

READOUT = "output.conv_out.conv.weight"


class BundleLearner(nn.Module):
    """Predicts velocities of noisy pictures from word numbers (B, T) or embeddings (B, T, W)."""

    def __init__(self, spec: UNetSpec, moments: Moments | None, words: WordTable | None) -> None:
        super().__init__()
        from search_space.diffusers_bridge.own_config import own_config
        from search_space.diffusers_bridge.walkbench_unet import WalkbenchUNet2DConditionModel

        facts = None if moments is None else {"mean": moments.mean, "variance": moments.variance}
        self.spec, self.words = spec, words
        self.unet: Any = WalkbenchUNet2DConditionModel.from_config(own_config(spec, facts))

    def forward(self, x_t: Tensor, t: Tensor, text: Tensor, labels: Tensor) -> Tensor:
        """Noisy pictures (B, C, H, W), times (B,) in [0, 1], text, classes (B,) to velocities."""
        context = text if self.words is None else self.words(text)
        given: dict[str, Any] = {}
        if self.spec.conditions.classes:
            given["class_labels"] = labels
        if ids := self.spec.conditions.size_ids:
            height, width = x_t.shape[-2:]
            sizes = x_t.new_tensor([height, width] * ids)[:ids].expand(len(x_t), -1)
            given["added_cond_kwargs"] = {"time_ids": sizes}
        out: Tensor = self.unet(x_t, t * TIME_SCALE, context, return_dict=False, **given)[0]
        return out


def learner_of(
    unet: UNet, moments: Moments | None, words: int, seed: int, *, fresh: bool
) -> BundleLearner:
    """Return the learner of ``unet`` with its weights.

    ``words`` counts the words of a text encoder to train, 0 for given embeddings. ``fresh`` says
    that the weights are initial ones. Raises :class:`WalkbenchError` for a design that reads more
    than text and class.
    """
    spec = unet.spec
    if spec.conditions.pooled_width:
        raise WalkbenchError(
            f"the network {spec.digest()} reads pooled text, which captions and caches do not "
            "give; search with a conditioning without it, such as clip-l"
        )
    context = spec.context
    with torch.random.fork_rng(devices=[]):  # torch draws weights of its own before ours
        table = WordTable(words, context.tokens, context.given_width) if words else None
        learner = BundleLearner(spec, moments, table)
    if table is not None:
        initialise(table, seed)
    learner.unet.load_state_dict({name: one.float() for name, one in unet.state_dict().items()})
    if fresh:
        nn.init.zeros_(learner.unet.get_parameter(READOUT))
    return learner
