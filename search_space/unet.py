"""`UNet(spec)`: the module of a UNet, which checks its arguments and walks its plan.

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

from torch import Tensor

from search_space.errors import WalkbenchError
from search_space.modules.network import PlannedNetwork
from search_space.spec import UNetSpec


class UNet(PlannedNetwork):
    """A conditional UNet; ``unet.spec`` says which.

    Submodules are named as the plan names its steps: ``unet.get_submodule("down1.stack0")``.
    """

    def __init__(self, spec: UNetSpec):
        super().__init__(spec)
        self.spec = spec

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
        given = {
            "latents": latents,
            "timesteps": timesteps,
            "context": context,
            "pooled": pooled,
            "size_ids": size_ids,
            "classes": classes,
        }
        return self.run({name: value for name, value in given.items() if value is not None})

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
