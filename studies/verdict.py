"""One rule for whether a change in loss is more than noise, and its words.

A change is REAL when its interval excludes zero and several training seeds gave it. INSIDE NOISE
means that these runs cannot tell, not that nothing changed. One seed gives an interval over samples
alone, which leaves out what another seed would change: it can show INSIDE NOISE, but never REAL.

>>> verdict(-0.19, -0.06, seeds=3), verdict(-0.08, 0.05, seeds=3), verdict(-0.19, -0.06, seeds=1)
('REAL', 'INSIDE NOISE', 'ONE SEED')
"""

REAL, NOISE, ONE_SEED = "REAL", "INSIDE NOISE", "ONE SEED"

WORDS = (
    "REAL: the 95 % interval over training seeds excludes zero. INSIDE NOISE: these runs cannot "
    "tell, which is not to say that nothing changed."
)
ONE_SEED_WORDS = (
    "ONE SEED: the interval over samples excludes zero, but another training seed moves a loss by "
    "more than that."
)


def verdict(low: float, high: float, seeds: int) -> str:
    """Return the word for a change with the 95 % interval ``low`` to ``high`` from ``seeds``."""
    if low <= 0 <= high:
        return NOISE
    return REAL if seeds > 1 else ONE_SEED
