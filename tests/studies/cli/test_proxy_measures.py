import json

import pytest
from typer.testing import CliRunner

from proxies.score import Fidelity, Score
from proxies.score_parts import Composition, Distance, Extrapolated
from studies.cli.main import app
from studies.cli.output import Format
from studies.cli.proxy_table import show_score
from tests.proxies.small import small_spec


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(small_spec().to_json())
    return str(path)


@pytest.fixture
def short_drawing(monkeypatch):
    """Drawing is most of the time of these tests; one Euler step draws as well as many."""
    from proxies.samples import STEPS, draw_samples

    defaults = tuple(1 if value == STEPS else value for value in draw_samples.__defaults__)
    monkeypatch.setattr("proxies.samples.draw_samples.__defaults__", defaults)


def invoke(*args):
    return CliRunner().invoke(app, ["proxy", "run", *args])


def score_of(result):
    data = json.loads(result.stdout)
    return Score.from_dict({k: v for k, v in data.items() if k not in ("spec", "digest")})


@pytest.mark.slow
def test_a_run_carries_composition_distances_and_a_longer_run(
    spec, tmp_path, short_drawing, monkeypatch
):
    # 30 steps do not leave the first plateau; that such runs are refused is tested below
    monkeypatch.setattr("proxies.extrapolation.PLATEAU", 1.0)
    everything = ("--composition", "--distances", "--draw", "256", "--extrapolate", "100")
    grid = str(tmp_path / "grid.png")
    result = invoke(spec, "--steps", "30", *everything, "--samples", grid, "--format", "json")
    assert result.exit_code == 0, result.stderr
    score = score_of(result)
    assert score.composition.n == 256
    assert [d.space for d in score.distances] == ["random-conv", "attributes"]
    assert all(d.frechet > d.real_frechet and d.n == 256 for d in score.distances)
    assert score.extrapolated.low <= score.extrapolated.value <= score.extrapolated.high
    assert (score.extrapolated.at_steps, len(score.curve)) == (100, 7)
    assert (tmp_path / "grid.png").stat().st_size > 500
    assert "only 256 pictures" in result.stderr


@pytest.mark.slow
def test_composition_is_of_the_prompts_that_were_asked_for(spec, short_drawing):
    words = ("--steps", "2", "--composition", "--draw", "8", "--format", "json")
    found = {
        split: score_of(invoke(spec, *words, *(["--split", split] if split else []))).composition
        for split in (None, "pairs", "counts")
    }
    assert [c.split for c in found.values()] == ["validation", "pairs", "counts"]
    assert set(found["counts"].by_task) == {"count"}
    assert found["pairs"].by_task.keys() <= {"color", "attribution"}


def test_the_table_tells_what_was_measured_from_what_is_expected_and_from_real(capsys):
    run = Fidelity(steps=10, seconds=1.0, width=16, latent=24, batch=16, seed=0)
    score = Score.of_losses(
        [0.5, 0.4],
        run,
        composition=Composition(256, 0.1, 0.25, 0.5, None, 0.4, 0.5, {"two": 0.1}, 11.0, 0.7),
        distances=(Distance("random-conv", "0f", 112, 256, 1.5, 0.25, 0.125, -0.0625),),
        extrapolated=Extrapolated(0.2, 0.1, 0.3, 1000, 8),
    )
    show_score("small", "00", score, Format.table)
    shown = capsys.readouterr().out
    for words in (
        "expected after 1,000 steps",
        "≈ 0.2000 (80 %: 0.1000 … 0.3000), from 8 points",
        "strict 0.10  loose 0.25",
        "shapes 0.50  color 0.40  position 0.50",
        "Fréchet in random-conv 0f, 256 pictures",
        "1.500 (real against real 0.125)",
        "0.2500 (real against real -0.0625)",
    ):
        assert words in shown
    assert "FID" not in shown


def test_what_was_not_asked_for_is_not_there(spec):
    score = score_of(invoke(spec, "--steps", "2", "--format", "json"))
    assert (score.composition, score.distances, score.extrapolated) == (None, (), None)
    assert score.curve == ()


@pytest.mark.slow
def test_too_short_a_run_costs_the_prediction_and_not_the_score(spec):
    result = invoke(spec, "--steps", "3", "--extrapolate", "100", "--format", "json")
    assert result.exit_code == 1
    assert score_of(result).ok and score_of(result).extrapolated is None
    assert "the score is without a longer run's loss: the loss is still" in result.stderr


def test_what_fails_after_training_costs_no_score_and_nothing_measured_before(
    spec, tmp_path, short_drawing, monkeypatch
):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("proxies.samples.save_grid", full)
    words = ("--steps", "2", "--samples", str(tmp_path / "a.png"), "--composition", "--draw", "4")
    result = invoke(spec, *words, "--format", "json")
    assert result.exit_code == 1
    assert score_of(result).ok and score_of(result).composition.n == 32  # those of the grid
    assert "the score is without a grid of samples" in result.stderr
    assert "No space left" in result.stderr


def test_a_run_that_is_refused_leaves_no_file(spec, tmp_path):
    grid = tmp_path / "grid.png"
    assert invoke(spec, "--samples", str(grid), "--draw", "9").exit_code == 2
    assert not grid.exists()


@pytest.mark.slow
def test_a_loss_worse_than_none_on_the_way_is_null_in_json(spec, monkeypatch):
    monkeypatch.setattr("proxies.trainer.WORTHLESS", 0.0)
    words = ("--steps", "12", "--extrapolate", "100", "--format", "json")
    result = invoke(spec, *words)
    assert result.exit_code == 1
    data = json.loads(result.stdout)
    assert data["failed"].startswith("validation loss is")
    assert {loss for *_, loss in data["curve"]} == {None}


def test_an_interruption_while_drawing_keeps_the_score(spec, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("proxies.samples.draw_samples", interrupt)
    result = invoke(spec, "--steps", "2", "--composition", "--format", "json")
    assert result.exit_code == 130
    assert score_of(result).ok and score_of(result).composition is None
    assert "the score is without pictures" in result.stderr


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["--composition", "--data", "digits"], "--composition draws shapes"),
        (["--distances", "--images", "."], "--distances draws shapes"),
        (["--composition", "--distances", "--data", "crowd"], "--distances draws shapes"),
        (["--composition", "--data", "crowd"], "24 pixels are too small for 'crowd'"),
        (["--distances", "--draw", "99"], "99 pictures are too few"),
        (["--composition", "--draw", "0"], "--draw is 0; a positive number"),
        (["--composition", "--split", "pair"], "did you mean 'pairs'"),
        (["--composition", "--distances", "--split", "pairs"], "--split is for --composition"),
        (["--draw", "300"], "--draw is for --composition and --distances"),
        (["--steps", "50", "--extrapolate", "50"], "--extrapolate is 50; it must be more"),
    ],
)
def test_what_could_not_be_measured_is_refused_before_training(spec, args, message):
    result = invoke(spec, *args)
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and message in lines[0]
