"""A dataclass becomes TOML keys and options, strictly, and by one declaration."""

import json
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
import typer
from hypothesis import given as drawn
from hypothesis import strategies as st
from typer.testing import CliRunner

from proxies.recipe import Budget
from proxies.setting import as_dict, check, from_dict, setting
from proxies.training_run import TrainingSettings
from search_space.errors import WalkbenchError
from search_space.registry import Registry
from studies.config_table import ConfigTable
from studies.settings import build, keys_of, read_table, with_settings


@dataclass(frozen=True)
class Milk:
    kind: ClassVar[str] = "milk"
    fat: float = setting(3.5, help="Percent of fat.", least=0, below=100)


@dataclass(frozen=True)
class Lemon:
    kind: ClassVar[str] = "lemon"


ADDITIONS = Registry("addition", {"milk": Milk, "lemon": Lemon})


@dataclass(frozen=True)
class Pot:
    cups: int = setting(2, help="Cups.", least=1)
    lid: bool = setting(True, help="Keep the lid on.")
    own: str | None = setting(None, key="pot", help="Path of a pot.", is_path=True)


@dataclass(frozen=True)
class Tea:
    leaf: str = setting("green", help="Leaf.", choices=lambda: ("green", "black"))
    minutes: float = setting(3.0, help="Minutes.", above=0)
    heat: tuple[int, int] = setting((70, 80), parts={"low": "Least °C.", "high": "Most °C."})
    stir: bool = setting(False, help="Stir.", absent=False)
    addition: Any = setting(Lemon(), help="Addition.", union=ADDITIONS)
    pot: Pot = field(default_factory=Pot)

    def __post_init__(self) -> None:
        check(self)


def from_toml(**data):
    table = ConfigTable("tea.toml", "tea", data)
    given = read_table(Tea, table)
    table.done()
    return build(Tea, given)


def from_command(*options):
    app, seen = typer.Typer(), []

    @app.command()
    @with_settings(Tea, rename={"leaf": "sort"})
    def brew(given: dict[str, Any]) -> None:
        seen.append(build(Tea, given))

    result = CliRunner().invoke(app, options, catch_exceptions=False)
    return seen[0] if seen else result.output


CHANGED = Tea("black", 4.0, (70, 95), True, Milk(1.5), Pot(3, False, "mine"))


def test_every_key_reaches_its_field_from_toml_and_from_options():
    toml = from_toml(
        leaf="black", minutes=4, high=95, stir=True, addition={"kind": "milk", "fat": 1.5},
        cups=3, lid=False, pot="mine",
    )  # fmt: skip
    options = from_command(
        "--sort", "black", "--minutes", "4", "--high", "95", "--stir",
        "--addition", '{kind = "milk", fat = 1.5}', "--cups", "3", "--no-lid", "--pot", "mine",
    )  # fmt: skip
    assert toml == options == CHANGED


def test_what_is_not_given_keeps_its_default():
    assert from_toml() == from_command() == Tea()
    assert from_toml(addition="milk").addition == Milk()
    assert from_command("--addition", "milk").addition == Milk()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ({"leaf": "white"}, "leaf is 'white'; one of green, black is needed"),
        ({"minutes": 0}, "minutes is 0; a positive number is needed"),
        ({"minutes": "3"}, "minutes is '3'; a positive number is needed"),
        ({"minutes": float("nan")}, "minutes is nan; a positive number"),
        ({"cups": 0}, "cups is 0; an integer of 1 or more is needed"),
        ({"cups": True}, "cups is True; an integer of 1 or more"),
        ({"cups": 1.5}, "cups is 1.5; an integer"),
        ({"stir": 1}, "stir is 1; true or false is needed"),
        ({"pot": " "}, "pot is ' '; some text is needed"),
        ({"low": "cold"}, "low is 'cold'; an integer is needed"),
        ({"addition": 3}, "addition is 3; one of milk, lemon, or a table with its kind, is needed"),
        ({"addition": "rum"}, "[tea.addition] unknown addition 'rum'; known: lemon, milk"),
        ({"addition": {"fat": 1.0}}, "[tea.addition] kind is missing"),
        ({"addition": {"kind": "milk", "fat": 100}}, "fat is 100; a number of 0 or more and below"),
        ({"addition": {"kind": "lemon", "fat": 1}}, "[tea.addition] has no key 'fat'"),
        ({"leaves": "green"}, "[tea] has no key 'leaves'; it has leaf, minutes, low, high, stir"),
    ],
)
def test_a_mistake_in_toml_names_the_value_and_what_is_needed(data, said):
    with pytest.raises(WalkbenchError) as caught:
        from_toml(**data)
    assert said in str(caught.value) and str(caught.value).startswith("tea.toml: [tea")


def test_paths_are_relative_to_the_folder_of_the_file(tmp_path):
    assert read_table(Tea, ConfigTable("", "tea", {"pot": "mine"}), tmp_path) == {
        "pot": str(tmp_path / "mine")
    }


def test_options_show_help_and_defaults():
    shown = from_command("--help")
    for text in ("--sort", "--no-lid", "Addition.", "3.0", "lemon"):
        assert text in shown


def test_all_keys_of_a_training_run_are_distinct():
    names = [key.name for key in keys_of(TrainingSettings)]
    assert len(names) == len(set(names)) and {"steps", "beta2", "torch_device"} < set(names)


def test_a_field_that_has_the_value_of_older_files_is_not_written():
    assert "stir" not in as_dict(Tea()) and as_dict(Tea(stir=True))["stir"] is True


@drawn(
    st.builds(
        Tea,
        leaf=st.sampled_from(["green", "black"]),
        minutes=st.floats(min_value=0.1, max_value=9),
        heat=st.tuples(st.integers(0, 100), st.integers(0, 100)),
        stir=st.booleans(),
        addition=st.one_of(st.just(Lemon()), st.builds(Milk, fat=st.floats(0, 99))),
    )
)
def test_settings_survive_json(tea):
    assert from_dict(Tea, json.loads(json.dumps(as_dict(tea)))) == tea


def test_the_digest_of_settings_of_version_0_1_does_not_know_newer_fields():
    settings = TrainingSettings(Budget(steps=60))
    assert set(settings.identity()["recipe"]) == {
        "batch", "learning_rate", "warm_up", "betas", "weight_decay", "clip", "by_width",
        "ema_sigma", "train_images", "validation_images",
    }  # fmt: skip
