"""Training methods: an objective is a recipe's choice of a loss, with the settings of that loss.

Objectives are small frozen dataclasses that import no torch. A training method is added by one
module, which holds the dataclass and its loss, and one entry of ``OBJECTIVES``; code outside of
Walkbench calls ``OBJECTIVES.register``. :mod:`proxies.objectives.protocol` says what they offer.

>>> objective_to_dict(FlowMatching())
{'kind': 'flow-matching'}
>>> objective_from_dict("flow-matching")
FlowMatching()
"""

from collections.abc import Mapping
from typing import Any

from proxies.objectives.flow_matching import FlowMatching
from proxies.objectives.protocol import Objective
from proxies.setting import as_dict, from_dict
from search_space.registry import Registry

__all__ = ["OBJECTIVES", "FlowMatching", "Objective", "objective_from_dict", "objective_to_dict"]

OBJECTIVES: Registry[type[Objective]] = Registry("objective", {FlowMatching.kind: FlowMatching})


def objective_to_dict(objective: Objective) -> dict[str, Any]:
    """Return the kind of ``objective`` and its settings as JSON types."""
    return {"kind": objective.kind, **as_dict(objective)}


def objective_from_dict(data: "str | Mapping[str, Any]") -> Objective:
    """Return the objective that a kind or :func:`objective_to_dict` names.

    Raises :class:`WalkbenchError` for an unknown kind and TypeError for unknown settings.
    """
    fields = {"kind": data} if isinstance(data, str) else dict(data)
    return from_dict(OBJECTIVES.get(str(fields.pop("kind", None))), fields)
