"""Files outside docs/ on the site: README as home, and whatever a page links to.

A link from a page to a file of the repository (`../benchmarks/results/slice.json`) is checked, and
the file copied below `repository/`. A link to a folder becomes its path in words. A link to a file
that is not there is a warning, which a strict build does not survive.
"""

import logging
import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
PAGES = {
    "index.md": "README.md",
    "contributing.md": "CONTRIBUTING.md",
    "changelog.md": "CHANGELOG.md",
    "security.md": "SECURITY.md",
}
LINK = re.compile(
    r"(?P<before>\]\(|(?:src|href)=\")(?P<to>[^)\"#\s]*)(?P<anchor>#[^)\"\s]*)?(?P<after>[)\"])"
)
TEXT_LINK = re.compile(r"\[(?P<text>[^\]]*)\]\((?P<to>[^)#\s]+)(?:#[^)\s]*)?\)")

log = logging.getLogger("mkdocs.plugins.repository")


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the pages that lie at the repository's root."""
    for page, source in PAGES.items():
        if (ROOT / source).is_file():
            text = (ROOT / source).read_text(encoding="utf-8")
            files.append(File.generated(config, page, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, config: Any, files: Files) -> str:
    """Point every link that leaves docs/ at a page or a copy on the site."""
    uri = page.file.src_uri
    source = PAGES.get(uri, f"docs/{uri}")  # its path in the repository
    here = posixpath.dirname(source)

    def target(to: str) -> str:
        return posixpath.normpath(posixpath.join(here, to))

    def without_folders(match: re.Match[str]) -> str:
        to = match["to"]
        path = None if _is_elsewhere(to) else ROOT / target(to)
        return match["text"] if path is not None and path.is_dir() else match[0]

    def moved(match: re.Match[str]) -> str:
        to = match["to"]
        if not to or _is_elsewhere(to):
            return match[0]
        found = _on_site(target(to), config, files)
        if found is None:
            log.warning(f"{source} links to {to!r}, which is not in the repository")
            return match[0]
        relative = posixpath.relpath(found, posixpath.dirname(uri) or ".")
        return f"{match['before']}{relative}{match['anchor'] or ''}{match['after']}"

    return LINK.sub(moved, TEXT_LINK.sub(without_folders, markdown))


def _is_elsewhere(to: str) -> bool:
    return to.startswith(("http://", "https://", "mailto:"))


def _on_site(path: str, config: Any, files: Files) -> str | None:
    """Return where a file of the repository is on the site; copies it there if it must."""
    for page, source in PAGES.items():
        if path == source and files.get_file_from_path(page) is not None:
            return page
    inside = path.removeprefix("docs/")
    if path.startswith("docs/") and files.get_file_from_path(inside) is not None:
        return inside
    if not (ROOT / path).is_file():
        return None
    copy = f"repository/{path}" + (".txt" if path.endswith(".md") else "")
    if files.get_file_from_path(copy) is None:
        added = File.generated(config, copy, content=(ROOT / path).read_bytes())
        files.append(added)
    return copy
