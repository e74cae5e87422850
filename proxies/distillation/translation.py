"""Word numbers of one data set as those of another: a teacher has read other captions' words.

>>> own, theirs = ("<pad>", "a", "red"), {"<pad>": 0, "red": 1, "a": 2}
>>> numbers("teacher", own, theirs).tolist()
[0, 2, 1]
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from proxies.data.training_data import TrainingData
from proxies.model import Learner
from search_space.errors import WalkbenchError


def book_of(data: TrainingData) -> tuple[str, ...]:
    """Return the words that numbers of ``data`` stand for; empty where they have no names."""
    found: tuple[str, ...] = getattr(data, "book", ())
    return found


def numbers(name: str, own: tuple[str, ...], theirs: Mapping[str, int]) -> Tensor:
    """Return the number that the teacher called ``name`` knows each word by, (V,).

    Words in angle brackets (padding, unknown) that it does not have are its padding. Raises
    :class:`WalkbenchError` for any other.
    """
    unknown = [word for word in own if word not in theirs and not word.startswith("<")]
    if unknown:
        raise WalkbenchError(
            f"teacher {name!r} does not know {len(unknown)} words of the data, {unknown[0]!r} for "
            "one; use a teacher that was trained on these captions"
        )
    return torch.tensor([theirs.get(word, 0) for word in own])


def translation(name: str, data: TrainingData, taught_on: TrainingData) -> Tensor | None:
    """Return the numbers of the words of ``data`` in ``taught_on``; None where they are the same.

    Raises :class:`WalkbenchError` where the two have no words or embeddings in common.
    """
    if data.text_width != taught_on.text_width:
        raise WalkbenchError(
            f"teacher {name!r} reads {_form(taught_on)} and the data have {_form(data)}; use a "
            "teacher of the same text"
        )
    own, theirs = book_of(data), book_of(taught_on)
    if data.text_width or (data.vocabulary == taught_on.vocabulary and own == theirs):
        return None
    if not own or not theirs:
        raise WalkbenchError(
            f"teacher {name!r} knows {taught_on.vocabulary} words and data {data.name!r} have "
            f"{data.vocabulary} without names; use a teacher that was trained on these captions"
        )
    return numbers(name, own, {word: i for i, word in enumerate(theirs)})


def _form(data: TrainingData) -> str:
    return f"embeddings {data.text_width} wide" if data.text_width else "word numbers"


class Translated(nn.Module):
    """A learner that reads the word numbers of other data."""

    def __init__(self, learner: Learner, table: Tensor) -> None:
        super().__init__()
        self.learner = learner
        self.register_buffer("table", table, persistent=False)

    def forward(self, x_t: Tensor, t: Tensor, text: Tensor, labels: Tensor) -> Tensor:
        """Noisy pictures, times, word numbers and labels to velocities."""
        out: Tensor = self.learner(x_t, t, self.get_buffer("table")[text], labels)
        return out
