"""The documentation agrees with the program, and the site's references are complete."""

import importlib
import importlib.util
import re
import shlex
import tomllib
from functools import reduce
from pathlib import Path
from types import SimpleNamespace

import pytest
import typer

import walkbench
from studies.cli.main import app
from studies.config import load_config
from studies.settings import keys_of

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = typer.main.get_command(app)
TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")


def hook(name):
    """A hook of the site as a module."""
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / "hooks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def printed_commands(text):
    """Every `walkbench …` line of an indented block, as words; schematic ones left out."""
    joined = re.sub(r"\\\n\s*", " ", text)
    for line in re.findall(r"^ {4}(?:\w+=\S+ )*(walkbench .*)$", joined, re.MULTILINE):
        if not re.search(r"[\[…|]", line.split("#")[0]):
            yield shlex.split(line, comments=True)[1:]


def all_commands(command=COMMAND, name="walkbench"):
    for sub, one in command.commands.items():
        yield from (
            all_commands(one, f"{name} {sub}")
            if hasattr(one, "commands")
            else [(f"{name} {sub}", one)]
        )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_prints_exists_with_its_options(page):
    for words in printed_commands(page.read_text(encoding="utf-8")):
        command, rest = COMMAND, list(words)
        while hasattr(command, "commands"):
            assert rest and rest[0] in command.commands, f"{page.name}: walkbench {words}"
            command = command.commands[rest.pop(0)]
        known = {option for param in command.params for option in param.opts + param.secondary_opts}
        given = {word.split("=")[0] for word in rest if word.startswith("--")}
        assert given <= known | {"--help"}, f"{page.name}: walkbench {' '.join(words)}"


def resolves(name):
    """Whether a dotted name is a module, or something in one."""
    for cut in range(name.count(".") + 1):
        module, *rest = name.rsplit(".", cut)
        try:
            found = importlib.import_module(module)
        except ModuleNotFoundError:
            continue
        return reduce(lambda at, one: getattr(at, one, None), rest, found) is not None
    return False


def test_every_name_and_path_of_the_recipes_exists():
    recipes = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").split("## Adding things")[1]
    quoted = [q.split("(")[0] for q in re.findall(r"`([^`]+)`", recipes.split("## Moving")[0])]
    packages = "search_space|latency_db|proxies|studies|dashboard"
    names = {q for q in quoted if re.fullmatch(rf"({packages})(\.\w+)+", q) and q[-3:] != ".py"}
    paths = {q for q in quoted if re.fullmatch(rf"({packages}|tests)/[\w/.]*", q)}
    assert len(names) > 20 and len(paths) > 15
    assert [name for name in sorted(names) if not resolves(name)] == []
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []


def test_the_reference_of_commands_has_every_command_and_option():
    page = hook("commands").page()
    for name, command in all_commands():
        assert f"# {name}\n" in page
        options = [param.opts[0] for param in command.params if param.opts[0].startswith("--")]
        assert [option for option in options if option not in page] == []


def test_the_reference_of_config_keys_has_every_key_with_its_help():
    from proxies.training_run import TrainingSettings

    page = hook("config_keys").page()
    for key in keys_of(TrainingSettings):
        assert re.search(rf"^\| `{key.name}` \|.*{re.escape(key.help)} \|$", page, re.MULTILINE)


def test_the_reference_of_the_api_has_every_public_name():
    page = hook("python_api").page()
    for name in walkbench.__all__:
        assert f"::: {walkbench._MODULE_OF[name]}.{name}\n" in page


def test_docstrings_become_markdown():
    rewrite = hook("docstrings").as_markdown
    assert rewrite("Raises :class:`~a.B`.") == "Raises `a.B`."
    assert rewrite("One.\n\n>>> 1\n1\n\nTwo.") == "One.\n\n```pycon\n>>> 1\n1\n```\n\nTwo."


def test_a_dead_link_out_of_the_pages_is_a_warning_and_a_live_one_is_copied(tmp_path, caplog):
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files

    config = MkDocsConfig()
    config.load_dict({"site_name": "x", "docs_dir": str(tmp_path), "site_dir": str(tmp_path / "s")})
    config["plugins"] = SimpleNamespace(_current_plugin="repository")
    page = SimpleNamespace(file=SimpleNamespace(src_uri="studies.md"))
    links, files = hook("repository").on_page_markdown, Files([])
    text = "[a](../CITATION.cff) [b](../studies/greybox)"
    assert links(text, page, config, files) == "[a](repository/CITATION.cff) b"
    assert files.get_file_from_path("repository/CITATION.cff") is not None
    assert not caplog.records
    assert links("[c](../nowhere.json)", page, config, files) == "[c](../nowhere.json)"
    assert "links to '../nowhere.json', which is not in the repository" in caplog.text


def test_the_space_and_the_study_of_the_tutorial_are_read(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    base = ROOT / "benchmarks" / "slice" / "base.json"
    (tmp_path / "mine" / "base.json").write_bytes(base.read_bytes())
    space, study = re.findall(r"```toml\n(.*?)```", TUTORIAL, re.DOTALL)
    assert tomllib.loads(space)["name"] == "mine"
    (tmp_path / "mine" / "space.toml").write_text(space)
    (tmp_path / "mine" / "study.toml").write_text(study)
    config = load_config("mine/study.toml")
    assert [one.name for one in config.enqueue] == ["base.json"] and not config.left_out
    assert config.space.size() > 50
