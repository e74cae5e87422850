"""A part of a network as a Core ML program with the names of Apple's pipelines, read back.

>>> Settings(bits=6).target
'ios17'
>>> Settings(bits=3)
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: 3 bits per weight on ios17; it knows 16, 8, 6, 4; 3 bits ...
"""

from dataclasses import dataclass
from typing import Any

from latency_db.backends.coreml_check import ProgramFacts, check_program
from latency_db.backends.coreml_export import check_conversion
from latency_db.backends.coreml_form import Layout, export_form
from latency_db.packages.coreml_convert import to_coreml
from latency_db.packages.palettise import CompressedWeight, check_bits, palettise
from latency_db.packages.part_module import PartModule, part_inputs
from latency_db.packages.parts import Part
from latency_db.packages.weights import WeightSource, fill
from search_space.trace import trace


@dataclass(frozen=True)
class Settings:
    """How a network becomes Core ML.

    ``layout`` as in `coreml_form`, ``group`` as in `palettise`, ``shift`` as in `PartModule`.
    """

    target: str = "ios17"
    precision: str = "fp16"
    layout: Layout = "standard"
    bits: int = 16
    group: int = 0
    batch: int = 1
    shift: float = 1.0

    def __post_init__(self) -> None:
        check_conversion(self.target, self.precision, self.layout)
        check_bits(self.bits, self.target, self.group)


@dataclass(frozen=True)
class ConvertedPart:
    """A Core ML model in memory with what is known of it."""

    model: Any
    module: PartModule
    facts: ProgramFacts
    weights: tuple[CompressedWeight, ...]  # empty at 16 bits

    @property
    def undivided(self) -> tuple[str, ...]:
        """Weights whose channels the asked group does not divide: they have one palette each."""
        grouped = any(weight.groups > 1 for weight in self.weights)
        return tuple(w.name for w in self.weights if grouped and w.groups == 1)


def convert_part(part: Part, weights: WeightSource, settings: Settings) -> ConvertedPart:
    """Return the Core ML model of ``part``.

    Raises `CannotRun` when the part cannot be converted, or did not become the same function: an
    operator that is not known, other MACs, a lost parameter.
    """
    module = PartModule(part, "channels", settings.shift)
    inputs = part_inputs(part, settings.batch)
    macs = trace(module, **{name: t.to("meta") for name, t in inputs.items()}).macs
    fill(module, part.network, weights)
    where = f"part {part.index + 1}"
    form = export_form(module, settings.layout)
    model = to_coreml(form, inputs, part.outputs, settings.target, settings.precision, where)
    facts = check_program(model._mil_program, module, macs, where)
    compressed: list[CompressedWeight] = []
    if settings.bits < 16:
        model, compressed = palettise(model, module, settings.bits, settings.group)
    return ConvertedPart(model, module, facts, tuple(compressed))
