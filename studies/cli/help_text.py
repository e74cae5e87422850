r"""Help texts whose paragraphs are wrapped by the window, not by the source.

Typer joins the lines of a docstring's first paragraph and keeps the breaks of all others, so that
text wrapped for the source breaks twice in a narrow window. Indented paragraphs keep their lines.

>>> flowing("One line.\n\nTwo lines of\none paragraph.\n\n    a command\n    another")
'One line.\n\nTwo lines of one paragraph.\n\n    a command\n    another'
"""

import inspect

import typer


def flowing(text: str) -> str:
    """Return ``text`` with the lines of every paragraph joined, indented paragraphs excepted."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        paragraph
        if any(line.startswith(" ") for line in paragraph.splitlines())
        else " ".join(paragraph.splitlines())
        for paragraph in paragraphs
    )


def flow_help(app: typer.Typer) -> None:
    """Let the help of all commands of ``app`` and its groups flow."""
    for command in app.registered_commands:
        text = command.help or getattr(command.callback, "__doc__", None)
        if text:
            command.help = flowing(text)
    for group in app.registered_groups:
        if group.typer_instance is not None:
            flow_help(group.typer_instance)
