"""Names of the study configs that come with Walkbench, for help texts that must not load them.

>>> "demo" in shipped_configs()
True
"""

from importlib.resources import files


def shipped_configs() -> list[str]:
    """Return the names of the configs in `studies/configs`, sorted."""
    names = (path.name for path in (files("studies") / "configs").iterdir())
    return sorted(name.removesuffix(".toml") for name in names if name.endswith(".toml"))
