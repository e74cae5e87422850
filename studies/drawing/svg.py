"""SVG elements as text: what a drawing is made of, and the document around it.

Text has the colour of its surroundings (`currentColor`), which a document of its own sets by the
reader's preference. It is escaped, and characters that XML does not allow are replaced.

>>> text("a < b", 3, 4)
'<text x="3" y="4" font-size="13" fill="currentColor">a &lt; b</text>'
>>> document("", (2, 1), "A title", alone=False)[-6:]
'</svg>'
"""

import re
from collections.abc import Sequence
from html import escape

Point = tuple[float, float]

FONT = "Inter, Helvetica, Arial, sans-serif"
_LIGHT, _DARK = "svg{color:#1b1f24}", "svg{color:#e6e9ec}"
_STYLE = f"<style>{_LIGHT}@media(prefers-color-scheme:dark){{{_DARK}}}</style>"
_NAMESPACE = "http://www.w3.org/2000/svg"
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def plain(words: str) -> str:
    """Return ``words`` as text of an XML document."""
    return escape(_NOT_XML.sub("\ufffd", words))


def element(tag: str, content: str = "", /, **attributes: object) -> str:
    """Return an element; underscores in the names of attributes become hyphens.

    ``content`` is markup, attributes are text or numbers; one that is None is left out.
    """
    words = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_value(value)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return f"<{tag}{words}>{content}</{tag}>" if content else f"<{tag}{words}/>"


def text(words: str, x: float, y: float, size: float = 13, **more: object) -> str:
    """Return a line of text from its left end on the baseline, or by ``anchor`` in ``more``."""
    if "anchor" in more:
        more["text_anchor"] = more.pop("anchor")
    return element("text", plain(words), x=x, y=y, font_size=size, fill="currentColor", **more)


def path(points: Sequence[Point], closed: bool = False, **more: object) -> str:
    """Return straight lines through ``points``."""
    steps = " ".join(
        f"{'L' if i else 'M'}{_value(x)} {_value(y)}" for i, (x, y) in enumerate(points)
    )
    return element("path", d=steps + (" Z" if closed else ""), **more)


def group(parts: Sequence[str], title: str = "", **more: object) -> str:
    """Return ``parts`` as one, with a ``title`` that shows when a pointer rests on it."""
    head = element("title", plain(title)) if title else ""
    return element("g", head + "".join(parts), **more)


def document(body: str, size: Point, title: str, *, alone: bool, words: str = "") -> str:
    """Return the drawing; ``alone``: a file of its own, not a part of a page.

    ``title`` and ``words`` are what a screen reader says.
    """
    width, height = size
    head = element("title", plain(title)) + (element("desc", plain(words)) if words else "")
    return element(
        "svg",
        (_STYLE if alone else "") + head + body,
        xmlns=_NAMESPACE if alone else None,
        viewBox=f"0 0 {_value(width)} {_value(height)}",
        width=width if alone else "100%",
        height=height if alone else None,
        style=None if alone else f"max-width:{_value(width)}px;height:auto",
        role="img",
        font_family=FONT,
    )


def as_image(drawing: str, *, dark: bool) -> str:
    """Return a ``drawing`` made for the inside of a page as an image of its own.

    An image does not see the colours of the page around it, so it is told whether they are
    ``dark``.
    """
    start, _, rest = drawing.partition(">")
    style = f"<style>{_DARK if dark else _LIGHT}</style>"
    return f'{start} xmlns="{_NAMESPACE}">{style}{rest}'


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return plain(str(value))
