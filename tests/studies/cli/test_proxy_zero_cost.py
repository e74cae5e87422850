import json

import pytest
from typer.testing import CliRunner

from proxies.data.digits import digits
from proxies.zero_cost import zero_cost_scores
from studies.cli.main import app
from tests.proxies.small import small_spec


@pytest.fixture
def spec(tmp_path):
    path = tmp_path / "small.json"
    path.write_text(small_spec().to_json())
    return str(path)


def invoke(*args):
    return CliRunner().invoke(app, ["proxy", "zero-cost", *args])


def test_each_design_is_a_row_with_the_scores_of_the_library(spec, tmp_path):
    deeper = str(tmp_path / "deeper.json")
    (tmp_path / "deeper.json").write_text(small_spec(2).to_json())
    options = ("--seed", "3", "--width", "8", "--batch", "4")
    result = invoke(spec, deeper, *options, "--format", "json")
    assert result.exit_code == 0, result.stderr
    rows = json.loads(result.stdout)
    assert [row["spec"] for row in rows] == [spec, deeper]
    expected = zero_cost_scores(small_spec(), width=8, batch=4, seed=3)
    assert rows[0] == {"spec": spec, "digest": small_spec().digest(), **expected}


def test_gradients_are_taken_on_the_data_that_was_asked_for(spec):
    options = ("--width", "8", "--batch", "4", "--format", "json")
    shown = {}
    for data in ("shapes", "digits"):
        result = invoke(spec, "--data", data, *options)
        assert result.exit_code == 0, result.stderr
        (shown[data],) = json.loads(result.stdout)
    expected = zero_cost_scores(small_spec(), width=8, batch=4, data=digits(24).train)
    assert shown["digits"] == {"spec": spec, "digest": small_spec().digest(), **expected}
    assert shown["shapes"]["grad_norm"] != shown["digits"]["grad_norm"]


def test_the_table_and_the_csv_name_every_score(spec):
    options = ("--width", "8", "--batch", "2")
    shown = invoke(spec, *options)
    assert shown.exit_code == 0, shown.stderr
    for name in ("grad_norm", "snip", "synflow (log)", "naswot", "jacov", "ZiCo"):
        assert name in shown.stdout
    header = invoke(spec, *options, "--format", "csv").stdout.splitlines()[0]
    assert header == "spec,digest,params,macs,grad_norm,snip,synflow,naswot,jacov,zico"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["sdxll"], "did you mean 'sdxl'"),
        (["sdxl", "--batch", "1"], "--batch is 1; 2 pictures or more"),
        (["sdxl", "--latent", "30"], "twin rule latent"),
        (["sdxl", "--width", "0"], "twin rule width"),
        (["sdxl", "--latent", "4"], "show nothing"),
        (["sdxl", "--data", "digit"], "did you mean 'digits'"),
        (["sdxl", "--data", "digits", "--images", "x"], "data and images both name data"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(args, message):
    result = invoke(*args)
    assert result.exit_code == 2, result.output
    lines = [line for line in result.stderr.splitlines() if line.startswith("error:")]
    assert len(lines) == 1 and message in lines[0]
