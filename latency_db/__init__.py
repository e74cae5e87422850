"""How long a network takes on a device: measured tables, estimates, published figures."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from latency_db.sources import source_of

__all__ = ["source_of"]


def __getattr__(name: str) -> Any:
    """Load :func:`source_of` on first use: browsing published rows needs no torch."""
    if name == "source_of":
        from latency_db.sources import source_of

        return source_of
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
