"""The reference of commands, made from the Typer app: what `--help` prints, as a page."""

from collections.abc import Iterator
from typing import Any

import typer
from mkdocs.structure.files import File, Files

PAGE = "reference/commands.md"


def on_files(files: Files, config: Any, **_: Any) -> Files:
    """Add the page."""
    files.append(File.generated(config, PAGE, content=page()))
    return files


def page() -> str:
    """Return the page as Markdown."""
    from studies.cli.main import app

    lines = [
        "# Commands",
        "",
        "Made from the program when the site is built. `walkbench COMMAND --help` prints the same; "
        "[json.md](../json.md) lists what `--format json` gives.",
        "",
    ]
    return "\n".join([*lines, *_command(typer.main.get_command(app), "walkbench", None)]) + "\n"


def _command(command: Any, name: str, parent: Any) -> Iterator[str]:
    context = command.make_context(name.split()[-1], [], parent=parent, resilient_parsing=True)
    subcommands = getattr(command, "commands", None)
    if parent is not None:
        yield from [f"{'#' * min(len(name.split()), 4)} {name}", ""]
        yield from [_text(command.help, name), ""]
    if subcommands:
        for sub, one in subcommands.items():
            if not one.hidden:
                yield from _command(one, f"{name} {sub}", context)
        return
    pieces = " ".join(p for param in command.params for p in param.get_usage_pieces(context))
    yield from [f"    {name} {pieces}".rstrip() + " [OPTIONS]", ""]
    rows = [_row(param, context) for param in command.params if not param.hidden]
    if rows:
        yield from ["| | |", "|---|---|", *rows, ""]


def _row(param: Any, context: Any) -> str:
    record = param.get_help_record(context)
    shown, text = record if record else (param.opts[0], param.help)
    return f"| `{shown}` | {_cell(_text(text, param.opts[0]))} |"


def _text(text: str | None, name: str) -> str:
    if not (text or "").strip():
        raise ValueError(f"{name} has no help; give it some")
    return str(text).strip().replace("<", "&lt;")


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
