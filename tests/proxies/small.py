"""A spec whose twin trains in milliseconds, and the recipe that tests train it with."""

from proxies.trainer import Recipe
from search_space.spec import Context, Mid, Path, Site, Stage, UNetSpec

RECIPE = Recipe(batch=8, warm_up=5, train_images=64, validation_images=32)


def small_spec(depth: int = 1, **changes) -> UNetSpec:
    """Two stages, one site each way; attention in the lower one."""
    plain, attends = Path((Site(),)), Path((Site(depth),), True, True)
    stages = (
        Stage(256, 4, 64, plain, plain, kv_heads=4),
        Stage(512, 8, 64, attends, attends, kv_heads=8),
    )
    return UNetSpec(stages, Mid(), time_width=512, context=Context(768, 77)).replace(**changes)
