"""Learning rates that follow the width of the twin, so that one rate suits all widths.

With Adam every weight moves by about the learning rate per step, whatever its layer's width, so the
change of a layer's output grows with the number of its inputs, and a rate tuned at one width is too
large at twice the width. Under μP (Yang et al. 2022, arXiv 2203.03466, table 8) matrices whose
inputs grow with the width take the rate divided by that growth; biases, norms, embeddings and
matrices whose inputs stay (the first convolution, depthwise kernels) keep it. The readout starts at
zero, which μP allows, and counts as such a matrix. Attention keeps 1/√d instead of μP's 1/d: head
dims stay 8 up to a width of 32.

The base is the twin of the *same* design at ``BASE_WIDTH``: the rule carries a rate from one twin
width to another. It does not equalise designs that differ in channels at one width.

>>> from torch import nn
>>> width_multipliers(nn.Linear(64, 8), nn.Linear(16, 2))
{'weight': 0.25, 'bias': 1.0}
"""

import math

from torch import nn

BASE_WIDTH = 16  # the default recipe's learning rate was chosen here


def width_multipliers(model: nn.Module, base: nn.Module) -> dict[str, float]:
    """Return fan_in(base) / fan_in(model) for each matrix of ``model``, 1 for the rest, by name.

    What ``base`` lacks (a discriminator) has one width and keeps 1.

    ``base`` has the same parameters in other sizes; its values are not read: `meta` will do.
    """
    modules = model.named_modules()
    embeddings = {f"{path}.weight" for path, m in modules if isinstance(m, nn.Embedding)}
    own, of_base = dict(model.named_parameters()), dict(base.named_parameters())
    return {
        name: 1.0
        if parameter.ndim < 2 or name in embeddings or name not in of_base
        else round(math.prod(of_base[name].shape[1:]) / math.prod(parameter.shape[1:]), 4)
        for name, parameter in own.items()
    }
