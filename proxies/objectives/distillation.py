"""Distillation: beside the velocity of the data, learn a teacher's, and what it makes of pictures.

SnapGen's multi-level form (arXiv 2412.09619, §3.3). One key, ``level``, names the terms and how
they are weighed: `output`, `feature` or `both`, then `constant`, `ratio`, `alpha` or `full`
(:mod:`proxies.distillation.scaling`); `none` is flow matching.

>>> Distillation(level="both:full").terms, Distillation(level="output:alpha").scale
(('output', 'feature'), 'alpha')
>>> len(LEVELS)
13
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from proxies.setting import check, setting

if TYPE_CHECKING:
    from proxies.objectives.protocol import Loss, Setup

SCALES = ("constant", "ratio", "alpha", "full")
TERMS = {"output": ("output",), "feature": ("feature",), "both": ("output", "feature")}
LEVELS = ("none", *(f"{terms}:{scale}" for terms in TERMS for scale in SCALES))
TEACHER = (
    "Teacher: a checkpoint of `walkbench proxy run`, an export or trained bundle, or a folder with "
    "a transformer of diffusers."
)


@dataclass(frozen=True)
class Distillation:
    """Learn from data and a teacher; the validation loss stays that of the data alone."""

    kind: ClassVar[str] = "distillation"
    teacher: str | None = setting(None, help=TEACHER, is_path=True)
    level: str = setting(
        "both:full", help="Terms and how they are weighed.", choices=lambda: LEVELS
    )
    weight: float = setting(
        1.0, help="Weight of the teacher's terms where no ratio balances them.", above=0
    )
    teacher_layer: str | None = setting(
        None, help="Teacher's layer of the features; default: the last with transformer layers."
    )
    student_layer: str | None = setting(None, help="The student's, likewise.")
    projector: bool = setting(
        True, help="Learn a 1×1 projection of the student's features; it is no part of the result."
    )
    cache: str | None = setting(
        None, help="Folder that keeps the teacher's answers between runs.", is_path=True
    )

    def __post_init__(self) -> None:
        check(self)

    @property
    def terms(self) -> tuple[str, ...]:
        """What the teacher is asked for: output, feature or both."""
        return TERMS.get(self.level.partition(":")[0], ())

    @property
    def scale(self) -> str:
        """How the terms are weighed."""
        return self.level.partition(":")[2]

    def content(self) -> dict[str, str | None]:
        """Return the digest of the teacher in place of where it is."""
        from proxies.distillation.load import content_of

        return {"teacher": content_of(self.teacher), "cache": None}

    def check_files(self) -> None:
        """Raise :class:`WalkbenchError` where the teacher is not there."""
        from proxies.distillation.load import check_teacher

        if self.terms:
            check_teacher(self.teacher)

    def prepare(self, setup: "Setup") -> "Loss":
        """Return the loss of one run; loads the teacher."""
        from proxies.distillation.loss import DistillationLoss

        return DistillationLoss(setup, self)
