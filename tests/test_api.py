"""The public Python API: its names, its signatures, and what importing it costs."""

import ast
import inspect
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import walkbench as wb
from walkbench.exporting import _exportable

TYPES = {
    "Cost", "DecoderSpec", "Difference", "Drawing", "Exported", "Latency", "LatencySource",
    "Network", "Score", "SearchSpace", "StudyConfig", "StudyData", "TrainingSettings",
    "TrialRecord", "UNetSpec", "WalkbenchError",
}  # fmt: skip
SIGNATURES = {
    "build": "(design)",
    "cost": "(design)",
    "cost_table": "(design)",
    "device_names": "()",
    "difference": "(a, b)",
    "draw": "(design, *, against=None, title='')",
    "export": "(design, folder, *, study=None, seed=0, dtype='fp32', device='iPhone 15 Pro', "
    "overwrite=False)",
    "front": "(study)",
    "latency": "(design, device=None, tables=())",
    "load_exported": "(folder)",
    "names": "()",
    "network": "(design)",
    "read_study": "(name, storage=None)",
    "report": "(study, path)",
    "run_study": "(config, *, trials=None, storage=None, watch=None)",
    "sample": "(where, count, seed=0)",
    "score": "(design, *, validate_at=(), **settings)",
    "source_of": "(device=None, tables=())",
    "space": "(name_or_path)",
    "study_config": "(text_or_path)",
    "study_names": "(storage=None)",
    "training_settings": "(**settings)",
    "trial_table": "(study)",
    "walk": "(family='M', device='iPhone 15 Pro')",
}


def bare(function):
    """The signature without its annotations, which mypy holds."""
    signature = inspect.signature(function)
    parameters = [p.replace(annotation=p.empty) for p in signature.parameters.values()]
    return str(signature.replace(parameters=parameters, return_annotation=signature.empty))


def test_the_public_names_are_these():
    assert set(wb.__all__) == TYPES | set(SIGNATURES)
    assert wb.__all__ == sorted(wb.__all__)
    assert set(wb.__all__) <= set(dir(wb))


@pytest.mark.parametrize("name", SIGNATURES)
def test_the_signature_of_a_function_is_this(name):
    assert bare(getattr(wb, name)) == SIGNATURES[name]


@pytest.mark.parametrize("name", wb.__all__)
def test_every_public_name_is_documented(name):
    assert (getattr(wb, name).__doc__ or "").strip()


def test_type_checkers_see_every_name_where_it_is_loaded_from():
    tree = ast.parse(Path(wb.__file__).read_text())
    (checked,) = [node for node in tree.body if isinstance(node, ast.If)]
    seen = {a.name: node.module for node in checked.body for a in node.names}
    assert seen == wb._MODULE_OF


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'price'"):
        wb.price  # noqa: B018


def test_importing_it_takes_less_than_a_tenth_of_a_second_and_loads_no_torch():
    code = (
        "import sys, time; before = time.process_time(); import walkbench; "
        "print(time.process_time() - before, 'torch' in sys.modules, 'optuna' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=Path(__file__).parents[1], capture_output=True, text=True
    )
    seconds, *loaded = done.stdout.split()
    assert float(seconds) < 0.1 and loaded == ["False", "False"], done.stderr


def test_steps_of_a_cost_table_sum_to_the_cost():
    table, cost = wb.cost_table("snapgen-t2i"), wb.cost("snapgen-t2i")
    assert (table.params.sum(), table.macs.sum()) == (cost.params, cost.macs)


def test_a_drawing_shows_itself_in_a_notebook():
    drawing = wb.draw("F/mqa", against="F/ffn-3")
    assert drawing._repr_svg_() == drawing.svg and drawing.svg.startswith("<svg")


def test_samples_lie_in_their_space_and_grow_without_changing():
    space = wb.space("pocket")
    drawn = wb.sample(space, 3, seed=1)
    assert all(network in space for network in drawn)
    assert wb.sample(space, 2, seed=1) == drawn[:2]


def test_a_score_takes_the_keys_of_a_config():
    settings = {"steps": 2, "width": 8, "latent": 8, "batch": 4, "train_images": 16}
    scored = wb.score("F/mqa", **settings, validation_images=8)
    assert scored.ok and scored.n == 8 and scored.fidelity.steps == 2
    with pytest.raises(wb.WalkbenchError, match="no key 'epochs'"):
        wb.score("F/mqa", epochs=3)


def test_a_study_reads_back_reports_and_hands_a_trial_to_the_export(tmp_path):
    text = """
        study = {name = "tiny", trials = 2, sampler = "random"}
        space = {name = "pocket"}
        objectives = {minimise = ["params", "macs"]}
    """
    study = wb.run_study(wb.study_config(text), storage=str(tmp_path / "s.db"))
    assert wb.study_names(str(tmp_path / "s.db")) == ["tiny"]
    again = wb.read_study("tiny", str(tmp_path / "s.db"))
    pd.testing.assert_frame_equal(wb.trial_table(study), wb.trial_table(again))
    best = wb.front(study)[0]
    with pytest.raises(wb.WalkbenchError, match="needs its study"):
        wb.export(best, tmp_path / "out")
    with pytest.raises(wb.WalkbenchError, match="kind decoder"):
        wb.export(next(n for n in wb.names() if wb.network(n).kind == "decoder"), tmp_path / "d")
    found = _exportable(best, study)
    assert found.spec == best.network and found.trial["number"] == best.number
    assert wb.report(study, tmp_path / "report.html").stat().st_size > 10_000
