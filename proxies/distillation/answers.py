"""`Answers`: what a teacher says of the draws of a run, kept on disk where a folder is given.

Runs of one seed draw the same pictures, noise and times, whatever they train: with a folder, the
teacher answers each draw once for all of them. An answer is found by the draw's own bytes and the
teacher's weights, so a folder may serve many runs, and a stopped one goes on.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from proxies.distillation.teacher import Lesson, Teacher
from proxies.draw import Draw
from proxies.flow_matching import interpolate
from search_space.atomic import atomic_write
from search_space.errors import WalkbenchError
from search_space.modules.moments import over

BATCH = 32  # samples that the teacher sees at once


@dataclass(frozen=True)
class Answers:
    """Asks ``teacher`` for the velocity and the features of ``layers``, on ``device``.

    With ``steps`` above 1 the velocity is the mean one of that many Euler steps to the picture.
    """

    teacher: Teacher
    layers: tuple[str, ...]
    device: torch.device
    folder: Path | None = None
    steps: int = 1

    def __call__(self, draw: Draw) -> Lesson:
        """Return the answer for a draw on the CPU, on the CPU.

        Raises :class:`WalkbenchError` for an answer that is not finite and a folder that cannot be
        written.
        """
        x_t = interpolate(draw.x0, draw.noise, draw.t)
        path = None if self.folder is None else self._path(self.folder, x_t, draw)
        found = None if path is None else self._kept(path)
        if found is None:
            found = self._asked(x_t, draw)
            if path is not None:
                self._keep(path, found)
        return found

    def _asked(self, x_t: Tensor, draw: Draw) -> Lesson:
        parts = []
        for start in range(0, len(draw), BATCH):
            window = slice(start, start + BATCH)
            given = (x[window].to(self.device) for x in (x_t, draw.t, draw.text, draw.labels))
            with torch.no_grad():
                parts.append(self._lesson(*given))
        velocity = torch.cat([part.velocity.cpu() for part in parts])
        features = {
            layer: torch.cat([part.features[layer].float().cpu() for part in parts])
            for layer in self.layers
        }
        for said in (velocity, *features.values()):
            good = said.flatten(1).isfinite().all(dim=1)
            if not good.all():
                t = draw.t[~good][0].item()
                raise WalkbenchError(
                    f"teacher {self.teacher.name!r} answers with values that are not finite at "
                    f"t = {t:.3g}; its weights are damaged or it was trained otherwise"
                )
        return Lesson(velocity, features)

    def _lesson(self, x_t: Tensor, t: Tensor, text: Tensor, labels: Tensor) -> Lesson:
        first = self.teacher(x_t, t, text, labels, self.layers)
        if self.steps == 1:
            return first
        x, step, velocity = x_t, t / self.steps, first.velocity
        for i in range(self.steps):
            if i:
                velocity = self.teacher(x, t - i * step, text, labels).velocity
            x = x - over(step, x) * velocity
        return Lesson((x_t - x) / over(t, x).clamp(min=1e-4), first.features)

    def _path(self, folder: Path, x_t: Tensor, draw: Draw) -> Path:
        total = hashlib.sha256(repr((self.layers, self.steps)).encode())
        for tensor in (x_t, draw.t, draw.text, draw.labels):
            total.update(tensor.contiguous().numpy().tobytes())
        name = total.hexdigest()[:24]
        return folder / self.teacher.digest[:24] / name[:2] / f"{name}.safetensors"

    def _kept(self, path: Path) -> Lesson | None:
        try:
            held = load_file(path)
        except (OSError, SafetensorError):
            return None  # not there, or cut short by a kill: it is asked again
        return Lesson(held.pop("velocity"), held)

    def _keep(self, path: Path, lesson: Lesson) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(path) as partial:
                features = {k: v.contiguous() for k, v in lesson.features.items()}
                save_file({"velocity": lesson.velocity.contiguous(), **features}, partial)
        except OSError as error:
            raise WalkbenchError(
                f"answers of the teacher cannot be kept in {str(self.folder)!r}: "
                f"{error.strerror}; make room, or leave cache out"
            ) from None
