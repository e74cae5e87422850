"""The reference of the Python API: every public name of `walkbench`, from its docstring."""

import inspect
from typing import Any

from mkdocs.structure.files import File, Files

PAGE = "reference/api.md"
GROUPS = {
    "Designs": ("walkbench.designs",),
    "Prices": ("walkbench.pricing", "latency_db.devices", "latency_db.sources"),
    "Proxies": ("walkbench.training", "proxies.score"),
    "Studies": ("walkbench.searching",),
    "Exports": ("walkbench.exporting",),
}


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the page."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """Return the page as Markdown; raises ValueError for a public name without a docstring."""
    import walkbench

    lines = [
        "# Python API",
        "",
        "`import walkbench as wb` loads each name on first use. Wherever a function takes a "
        "design, it takes a network, the name of one that ships, or the path of a JSON file. What "
        "cannot be done raises `WalkbenchError`, which says what is allowed.",
        "",
    ]
    names = dict.fromkeys(walkbench.__all__)
    for title, modules in GROUPS.items():
        lines += [f"## {title}", ""]
        for name in [n for n in names if n.islower() and walkbench._MODULE_OF[n] in modules]:
            del names[name]
            lines += _entry(name, walkbench._MODULE_OF[name])
    lines += ["## Types", ""]
    for name in names:
        lines += _entry(name, walkbench._MODULE_OF[name])
    return "\n".join(lines) + "\n"


def _entry(name: str, module: str) -> list[str]:
    import walkbench

    if not inspect.getdoc(getattr(walkbench, name)):
        raise ValueError(f"walkbench.{name} has no docstring; give it one")
    heading = f"      heading: {name}"
    return [f"::: {module}.{name}", "    options:", heading, f"      toc_label: {name}", ""]
