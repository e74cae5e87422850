"""`UNet(spec)`: the network, assembled and run from its plan.

The forward pass walks the plan's steps; nothing here knows what a stage or a site is.

>>> import torch
>>> from search_space.presets import named_spec
>>> with torch.device("meta"):
...     unet = UNet(named_spec("snapgen-t2i"))
...     latents, context = torch.zeros(1, 4, 128, 128), torch.zeros(1, 77, 2304)
...     unet(latents, torch.zeros(1), context).shape
torch.Size([1, 4, 128, 128])
>>> round(sum(p.numel() for p in unet.parameters()) / 1e6, 2)
379.33
"""

import torch
from torch import Tensor, nn

from search_space.errors import WalkbenchError
from search_space.modules import build
from search_space.plan import plan
from search_space.spec import UNetSpec


class UNet(nn.Module):
    """A conditional UNet; ``unet.spec`` says which.

    Submodules are named as the plan names its steps: ``unet.get_submodule("down1.stack0")``.
    """

    def __init__(self, spec: UNetSpec):
        super().__init__()
        self.spec = spec
        self._steps = list(plan(spec).steps())
        for path, step in self._steps:
            segment, name = path.split(".")
            if segment not in self._modules:
                self.add_module(segment, nn.Module())
            self.get_submodule(segment).add_module(name, build(step.block))

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        context: Tensor,
        pooled: Tensor | None = None,
        size_ids: Tensor | None = None,
        classes: Tensor | None = None,
    ) -> Tensor:
        """Return the prediction, (B, out_channels, H, W), for noisy ``latents``.

        latents (B, in_channels, H, W); timesteps (B,), 0 … 1000; context (B, T, width); pooled
        (B, pooled_width), size_ids (B, ids) and classes (B,) when the spec has them. Raises
        :class:`WalkbenchError` when a condition is missing or a shape does not fit.
        """
        self._check(latents, timesteps, context, pooled, size_ids, classes)
        embeddings = dict(self.get_submodule("input").named_children())
        time: Tensor = embeddings["time"](timesteps)  # (B, time_width)
        if "classes" in embeddings:
            time = time + embeddings["classes"](classes)
        if "added" in embeddings:
            time = time + embeddings["added"](pooled, size_ids)
        if "context" in embeddings:
            context = embeddings["context"](context)  # (B, T, width)
        x, skips = latents, list[Tensor]()
        for path, step in self._steps:
            if path.startswith("input.") and path != "input.conv_in":
                continue  # embeddings, done above
            module = self.get_submodule(path)
            x = module(x, skips.pop() if step.pop else None, time, context)
            if step.push:
                skips.append(x)
        return x

    def _check(
        self,
        latents: Tensor,
        timesteps: Tensor,
        context: Tensor,
        pooled: Tensor | None,
        size_ids: Tensor | None,
        classes: Tensor | None,
    ) -> None:
        spec, conditions = self.spec, self.spec.conditions
        factor = 2 ** (len(spec.stages) - 1)
        if latents.ndim != 4 or latents.shape[1] != spec.in_channels:
            raise WalkbenchError(
                f"latents have shape {tuple(latents.shape)}; "
                f"(B, {spec.in_channels}, H, W) is needed"
            )
        if latents.shape[2] % factor or latents.shape[3] % factor:
            raise WalkbenchError(
                f"latents are {latents.shape[2]}×{latents.shape[3]}; "
                f"multiples of {factor} are needed"
            )
        batch = latents.shape[0]
        if timesteps.shape != (batch,):
            raise WalkbenchError(
                f"timesteps have shape {tuple(timesteps.shape)}; ({batch},) is needed, "
                "one per latent"
            )
        if context.ndim != 3 or context.shape[2] != spec.context.given_width:
            raise WalkbenchError(
                f"context has shape {tuple(context.shape)}; "
                f"(B, T, {spec.context.given_width}) is needed"
            )
        if context.shape[0] != batch:
            raise WalkbenchError(
                f"context has {context.shape[0]} rows for {batch} latents; one each is needed"
            )
        for name, value, width in (
            ("pooled", pooled, conditions.pooled_width),
            ("size_ids", size_ids, conditions.size_ids),
        ):
            if width and (value is None or value.shape != (batch, width)):
                got = "missing" if value is None else f"of shape {tuple(value.shape)}"
                raise WalkbenchError(f"{name} is {got}; this spec needs ({batch}, {width})")
            if not width and value is not None:
                raise WalkbenchError(f"{name} was given, but this spec has no such condition")
        if conditions.classes and (classes is None or classes.shape != (batch,)):
            got = "missing" if classes is None else f"of shape {tuple(classes.shape)}"
            raise WalkbenchError(f"classes is {got}; this spec needs ({batch},)")
        if not conditions.classes and classes is not None:
            raise WalkbenchError("classes was given, but this spec has no such condition")


def example_inputs(
    spec: UNetSpec, batch: int = 1, generator: torch.Generator | None = None
) -> dict[str, Tensor]:
    """Return a full set of forward arguments for ``spec`` at its latent size and tokens.

    Random with ``generator``, else zeros; on torch's default device and dtype.
    """

    def make(*shape: int) -> Tensor:
        if generator is None:
            return torch.zeros(*shape)
        return torch.randn(*shape, generator=generator)

    c, size = spec.conditions, spec.latent_size
    inputs = {
        "latents": make(batch, spec.in_channels, size, size),
        "timesteps": torch.full((batch,), 500.0),
        "context": make(batch, spec.context.tokens, spec.context.given_width),
    }
    if c.pooled_width:
        inputs["pooled"] = make(batch, c.pooled_width)
    if c.size_ids:
        inputs["size_ids"] = torch.full((batch, c.size_ids), 1024.0)
    if c.classes:
        inputs["classes"] = torch.zeros(batch, dtype=torch.long)
    return inputs
