"""Training methods as axes: of a study, of an ablation, of the walk."""

import json

import pytest
from typer.testing import CliRunner

from proxies.objectives import Adversarial, Distillation, FlowMatching, StageWise
from proxies.testing import tiny_network
from proxies.trainer import check_ready
from search_space.errors import WalkbenchError
from studies.ablation import BASE, LEVELS, by_recipe
from studies.cli.main import app
from studies.training_walk import STEPS, published_training, training_rows
from tests.proxies.distillation.teachers import checkpoint, run_by
from tests.studies.fakes import make_config

PROXY = "[proxy]\nsteps = 2\nwidth = 8\n"


def test_a_study_names_a_training_method_with_a_teacher_beside_its_config(tmp_path):
    (tmp_path / "teacher.safetensors").write_bytes(b"")
    recipe = '[recipe]\nkind = "distillation"\nteacher = "teacher.safetensors"\n'
    config = make_config(tmp_path, proxy=f'{PROXY}{recipe}level = "output:full"')
    beside = str(tmp_path / "teacher.safetensors")
    assert config.proxy.recipe.objective == Distillation(beside, level="output:full")
    inline = f'{PROXY}objective = {{kind = "distillation", teacher = "teacher.safetensors"}}'
    assert make_config(tmp_path, proxy=inline).proxy.recipe.objective == Distillation(beside)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ('kind = "distilation"', r"\[recipe\] unknown objective 'distilation'; did you mean 'dist"),
        (
            'kind = "distillation"\nlevel = "all"',
            r"\[recipe\] level is 'all'; one of none, output:",
        ),
        ('kind = "adversarial"\nsteps = 4', r"\[recipe\] has no key 'steps'; it has kind, teacher"),
        ('level = "none"', r"\[recipe\] kind is missing"),
    ],
)
def test_a_recipe_is_read_strictly(tmp_path, recipe, said):
    with pytest.raises(WalkbenchError, match=said):
        make_config(tmp_path, proxy=f"{PROXY}[recipe]\n{recipe}")


def test_a_recipe_is_named_once_and_only_where_something_is_trained(tmp_path):
    recipe = '[recipe]\nkind = "flow-matching"'
    with pytest.raises(WalkbenchError, match=r"\[recipe\] and \[proxy\] objective both name a tra"):
        make_config(tmp_path, proxy=f'{PROXY}objective = "flow-matching"\n{recipe}')
    with pytest.raises(WalkbenchError, match=r"\[recipe\] has no effect without an objective that"):
        make_config(tmp_path, proxy=recipe, objectives=("latency_ms",))


@pytest.mark.parametrize(
    ("objective", "said"),
    [
        (Distillation("gone"), "teacher 'gone' does not exist; name a checkpoint"),
        (Distillation(), "distillation needs a teacher; name a checkpoint"),
        (StageWise("gone"), "teacher 'gone' does not exist"),
        (Adversarial(__file__, start="gone"), "start 'gone' does not exist; name a checkpoint"),
    ],
)
def test_a_file_that_is_not_there_is_an_error_before_anything_is_trained(objective, said):
    settings = run_by(objective).settings
    with pytest.raises(WalkbenchError, match=said):
        check_ready(settings)


def test_recipes_are_ablated_around_one_design():
    found = by_recipe(tiny_network(), Distillation("teacher", weight=2.0))
    assert set(found.designs.values()) == {tiny_network()}
    assert found.objectives[BASE] == FlowMatching()
    assert found.objectives["+ timestep-aware scaling"] == Distillation("teacher", weight=2.0)
    assert [(change.before, change.after) for change in found.changes] == [
        (before, label) for label, (before, _) in LEVELS.items()
    ]


def test_the_command_ablates_the_recipe_with_the_teacher_that_it_is_given(tmp_path):
    spec = tmp_path / "tiny.json"
    spec.write_text(tiny_network().to_json())
    own = f'{{kind = "distillation", teacher = "{checkpoint(tmp_path)}"}}'
    command = ["ablate", "--around", str(spec), "--factors", "recipe"]
    small = ["--steps", "1", "--batch", "2", "--train-images", "8", "--validation-images", "4"]
    twin = ["--latent", "16", "--width", "8", "--seeds", "2", "--format", "json"]
    result = CliRunner().invoke(app, [*command, *small, *twin, "--objective", own])
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    assert [row["change"] for row in rows] == list(LEVELS)
    assert all(row["params_delta"] == 0 and row["loss_delta"] is not None for row in rows)
    for words, said in (
        ([*command, *small], "the factor recipe needs a teacher: --objective"),
        (command, "--factors recipe is about training; add --steps or --seconds"),
    ):
        result = CliRunner().invoke(app, words)
        assert result.exit_code == 2 and said in " ".join(result.stderr.split())


def test_the_second_leg_has_the_published_figures_beside_ours():
    rows = {row["step"]: row for row in training_rows()}
    assert list(rows) == list(STEPS)
    geneval = {
        step: row["published"]["geneval"]["value"] for step, row in rows.items() if row["published"]
    }
    assert geneval == {"+ timestep-aware scaling": 0.66, "8 steps": 0.63, "4 steps": 0.61}
    scaling = rows["+ timestep-aware scaling"]["published"]
    assert (scaling["geneval_delta"]["value"], scaling["dpg_delta"]["value"]) == (0.082, 0.063)
    assert rows["+ output KD"]["published"] is None
    figures = [f for step in published_training().values() for f in step.values()]
    assert all(f["confidence"] == "stated" and "2412.09619" in f["source"] for f in figures)


def test_the_command_shows_the_second_leg():
    result = CliRunner().invoke(app, ["walk", "--leg", "training"])
    assert result.exit_code == 0 and "0.66" in result.stdout and "+8.2 %" in result.stdout
    rows = json.loads(
        CliRunner().invoke(app, ["walk", "--leg", "training", "--format", "json"]).stdout
    )
    assert rows == json.loads(json.dumps(training_rows()))
    result = CliRunner().invoke(app, ["walk", "--leg", "training", "--family", "M"])
    assert result.exit_code == 2 and "--leg training has no" in result.stderr
