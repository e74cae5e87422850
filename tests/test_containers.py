"""Container, compose and workflow files agree with the package, as far as no engine is needed."""

import re
import shlex
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).parents[1]
METADATA = tomllib.loads((ROOT / "pyproject.toml").read_text())
CONTAINER = (ROOT / "Containerfile").read_text()
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text())
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "check.yaml").read_text())


def instructions(name):
    joined = CONTAINER.replace("\\\n", " ")
    return re.findall(rf"^{name} (.*)$", joined, re.MULTILINE)


def test_the_container_copies_every_package_and_what_installing_needs():
    copied = {word for line in instructions("COPY") for word in line.split()[:-1]}
    packages = {p for p in METADATA["tool"]["setuptools"]["packages"]["find"]["include"]}
    assert {p for p in packages if "." not in p} < copied
    assert copied >= {"pyproject.toml", "constraints.txt", "README.md", "LICENSE"}
    assert all((ROOT / name).exists() for name in copied)


def test_the_container_installs_extras_that_exist_and_runs_without_rights():
    (wanted,) = re.findall(r"'\.\[(.*?)\]'", CONTAINER)
    assert set(wanted.split(",")) <= METADATA["project"]["optional-dependencies"].keys()
    assert "postgres" in wanted
    assert instructions("USER") == ["walkbench"]
    assert instructions("ENTRYPOINT") == ['["walkbench"]']


def test_two_workers_wait_for_a_database_and_share_its_address_and_their_checkpoints():
    database, worker = COMPOSE["services"]["database"], COMPOSE["services"]["worker"]
    assert worker["deploy"]["replicas"] == 2
    assert worker["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert "healthcheck" in database
    user, name = (database["environment"][f"POSTGRES_{key}"] for key in ("USER", "DB"))
    address = worker["environment"]["OPTUNA_STORAGE"]
    assert re.fullmatch(rf"postgresql://{user}:\S+@database/{name}", address)
    named = {v.split(":")[0] for v in worker["volumes"] + database["volumes"] if v[0] != "."}
    assert named == set(COMPOSE["volumes"])


def test_the_database_listens_on_this_machine_alone_and_has_no_password_in_the_file():
    database = COMPOSE["services"]["database"]
    assert all(port.startswith("127.0.0.1:") for port in database["ports"])
    assert database["environment"]["POSTGRES_PASSWORD"].startswith("${WALKBENCH_PASSWORD:?")


def test_a_worker_runs_a_command_that_exists():
    import typer

    from studies.cli.main import app

    command = typer.main.get_command(app)
    group, name, config = COMPOSE["services"]["worker"]["command"]
    assert name in command.commands[group].commands and config.endswith(".toml}")


def test_the_workflow_calls_the_project_s_own_scripts_alone():
    steps = [step for job in WORKFLOW["jobs"].values() for step in job["steps"] if "run" in step]
    words = [shlex.split(step["run"]) for step in steps]
    assert [w[-1] for w in words] == [".ci/run", "docs-build", "package"]
    makefile = (ROOT / "Makefile").read_text()
    assert all(re.search(rf"^{w[-1]}:", makefile, re.M) for w in words if w[0] == "make")
