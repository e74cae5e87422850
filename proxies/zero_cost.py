"""Zero-cost scores: what a few gradients of an untrained twin say, as baselines and pre-filters.

A proxy that trains must rank better than these or it wastes its time. All are taken on the
flow-matching loss of a freshly initialised twin whose last convolution is *not* zero (with a zero
readout no gradient would reach the rest). More is meant to be better in every one; none has been
shown to rank diffusion UNets, and params and MACs stand beside them because they often do as well.

- ``grad_norm``  Σ‖∂L/∂W‖ over tensors (Abdelfattah et al. 2021, arXiv 2101.08134)
- ``snip``       Σ|W·∂L/∂W| (Lee et al. 2019, arXiv 1810.02340)
- ``synflow``    log Σ|W·∂R/∂W| with |W|, ones as input, R the sum of outputs, in float64 (Tanaka et
  al. 2020, arXiv 2006.05467). There, norms are bypassed; here they divide by a frozen scale, since
  gated feed-forwards square their input and thirty of them overflow any float
- ``naswot``     log|det K| of the agreement of activation signs between samples (Mellor et al.
  2021, arXiv 2006.04647; the sign of the pre-activation where that is smooth)
- ``jacov``      how independent the input gradients of samples are (first version of the same)
- ``zico``       Σ over layers of log Σ mean|g| / std|g| over batches (Li et al. 2023, arXiv
  2301.11300)

>>> from search_space.presets import named_spec
>>> scores = zero_cost_scores(named_spec("F/mqa"), width=8, batch=4)
>>> list(scores)
['params', 'macs', 'grad_norm', 'snip', 'synflow', 'naswot', 'jacov', 'zico']
>>> scores["params"]
371797252
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy

import torch
from torch import Tensor, nn

from proxies.data.dataset import shapes
from proxies.data.training_data import TrainingData
from proxies.flow_matching import interpolate, quantiles, sample_losses, velocity
from proxies.model import Learner, start, unet_learner
from proxies.recipe import Recipe
from proxies.twin import twin
from search_space.cost import cost
from search_space.initialise import stream
from search_space.modules import ACTIVATIONS, FeedForward
from search_space.modules.network import example_inputs
from search_space.spec import UNetSpec
from search_space.unet import UNet

NORMS = (nn.GroupNorm, nn.LayerNorm, nn.RMSNorm)
JACOV_EPS = 1e-5
_ACTIVATIONS = tuple({type(make()) for make in ACTIVATIONS.values()})

Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


def zero_cost_scores(
    spec: UNetSpec,
    width: int = 16,
    latent: int = 24,
    *,
    seed: int = 0,
    batch: int = 16,
    batches: int = 2,
    data: TrainingData | None = None,
) -> dict[str, float]:
    """Return every zero-cost score of the twin of ``spec``; params and MACs are of ``spec`` itself.

    The gradients are taken on the first pictures of ``data``, the shapes if nothing is said.
    ``batches`` gradients of ``batch`` samples each (two or more: ZiCo needs a spread). Raises
    :class:`proxies.twin.TwinError` when the twin cannot be built.
    """
    if batch < 2 or batches < 2:
        raise ValueError(f"batch {batch} and batches {batches} must both be 2 or more")
    data = data or shapes("train", Recipe.train_images, latent)  # as many: one mean and variance
    small = twin(spec, width, latent, channels=data.channels, tokens=data.text_tokens)
    learner = start(lambda: unet_learner(small, data), seed, zero_readout=False)
    generator = stream(seed, "zero-cost")
    drawn = [_batch(data, i, batch, generator) for i in range(batches)]
    gradients = [_gradients(learner, one) for one in drawn]
    weights = dict(learner.unet.named_parameters())
    priced, first = cost(spec), gradients[0]
    return {
        "params": priced.params,
        "macs": priced.macs,
        "grad_norm": grad_norm(first),
        "snip": snip(first, weights),
        "synflow": synflow(learner.unet),
        "naswot": naswot(learner, drawn[0]),
        "jacov": jacov(learner, drawn[0]),
        "zico": zico(gradients),
    }


def _batch(data: TrainingData, i: int, batch: int, generator: torch.Generator) -> Batch:
    """Return noisy pictures, times, texts, labels and target velocities."""
    x0, texts, labels = data.batch(torch.arange(i * batch, (i + 1) * batch) % len(data))
    t = quantiles(batch)
    noise = torch.randn(x0.shape, generator=generator)
    return interpolate(x0, noise, t), t, texts, labels, velocity(x0, noise)


def _gradients(learner: Learner, batch: Batch) -> dict[str, Tensor]:
    x_t, t, tokens, labels, target = batch
    loss = sample_losses(learner(x_t, t, tokens, labels), target).mean()
    names, parameters = zip(*learner.unet.named_parameters(), strict=True)
    found = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return dict(zip(names, found, strict=True))


def grad_norm(gradients: Mapping[str, Tensor]) -> float:
    """Return the sum over tensors of the Euclidean norms of their gradients."""
    return float(sum(gradient.norm().item() for gradient in gradients.values()))


def snip(gradients: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> float:
    """Return the sum of |weight · gradient| over all weights."""
    return sum((g * weights[name]).abs().sum().item() for name, g in gradients.items())


class _FrozenScale(nn.Module):
    """Brings values to a mean size of one by a factor that gradients do not see."""

    def forward(self, x: Tensor) -> Tensor:
        """Return x over its mean size."""
        return x / x.detach().abs().mean()


def synflow(unet: UNet) -> float:
    """Return the log of synaptic saliency: how much the weights let through together."""
    net = deepcopy(unet).double()
    for module in list(net.modules()):
        for name, child in module.named_children():
            if isinstance(child, NORMS):
                setattr(module, name, _FrozenScale())
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_()
    inputs = {
        name: torch.ones_like(x, dtype=torch.float64) if x.is_floating_point() else x
        for name, x in example_inputs(unet.spec, batch=1).items()
    }
    inputs["timesteps"] = torch.zeros(1, dtype=torch.float64)  # cosines 1, sines 0: none negative
    parameters = list(net.parameters())
    found = torch.autograd.grad(
        net(**inputs).sum(), parameters, allow_unused=True, materialize_grads=True
    )
    saliency = [(p.detach() * g).abs().sum() for p, g in zip(parameters, found, strict=True)]
    return float(torch.stack(saliency).sum().log())


def naswot(learner: Learner, batch: Batch) -> float:
    """Return log|det K|; K counts the units on whose sign two samples agree."""
    codes: list[Tensor] = []
    with torch.no_grad(), _pre_activations(learner.unet, codes):
        learner(*batch[:4])
    kernel = torch.zeros(len(batch[1]), len(batch[1]), dtype=torch.float64)
    for code in codes:
        on = (code.flatten(1) > 0).double()  # (B, units)
        kernel += on @ on.T + (1 - on) @ (1 - on).T
    return float(torch.linalg.slogdet(kernel).logabsdet)


@contextmanager
def _pre_activations(unet: UNet, into: list[Tensor]) -> Iterator[None]:
    """Collect what every activation reads, feed-forward gates included, (B, …) each."""
    hooks = []
    for module in unet.modules():
        if isinstance(module, _ACTIVATIONS):
            hooks.append(module.register_forward_hook(lambda m, args, out: into.append(args[0])))
        if isinstance(module, FeedForward):
            hooks.append(
                module.gate.register_forward_hook(
                    lambda m, args, out: into.append(out.chunk(2, dim=-1)[1])
                )
            )
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def jacov(learner: Learner, batch: Batch) -> float:
    """Return −Σ(log(λ+ε) + 1/(λ+ε)) over eigenvalues of the correlation of input gradients."""
    x_t = batch[0].clone().requires_grad_(True)
    (jacobian,) = torch.autograd.grad(learner(x_t, *batch[1:4]).sum(), x_t)
    correlation = torch.corrcoef(jacobian.flatten(1).double())  # (B, B)
    values = torch.linalg.eigvalsh(correlation).clamp(min=0) + JACOV_EPS
    return -float((values.log() + 1 / values).sum())


def zico(gradients: list[dict[str, Tensor]]) -> float:
    """Return Σ over weights with two or more dimensions of log Σ mean|g| / std|g|.

    The deviation is over n, as in the authors' code: with n − 1 every weight would add a constant,
    and the score would count weights.
    """
    total = 0.0
    for name, first in gradients[0].items():
        if first.ndim < 2:
            continue
        absolute = torch.stack([found[name] for found in gradients]).abs().double()
        mean, std = absolute.mean(dim=0), absolute.std(dim=0, correction=0)
        ratio = (mean[std > 0] / std[std > 0]).sum()
        total += ratio.log().item() if ratio > 0 else 0.0
    return total
