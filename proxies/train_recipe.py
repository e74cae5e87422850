"""`RecipeConfig`: the section of `train.yaml` that says how a design learns: alone or by a teacher.

>>> RecipeConfig().objective().kind
'flow-matching'
>>> RecipeConfig(kind="distillation", teacher="t", level="output:full").objective().terms
('output',)
>>> RecipeConfig(level="output:full")
Traceback (most recent call last):
    ...
search_space.errors.WalkbenchError: level has no effect with kind flow-matching; leave it out
"""

import dataclasses
from dataclasses import dataclass

from proxies.objectives import OBJECTIVES, TrainingObjective
from proxies.setting import check, setting
from search_space.errors import WalkbenchError

KINDS = ("flow-matching", "distillation", "adversarial", "distribution-matching")


@dataclass(frozen=True)
class RecipeConfig:
    """A training method with its settings; null is the method's own default.

    Few-step methods begin with the weights of the export.
    """

    kind: str = setting("flow-matching", help="Training method.", choices=lambda: KINDS)
    teacher: str | None = setting(
        None, help="A proxy's checkpoint, an export, or a transformer of diffusers."
    )
    level: str | None = setting(None, help="Terms of the teacher and their weights: both:full.")
    weight: float | None = setting(None, help="Of these terms, where no ratio balances.", above=0)
    teacher_layer: str | None = setting(None, help="Of the features; the last transformer's.")
    student_layer: str | None = setting(None, help="The student's, likewise.")
    student_steps: int | None = setting(None, help="Few steps: how many are learned.", least=1)
    lora: int | None = setting(None, help="Few steps: rank of updates; 0: all weights.", least=0)
    scale: str | None = setting(None, help="Few steps: how the teacher's velocity is weighed.")
    teacher_steps: int | None = setting(None, help="Few steps: of the teacher's answer.", least=1)
    judged: float | None = setting(None, help="Few steps: weight of the judge.", least=0)
    judge_steps: int | None = setting(None, help="Few steps: the judge's for one.", least=1)
    judge_rate: float | None = setting(None, help="Few steps: the judge's rate over it.", above=0)
    cache: str | None = setting(None, help="Folder that keeps the teacher's answers.")

    def __post_init__(self) -> None:
        check(self)
        self.objective()

    def objective(self) -> TrainingObjective:
        """Return the training method; raises :class:`WalkbenchError` for a key it lacks."""
        method = OBJECTIVES.get(self.kind)
        own = {one.name for one in dataclasses.fields(method)}  # type: ignore[arg-type]
        given = dataclasses.asdict(self)
        del given["kind"]
        said = {name: value for name, value in given.items() if value is not None}
        for name in said:
            if name not in own:
                raise WalkbenchError(f"{name} has no effect with kind {self.kind}; leave it out")
        return method(**said)
