"""Small tables as HTML in the look of the page: cells wrap, numbers align.

>>> "<td>a &lt; b</td>" in table(["x"], [["a < b"]])
True
"""

from collections.abc import Sequence
from html import escape

STYLE = """<style>
.wb { overflow-x: auto; --rule: color-mix(in srgb, currentColor 16%, transparent); }
.wb table { border-collapse: collapse; width: 100%; font-size: 0.82rem; margin: 0; }
.wb th, .wb td { padding: 4px 6px; border: 0; border-bottom: 1px solid var(--rule);
                 text-align: left; vertical-align: top; }
.wb th { font-weight: 600; border-bottom: 1.5px solid currentColor; vertical-align: bottom; }
.wb td:first-child, .wb th:first-child { padding-left: 0; }
.wb td.k { white-space: nowrap; }
.wb td.n, .wb th.n { text-align: right; }
.wb td.n { white-space: nowrap; font-variant-numeric: tabular-nums; }
.wb td.p, .wb td.w { color: color-mix(in srgb, currentColor 72%, transparent); }
.wb td.p { white-space: nowrap; }
.wb tr.on td { background: color-mix(in srgb, currentColor 8%, transparent); }
.wb .none { color: color-mix(in srgb, currentColor 50%, transparent); }
</style>"""


def table(
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    classes: Sequence[str] | None = None,
    marked: int | None = None,
    groups: Sequence[tuple[str, int]] = (),
) -> str:
    """Return an HTML table with its style; cells are text, not markup.

    ``classes`` has each column's class: ``k`` key, ``n`` number, ``p`` published, ``w`` published
    and possibly long. ``marked`` is the row to highlight, ``groups`` a line of headings above the
    head, each with the number of columns it spans.
    """
    kinds = list(classes or [""] * len(head))
    above = "".join(f'<th colspan="{span}">{escape(name)}</th>' for name, span in groups)
    heads = "".join(_cell("th", text, kind) for text, kind in zip(head, kinds, strict=True))
    lines = [
        ('<tr class="on">' if number == marked else "<tr>")
        + "".join(_cell("td", text, kind) for text, kind in zip(row, kinds, strict=True))
        + "</tr>"
        for number, row in enumerate(rows)
    ]
    body = (f"<tr>{above}</tr>" if above else "") + f"<tr>{heads}</tr>" + "".join(lines)
    return f'{STYLE}<div class="wb"><table>{body}</table></div>'


def _cell(tag: str, text: str, kind: str) -> str:
    quiet = text in ("not published", "–")
    names = " ".join(filter(None, (kind, "none" if quiet and tag == "td" else "")))
    return (
        f'<{tag} class="{names}">{escape(text)}</{tag}>'
        if names
        else f"<{tag}>{escape(text)}</{tag}>"
    )
