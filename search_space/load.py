"""`load_spec(text)`: what a user may type wherever a spec is wanted, a name or a file.

>>> load_spec("sd15").stages[0].heads
8
"""

from pathlib import Path

from search_space.errors import WalkbenchError, raise_unknown
from search_space.presets import all_named
from search_space.spec import UNetSpec


def load_spec(text: str) -> UNetSpec:
    """Return the spec with this name, or the one in this JSON file.

    Raises :class:`WalkbenchError` for a name that is not known, a file that cannot be read, and a
    spec that is malformed or contradicts itself.
    """
    named, path = all_named(), Path(text)
    if text in named:
        return named[text]
    if path.suffix != ".json" and not _is_file(path):
        raise_unknown("spec", text, named)
    try:
        content = path.read_text(encoding="utf-8-sig")  # with or without a byte order mark
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "is not text"
        raise WalkbenchError(f"spec file {text!r}: {reason}; name a readable JSON file") from None
    try:
        return UNetSpec.from_json(content)
    except WalkbenchError as error:
        raise WalkbenchError(f"{text}: {error}") from None


def _is_file(path: Path) -> bool:
    """Whether ``path`` is a file; text that cannot be a path, such as a pasted spec, is none."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False
