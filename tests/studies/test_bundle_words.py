"""A bundle that is trained further keeps its text encoder."""

import dataclasses

import pytest
import torch

from proxies.bundle_training import words
from search_space.errors import WalkbenchError
from studies.bundle_training import prepare
from studies.export import export
from studies.export_design import Exportable
from tests.proxies.bundle_runs import RECIPE, alone, tiny_pixels


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("words")
    export(Exportable(tiny_pixels()), folder / "exported")
    run = prepare(folder / "exported", "shapes", folder / "run", short(2), alone())
    run.trainer.train()
    return run.write(folder / "bundle"), run


def short(steps: int):
    return dataclasses.replace(RECIPE, run=dataclasses.replace(RECIPE.run, steps=steps))


def test_a_second_training_starts_from_the_words_of_the_first(trained, tmp_path):
    bundle, first = trained
    again = prepare(bundle, "shapes", tmp_path / "run", short(1), alone())
    assert again.trainer.task.data.book == first.trainer.task.data.book
    averages = first.trainer.averages()
    for name, weights in again.trainer.learner.words.state_dict().items():
        assert torch.equal(weights, averages[f"words.{name}"])


def test_words_that_are_new_are_added_behind_those_that_are_known(trained, tmp_path):
    bundle, first = trained
    again = prepare(bundle, "digits", tmp_path / "run", short(1), alone())
    known = len(first.trainer.task.data.book)
    assert again.trainer.task.data.book[:known] == first.trainer.task.data.book
    assert len(again.trainer.task.data.book) > known
    averages = first.trainer.averages()["words.words.weight"]
    assert torch.equal(again.trainer.learner.words.words.weight[:known].detach(), averages)


def test_a_tokenizer_of_another_training_is_refused(trained, tmp_path):
    import shutil

    shutil.copytree(trained[0] / "text_encoder", tmp_path / "text_encoder")
    words.save_tokenizer(tmp_path / "tokenizer", ("<pad>", "<unk>", "a"), 12)
    with pytest.raises(WalkbenchError, match="and its tokenizer 3"):
        words.read_words(tmp_path)
