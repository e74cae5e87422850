from importlib.resources import files

from search_space.cost import cost
from search_space.spec import UNetSpec
from studies import pareto
from studies.reading import study_data
from studies.store import open_storage, open_study

EXAMPLE = files("studies") / "example" / "example.db"


def test_the_example_study_is_a_real_run_with_provenance_and_a_front():
    study = open_study(open_storage(f"sqlite:///{EXAMPLE}"), "example")
    found = study_data(study).trials
    assert len(found) == 20 and len(pareto.front(found, study_data(study).objectives)) > 1
    for row in found:  # trained within the budgets, or priced, over budget and never trained
        assert row.state == ("COMPLETE" if row.feasible else "PRUNED")
        assert (row.score is not None) == (row.state == "COMPLETE")
    for row in found:
        spec = UNetSpec.from_dict(row.spec)
        assert spec.digest() == row.digest and cost(spec).params == row.cost.params
        assert not row.provenance["code_revision"].endswith("+changes")
    assert not any("worker" in trial.user_attrs for trial in study.get_trials(deepcopy=False))
