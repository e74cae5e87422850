"""A part of a network as an `.mlpackage` on disk, with the note that goes beside it."""

from pathlib import Path
from typing import Any

from latency_db.backends.coreml_export import quiet
from latency_db.backends.host import versions
from latency_db.packages.coreml_part import ConvertedPart, Settings, convert_part
from latency_db.packages.package_folder import Format
from latency_db.packages.parts import Part
from latency_db.packages.weights import WeightSource

_FEATURE_TYPES = {65552: "float16", 65568: "float32", 131104: "int32"}  # ArrayFeatureType


def write(part: Part, weights: WeightSource, settings: Settings, path: Path) -> dict[str, Any]:
    """Convert ``part`` and save it at ``path``; return what its note says."""
    made = convert_part(part, weights, settings)
    with quiet():
        made.model.save(str(path))
    return {**_ports(made.model), **_facts(made), "versions": versions("coremltools", "torch")}


def _ports(model: Any) -> dict[str, Any]:
    """Names, shapes and types at the outside, as Core ML itself will describe them."""
    description = model.get_spec().description

    def listed(features: Any) -> list[dict[str, Any]]:
        return [
            {
                "name": feature.name,
                "shape": list(feature.type.multiArrayType.shape),
                "dtype": _FEATURE_TYPES[feature.type.multiArrayType.dataType],
            }
            for feature in features
        ]

    return {"inputs": listed(description.input), "outputs": listed(description.output)}


def _facts(made: ConvertedPart) -> dict[str, Any]:
    worst = min(made.weights, key=lambda weight: weight.correlation, default=None)
    return {
        "params": sum(p.numel() for p in made.module.parameters()),
        "macs": made.facts.macs,
        "operators": made.facts.operators,
        "compressed": len(made.weights),
        "worst_weight": worst and worst.name,
        "worst_correlation": worst and worst.correlation,
        "undivided": list(made.undivided),
    }


COREML = Format("coreml", ".mlpackage", write)
