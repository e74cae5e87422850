"""Docstrings on the site: Sphinx roles become code, and doctests become blocks of code."""

import re
from typing import Any

import griffe

ROLE = re.compile(r":(?:class|func|mod|meth|attr|data|exc):`~?([^`]+)`")
DOCTEST = re.compile(r"^>>> (?:.|\n(?!\n))*", re.MULTILINE)


class PlainDocstrings(griffe.Extension):
    """Rewrites every docstring as Markdown."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        """Rewrite the docstring of ``obj``, if it has one."""
        if obj.docstring:
            obj.docstring.value = as_markdown(obj.docstring.value)


def as_markdown(text: str) -> str:
    """Return a docstring as Markdown.

    >>> as_markdown("A :class:`~a.B`.")
    'A `a.B`.'
    """
    fenced = DOCTEST.sub(lambda found: f"```pycon\n{found[0].rstrip()}\n```", text)
    return ROLE.sub(r"`\1`", fenced)
