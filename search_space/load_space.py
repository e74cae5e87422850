"""`load_space(name_or_path)`: a shipped space or a TOML file, of networks or of whole pictures.

>>> load_space("picture").base.kind, load_space("snapgen").base.kind
('picture', 'unet')
"""

from importlib.resources import files
from pathlib import Path

from search_space.errors import raise_unknown
from search_space.picture_space import PictureSpace, parsed
from search_space.space import SearchSpace, shipped_spaces

FOLDER = "picture_spaces"


def shipped_picture_spaces() -> list[str]:
    """Return the names of the spaces of whole pictures that come with Walkbench."""
    folder = files("search_space") / FOLDER
    return sorted(
        p.name.removesuffix(".toml") for p in folder.iterdir() if p.name.endswith(".toml")
    )


def load_space(name_or_path: str | Path) -> SearchSpace | PictureSpace:
    """Read a shipped space by name, or a TOML file, of networks or of whole pictures.

    Raises :class:`WalkbenchError` as :meth:`SearchSpace.load` does.
    """
    name, path = str(name_or_path), Path(name_or_path)
    if name in shipped_picture_spaces():
        text = (files("search_space") / FOLDER / f"{name}.toml").read_text("utf-8")
        return PictureSpace.from_toml(text, name)
    if name not in shipped_spaces() and path.is_file():
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return SearchSpace.load(name_or_path)  # which says what is wrong
        if isinstance(parsed(text, name).get("picture"), dict):
            return PictureSpace.from_toml(text, name, path.parent)
    elif path.suffix != ".toml" and name not in shipped_spaces():
        raise_unknown("space", name, [*shipped_spaces(), *shipped_picture_spaces()])
    return SearchSpace.load(name_or_path)
