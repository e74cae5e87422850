"""Optimizers by name, as `Recipe.optimizer` says it. Each is one module and one entry here.

An entry is called with the recipe, the module in training and the learning-rate multiplier of every
parameter by name, and returns a :class:`proxies.optimizers.protocol.Optimizer`.

>>> OPTIMIZERS.names()
('adamw', 'muon')
"""

from typing import TYPE_CHECKING

from search_space.registry import Registry

if TYPE_CHECKING:
    from proxies.optimizers.protocol import OptimizerFactory

OPTIMIZERS: "Registry[OptimizerFactory]" = Registry(
    "optimizer",
    {"adamw": "proxies.optimizers.adamw:AdamW", "muon": "proxies.optimizers.muon:Muon"},
)
