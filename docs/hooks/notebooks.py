"""Notebooks as pages: their text, code and outputs, as they were executed and committed."""

import json
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

FOLDER = Path(__file__).parents[1] / "notebooks"


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add a page for each notebook."""
    for path in sorted(FOLDER.glob("*.ipynb")):
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page(path)))
    return files


def page(path: Path) -> str:
    """Return a notebook as Markdown."""
    parts = []
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "markdown":
            parts.append(source)
            continue
        parts.append(f"```python\n{source}\n```")
        parts += [_output(output) for output in cell["outputs"]]
    return "\n\n".join([*parts, f"[This page as a notebook]({path.name})"]) + "\n"


def _output(output: dict[str, Any]) -> str:
    """Return an output in the richest form that a page shows: picture, table, text."""
    data = output.get("data", {"text/plain": output.get("text", "")})
    for kind in ("image/svg+xml", "text/html"):
        if kind in data:  # one line: an empty one would end the block of HTML
            lines = "".join(data[kind]).splitlines()
            return "<div>" + " ".join(line.strip() for line in lines if line.strip()) + "</div>"
    return f"```text\n{''.join(data['text/plain']).rstrip()}\n```"
