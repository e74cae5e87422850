"""Write figures as one self-contained HTML page that opens without a network.

>>> import plotly.graph_objects as go, tempfile, pathlib
>>> path = pathlib.Path(tempfile.mkdtemp()) / "page.html"
>>> write_page(path, "A page", [go.Figure()])
>>> path.read_text()[:15]
'<!doctype html>'
"""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from search_space.atomic import write_file

STYLE = """
body { font: 16px/1.5 Inter, Helvetica, Arial, sans-serif; color: #1b1f24; margin: 0 auto;
       max-width: 1180px; padding: 24px; }
h1 { font-size: 26px; } h2 { font-size: 20px; margin-top: 40px; }
table { border-collapse: collapse; font-size: 14px; width: 100%; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid #e3e6ea; }
th:first-child, td:first-child { text-align: left; } th { border-bottom: 2px solid #1b1f24; }
.note { color: #57606a; font-size: 14px; } code { background: #f3f4f6; padding: 1px 4px; }
.scroll { overflow-x: auto; }
"""


def write_page(path: Path, title: str, parts: Sequence[go.Figure | str]) -> None:
    """Write ``parts``, figures and pieces of HTML in order, to ``path``.

    Plotly's script is inside the file, once. Raises :class:`WalkbenchError` when the file cannot be
    written.
    """
    body, script = [], True
    for part in parts:
        if isinstance(part, str):
            body.append(part)
        else:
            body.append(part.to_html(full_html=False, include_plotlyjs=script))
            script = False
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )
    write_file(path, text)


def html_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return an HTML table; cells are text, not markup."""
    heads = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    lines = ("".join(f"<td>{escape(cell)}</td>" for cell in row) for row in rows)
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return f'<div class="scroll"><table><tr>{heads}</tr>{body}</table></div>'
