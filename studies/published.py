"""What others published of a design, by metric, as text with its device and confidence.

>>> from search_space.presets import named_spec
>>> published_of(named_spec("snapgen-t2i").digest())["latency_ms"]
'274 ms on iPhone 16 Pro Max, stated'
>>> published_of("d65df1277220")
{}
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

from search_space.presets import FAMILIES, walk_specs
from studies.formats import giga, millions
from studies.walk import published_walk


def published_of(digest: str | None) -> dict[str, str]:
    """Return the published figures of the design with this digest; empty where there are none."""
    return _by_digest().get(digest or "", {})


@lru_cache(maxsize=1)
def _by_digest() -> dict[str, dict[str, str]]:
    writers: dict[str, Callable[[Any], str]] = {
        "params": millions,
        "macs": giga,
        "latency_ms": "{} ms".format,
    }
    found: dict[str, dict[str, str]] = {}
    for family in FAMILIES.values():
        for step, spec in walk_specs(family).items():
            for metric, write in writers.items():
                figure = published_walk()[step].get(metric)
                if figure is None:
                    continue
                device = f" on {figure['device']}" if "device" in figure else ""
                text = f"{write(figure['value'])}{device}, {figure['confidence']}"
                found.setdefault(spec.digest(), {})[metric] = text
    return found
