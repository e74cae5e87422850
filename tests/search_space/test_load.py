"""What may be typed wherever a spec is wanted, and what a mistake is answered with."""

from pathlib import Path

import pytest

from search_space.errors import WalkbenchError
from search_space.load import load_spec
from search_space.presets import named_spec


def test_a_name_is_a_named_spec() -> None:
    assert load_spec("F/mqa") is named_spec("F/mqa")


@pytest.mark.parametrize("name", ["spec.json", "spec", "spec.txt"])
def test_any_readable_file_is_read(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(named_spec("sd15").to_json(indent=2))
    assert load_spec(str(tmp_path / name)) == named_spec("sd15")


def test_a_file_with_a_byte_order_mark_is_read(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_text(named_spec("sd15").to_json(), encoding="utf-8-sig")
    assert load_spec(str(path)) == named_spec("sd15")


def test_an_unknown_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(WalkbenchError, match="unknown spec 'snapgen-t2'; did you mean 'snapgen-t"):
        load_spec("snapgen-t2")


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(WalkbenchError, match=r"'nowhere\.json': No such file .*; name a readable"):
        load_spec("nowhere.json")


def test_a_folder_is_no_spec(tmp_path: Path) -> None:
    folder = tmp_path / "spec.json"
    folder.mkdir()
    with pytest.raises(WalkbenchError, match=r"Is a directory; name a readable JSON file"):
        load_spec(str(folder))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "spec.json"
    path.write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(WalkbenchError, match=r"is not text; name a readable JSON file"):
        load_spec(str(path))


@pytest.mark.parametrize("content", ["", "not json", "[]", '{"stages": []}'])
def test_a_file_that_holds_no_spec_is_named_with_the_reason(tmp_path: Path, content: str) -> None:
    path = tmp_path / "spec.json"
    path.write_text(content)
    with pytest.raises(WalkbenchError, match=r"spec\.json: "):
        load_spec(str(path))


@pytest.mark.parametrize("text", ["", "{" * 5000, "a\0b", '{"stages": []}'])
def test_text_that_can_be_neither_name_nor_path_is_refused(text: str) -> None:
    with pytest.raises(WalkbenchError, match=r"unknown spec|spec file"):
        load_spec(text)
