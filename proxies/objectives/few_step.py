"""Few steps: a trained student learns to draw in 1 to 8 steps, by a teacher and a judge.

`adversarial` is SnapGen's and LADD's form (arXiv 2412.09619, §3.4; 2403.12015): heads on features
of the frozen teacher tell re-noised pictures of the student from real ones. `distribution-matching`
is DMD2's (arXiv 2405.14867): a critic learns the student's own distribution, and the difference of
its velocity and the teacher's moves the student. Both add S(task, teacher's velocity)
(:mod:`proxies.distillation.scaling`).

>>> Adversarial().times, DistributionMatching(student_steps=2).times
((1.0, 0.75, 0.5, 0.25), (1.0, 0.5))
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from proxies.objectives.distillation import SCALES, TEACHER
from proxies.setting import check, setting
from search_space.errors import WalkbenchError

if TYPE_CHECKING:
    from proxies.objectives.protocol import Loss, Setup


@dataclass(frozen=True)
class FewStep:
    """What both methods have in common."""

    teacher: str | None = setting(None, help=TEACHER, is_path=True)
    start: str | None = setting(
        None,
        help="Checkpoint of the same design that the student begins from; default: new weights.",
        is_path=True,
    )
    student_steps: int = setting(4, help="Steps that the student learns to draw in.", least=1)
    lora: int = setting(
        0, help="Rank of the updates that are learned (LoRA); 0: all weights.", least=0
    )
    scale: str = setting(
        "full", help="How the teacher's velocity is weighed.", choices=lambda: SCALES
    )
    taught: float = setting(
        1.0, help="Weight of the task's and the teacher's loss together.", least=0
    )
    teacher_steps: int = setting(
        1, help="Euler steps to the picture that give the teacher's velocity; 1: its own.", least=1
    )
    judged: float = setting(1.0, help="Weight of the judge's loss.", least=0)
    judge_steps: int = setting(1, help="Steps of the judge for one of the student.", least=1)
    judge_rate: float = setting(10.0, help="The judge's learning rate over the student's.", above=0)
    cache: str | None = setting(
        None, help="Folder that keeps the teacher's answers between runs.", is_path=True
    )

    def __post_init__(self) -> None:
        check(self)
        if not self.taught and not self.judged:
            raise WalkbenchError("taught and judged are both 0; a student needs one of them")

    @property
    def times(self) -> tuple[float, ...]:
        """The times at which the student draws, noise first."""
        return tuple(1 - i / self.student_steps for i in range(self.student_steps))

    def content(self) -> dict[str, str | None]:
        """Return the digests of teacher and start in place of where they are."""
        from proxies.distillation.load import content_of

        digests = {"teacher": content_of(self.teacher), "start": content_of(self.start)}
        return {**digests, "cache": None}

    def check_files(self) -> None:
        """Raise :class:`WalkbenchError` where the teacher or the start is not there."""
        from proxies.distillation.load import check_start, check_teacher

        check_teacher(self.teacher)
        if self.start is not None:
            check_start(self.start)


@dataclass(frozen=True)
class Adversarial(FewStep):
    """Learn few steps from heads that judge pictures by the frozen teacher's features."""

    kind: ClassVar[str] = "adversarial"
    layers: int = setting(3, help="Layers of the teacher that have a head.", least=1)
    r1: float = setting(
        1.0, help="Weight of the approximate R1: heads answer alike to a little noise.", least=0
    )
    gap_least: float = setting(
        0.1, help="The run ends where the heads' logits differ by less, real from made.", least=0
    )
    gap_most: float = setting(15.0, help="… or by more.", above=0)
    patience: int = setting(
        50, help="Steps that the gap may be outside before the run ends.", least=1
    )
    watch_from: int = setting(
        100, help="Steps in which the heads learn before the gap is watched.", least=0
    )

    def prepare(self, setup: "Setup") -> "Loss":
        """Return the loss of one run; loads the teacher and the student's first weights."""
        from proxies.distillation.adversarial import AdversarialLoss

        return AdversarialLoss(setup, self)


@dataclass(frozen=True)
class DistributionMatching(FewStep):
    """Learn few steps from the difference between the teacher and a critic of the student."""

    kind: ClassVar[str] = "distribution-matching"
    judge_steps: int = setting(5, help="Steps of the critic for one of the student.", least=1)
    judge_rate: float = setting(1.0, help="The critic's learning rate over the student's.", above=0)

    def prepare(self, setup: "Setup") -> "Loss":
        """Return the loss of one run; loads the teacher and the student's first weights."""
        from proxies.distillation.distribution import DistributionLoss

        return DistributionLoss(setup, self)
