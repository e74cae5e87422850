"""Newton–Schulz orthogonalisation of many matrices at once: singular values move close to one.

Five steps of the quintic iteration ``X ← aX + b(XXᵀ)X + c(XXᵀ)²X`` (Muon, Jordan et al. 2024,
kellerjordan.github.io/posts/muon) bring singular values of at least 1/500 of the Frobenius norm to
between 0.7 and 1.2. Every step multiplies X from the left by a polynomial of its Gram matrix, and
polynomials of one matrix commute, so the steps run on Gram matrices alone: ``P ← p(G)·P`` and
``G ← p(G)²·G`` with ``p(G) = a + bG + cG²``. All matrices with the same shorter side share one
batch, whatever their other side, and a kernel of 56 × 1,008 costs what one of 56 × 56 does and two
products.

>>> x = torch.randn(3, 4, 50, generator=torch.Generator().manual_seed(0))
>>> orthogonal = torch.bmm(orthogonalising_factors([x])[0], x)
>>> bool((torch.linalg.svdvals(orthogonal) - 1).abs().max() < 0.35)
True
"""

from collections.abc import Sequence

import torch
from torch import Tensor

COEFFICIENTS = (3.4445, -4.7750, 2.0315)
STEPS = 5
LEAST_NORM = 1e-7  # a gradient of zeros stays zeros


def orthogonalising_factors(stacks: Sequence[Tensor]) -> list[Tensor]:
    """Return F, (n, r, r), for each stack X, (n, r, c), so that F·X is nearly orthogonal.

    All stacks have the same r, which is at most c; they may be transposed views.
    """
    grams = torch.cat([torch.bmm(x, x.mT) for x in stacks])  # (Σn, r, r)
    squared_norms = grams.diagonal(dim1=1, dim2=2).sum(dim=1)  # (Σn,) Frobenius
    scale = squared_norms.clamp(min=LEAST_NORM**2).rsqrt()[:, None, None]  # (Σn, 1, 1)
    factors = _product_of_polynomials(grams * scale.square()) * scale
    return list(torch.split(factors, [len(x) for x in stacks]))


def _product_of_polynomials(gram: Tensor) -> Tensor:
    """Return Π p(G) over all steps for Gram matrices (n, r, r) with eigenvalues in [0, 1]."""
    a, b, c = COEFFICIENTS
    product: Tensor | None = None
    for step in range(1, STEPS + 1):
        higher = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)  # bG + cG²
        if product is None:
            product = higher.clone()
            product.diagonal(dim1=1, dim2=2).add_(a)
        else:
            product = torch.baddbmm(product, higher, product, beta=a)
        if step < STEPS:  # G ← p(G)·p(G)·G
            gram = torch.baddbmm(gram, higher, gram, beta=a)
            gram = torch.baddbmm(gram, higher, gram, beta=a)
    assert product is not None
    return product
