"""A spec is a value: equal, hashed and named alike wherever it has been."""

import dataclasses
import json
import subprocess
import sys
from multiprocessing import get_context
from typing import Any

import pytest
from hypothesis import given

from search_space.errors import SpecError
from search_space.presets import all_named, named_spec
from search_space.spec import Conditions, Context, Mid, Path, Site, Stage, UNetSpec
from tests.search_space.strategies import specs


def edited(name: str = "sdxl", **changes: Any) -> dict[str, Any]:
    return {**named_spec(name).to_dict(), **changes}


@pytest.mark.parametrize("name", all_named())
def test_named_specs_survive_json(name: str) -> None:
    spec = named_spec(name)
    assert UNetSpec.from_json(spec.to_json()) == spec
    assert UNetSpec.from_json(spec.to_json(indent=2)).digest() == spec.digest()


@given(specs())
def test_any_spec_survives_json_with_its_digest_and_hash(spec: UNetSpec) -> None:
    back = UNetSpec.from_json(spec.to_json())
    assert back == spec
    assert hash(back) == hash(spec)
    assert back.digest() == spec.digest()


@given(specs(), specs())
def test_digests_are_equal_exactly_when_specs_are(one: UNetSpec, other: UNetSpec) -> None:
    assert (one.digest() == other.digest()) == (one == other)


def test_fields_may_come_in_any_order_and_defaults_may_be_left_out() -> None:
    spec = named_spec("sd15")
    fields = dict(reversed(spec.to_dict().items()))
    assert UNetSpec.from_dict(fields).digest() == spec.digest()
    del fields["rope"], fields["format"]
    assert UNetSpec.from_dict(fields) == spec


def test_whole_numbers_and_floats_name_the_same_network() -> None:
    path = Path((Site(1),), cross_attention=True)

    def spec(ratio: float) -> UNetSpec:
        stage = Stage(32, 4, 8, path, path, kv_heads=1, ff_ratio=ratio)
        return UNetSpec((stage,), None, time_width=64, norm_eps=1)

    assert spec(3) == spec(3.0)
    assert spec(3).digest() == spec(3.0).digest()
    assert spec(3).to_json() == spec(3.0).to_json()


def _describe(spec: UNetSpec) -> tuple[UNetSpec, bool, str]:
    twin = UNetSpec.from_json(spec.to_json())
    return spec, hash(spec) == hash(twin) and spec in {twin}, spec.digest()


def test_pickled_specs_keep_equality_and_hash_in_another_process() -> None:
    names = ["sdxl", "snapgen-t2i", "M/mqa"]
    given = [named_spec(name) for name in names]
    for spec in given:
        hash(spec), spec.digest()  # both are remembered, and only one may travel
    with get_context("spawn").Pool(1) as pool:
        for spec, (back, found, digest) in zip(given, pool.map(_describe, given), strict=True):
            assert back == spec
            assert found
            assert digest == spec.digest()


def test_digests_do_not_depend_on_the_process() -> None:
    code = "from search_space.presets import named_spec; print(named_spec('sd21').digest())"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True,
        env={"PYTHONHASHSEED": "7", "PYTHONPATH": "."},
    )  # fmt: skip
    assert done.stdout.strip() == named_spec("sd21").digest()


def test_specs_need_no_torch() -> None:
    code = "import sys, search_space.presets as p; p.all_named(); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_a_changed_copy_is_validated() -> None:
    spec = named_spec("sd15")
    assert spec.replace(latent_size=32).latent_size == 32
    with pytest.raises(SpecError, match="latent_size 30 is not a multiple of 8"):
        spec.replace(latent_size=30)


@pytest.mark.parametrize(
    ("context", "width"),
    [(Context(768), 768), (Context(2304, 77, "linear", 2048), 2048)],
)
def test_context_knows_the_width_it_is_given(context: Context, width: int) -> None:
    assert context.given_width == width


def test_added_width_counts_every_size_number() -> None:
    assert Conditions(1280, 6, 256).added_width == 2816  # SDXL's add_embedding
    assert Conditions().added_width == 0


def test_the_last_stage_has_a_transformer_when_only_the_mid_does() -> None:
    path = Path((Site(),))
    stage = Stage(32, 4, 8, path, path, kv_heads=4)
    spec = UNetSpec((stage, stage), Mid(1), time_width=64)
    assert [spec.has_transformer(i) for i in (0, 1)] == [False, True]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "spec is not JSON: Expecting value at line 1, column 1"),
        ('{"stages": [', "spec is not JSON: .* at line 1"),
        ("[" * 100_000, "spec is not JSON: it is nested too deeply"),
        ("[]", "a spec is a JSON object, got list"),
        ("null", "a spec is a JSON object, got NoneType"),
        ("{}", "spec.stages is missing"),
    ],
)
def test_text_that_is_no_spec_is_told_what_is_wrong(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        UNetSpec.from_json(text)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "spec format 99 is not known; this version reads 1"),
        ({"colour": 1}, r"spec has no field 'colour'; fields: stages, mid"),
        ({"latent_size": "64"}, "spec.latent_size is '64'; int is needed"),
        ({"latent_size": 64.0}, "spec.latent_size is 64.0; int is needed"),
        ({"latent_size": True}, "spec.latent_size is True; int is needed"),
        ({"rope": 1}, "spec.rope is 1; bool is needed"),
        ({"norm_eps": "tiny"}, "spec.norm_eps is 'tiny'; float is needed"),
        ({"sampler": "fancy"}, "spec.sampler is 'fancy'; allowed: dense, separable, none"),
        ({"sampler": ["dense"]}, r"spec.sampler is \['dense'\]; allowed: dense"),
        ({"stages": 3}, "spec.stages is 3; a list is needed"),
        ({"stages": [3]}, r"spec.stages\[0\] is 3; an object is needed"),
        ({"stages": [{}]}, r"spec.stages\[0\].channels is missing"),
        ({"mid": []}, r"spec.mid is \[\]; an object is needed"),
        ({"mid": {"deep": 1}}, "spec.mid has no field 'deep'; fields: depth"),
        ({"context": None}, "spec.context is None; an object is needed"),
    ],
)
def test_a_wrong_field_is_named_with_what_is_allowed(changes: Any, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        UNetSpec.from_dict(edited(**changes))


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
@pytest.mark.parametrize("field", ['"norm_eps": ', '"expansion": ', '"ff_ratio": '])
def test_numbers_that_are_not_finite_are_refused(field: str, number: str) -> None:
    text = named_spec("dreamlite").to_json()
    start = text.index(field) + len(field)
    end = min(i for i in (text.find(",", start), text.find("}", start)) if i > 0)
    with pytest.raises(SpecError, match=r"a positive number is needed|at most 65536"):
        UNetSpec.from_json(text[:start] + number + text[end:])


def test_a_null_mid_is_no_mid() -> None:
    fields = json.loads(named_spec("M/thin").to_json())
    fields["mid"] = None
    stage = fields["stages"][-1]
    assert UNetSpec.from_dict(fields).mid is None
    assert stage["channels"] == 896


def test_plain_dict_is_asdict_for_every_named_spec():
    for spec in all_named().values():
        assert spec.to_dict() == {"format": 1, **dataclasses.asdict(spec)}
        copy = spec.to_dict()
        copy["stages"][0]["conv"]["kind"] = "changed"
        assert spec.to_dict() != copy  # nothing is shared with the spec
