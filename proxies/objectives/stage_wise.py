"""Stage-wise imitation: every stage of the student learns what the reference's stage does.

With ``inputs = "reference"`` a stage is fed what the reference's stage was fed, so that stages
learn apart from each other (block-wise distillation, DNA, arXiv 1911.13053); with `own` the student
runs as a whole and its stages' outputs are compared (BK-SDM, arXiv 2305.15798, §3.2).

>>> StageWise().kind, StageWise(task=0.0).inputs
('stage-wise', 'reference')
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from proxies.objectives.distillation import TEACHER
from proxies.setting import check, setting

if TYPE_CHECKING:
    from proxies.objectives.protocol import Loss, Setup

INPUTS = ("reference", "own")


@dataclass(frozen=True)
class StageWise:
    """Learn the reference's stages; 1×1 adapters stand where widths differ."""

    kind: ClassVar[str] = "stage-wise"
    teacher: str | None = setting(None, help=TEACHER, is_path=True)
    inputs: str = setting(
        "reference", help="What stages are fed: the reference's values, or the student's own.",
        choices=lambda: INPUTS,
    )  # fmt: skip
    task: float = setting(1.0, help="Weight of the velocity's loss beside the stages'.", least=0)

    def __post_init__(self) -> None:
        check(self)

    def content(self) -> dict[str, str | None]:
        """Return the digest of the reference in place of where it is."""
        from proxies.distillation.load import content_of

        return {"teacher": content_of(self.teacher)}

    def check_files(self) -> None:
        """Raise :class:`WalkbenchError` where the teacher is not there."""
        from proxies.distillation.load import check_teacher

        check_teacher(self.teacher)

    def prepare(self, setup: "Setup") -> "Loss":
        """Return the loss of one run; loads the reference."""
        from proxies.distillation.stage_loss import StageLoss

        return StageLoss(setup, self)
