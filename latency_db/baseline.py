"""The baseline every estimate must beat: `a + b·GMAC + c·Mparam`, one line per chip.

Two numbers of a network and three of a chip, none of them negative, fitted to relative errors.

>>> import numpy as np
>>> sizes = np.array([[1.0, 5.0], [2.0, 9.0], [4.0, 30.0], [8.0, 20.0]])  # GMAC, Mparam
>>> fit = fit_baseline(sizes, 0.5 + sizes @ [0.4, 0.05])
>>> [round(float(v), 3) for v in fit]
[0.5, 0.4, 0.05]
"""

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

OUTLIER_SD = 0.2  # log-error at which a row begins to lose weight, as in the roofline's fit
REWEIGHTINGS = 20

Array = NDArray[np.float64]


def fit_baseline(sizes: Array, latency_ms: Array, weights: Array | None = None) -> Array:
    """Return a (ms), b (ms per GMAC) and c (ms per Mparam), none negative.

    ``sizes`` is (n, 2): GMAC and millions of parameters. Errors are relative, so that a 0.6 ms
    classifier and a 2 s UNet count alike, and rows far off lose weight (Cauchy, reweighted).
    """
    base = np.ones(len(latency_ms)) if weights is None else weights
    columns = np.column_stack([np.ones(len(sizes)), sizes])
    weight = base
    for _ in range(REWEIGHTINGS):
        scale = np.sqrt(weight) / latency_ms
        fit = np.asarray(nnls(columns * scale[:, None], latency_ms * scale)[0])
        error = np.log(np.maximum(columns @ fit, 1e-9) / latency_ms)
        weight = base / (1 + (error / OUTLIER_SD) ** 2)
    return fit


def predict_baseline(fit: Array, sizes: Array) -> Array:
    """Return milliseconds, (n,), for ``sizes``, (n, 2)."""
    return np.asarray(fit[0] + sizes @ fit[1:])
