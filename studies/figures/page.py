"""Write figures as one self-contained HTML page that opens without a network.

The page is light or dark as its reader prefers and fits a phone: tables of many columns become one
block a row, drawings and figures shrink.

>>> import plotly.graph_objects as go, tempfile, pathlib
>>> path = pathlib.Path(tempfile.mkdtemp()) / "page.html"
>>> write_page(path, "A page", [go.Figure()])
>>> path.read_text()[:15]
'<!doctype html>'
"""

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path

import plotly.graph_objects as go

from search_space.atomic import write_file
from studies.figures.style import dark_colours

NARROW = 640  # pixels; below it, a page is laid out for a phone
FEW = 3  # columns that fit a phone side by side

STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1b1f24; --quiet: #57606a;
        --line: #e3e6ea; --rule: #1b1f24; --code: #f3f4f6; }
@media (prefers-color-scheme: dark) {
  :root { --page: #0f1317; --ink: #f0f3f6; --quiet: #a3adb8; --line: #2c333a; --rule: #a3adb8;
          --code: #1c2228; } }
body { font: 16px/1.5 Inter, Helvetica, Arial, sans-serif; color: var(--ink);
       background: var(--page); margin: 0 auto; max-width: 1180px; padding: clamp(12px, 3vw, 24px);
       overflow-wrap: break-word; }
h1 { font-size: 26px; } h2 { font-size: 20px; margin-top: 40px; }
table { border-collapse: collapse; font-size: 14px; width: 100%; }
th, td { text-align: right; padding: 5px 10px; border-bottom: 1px solid var(--line);
         vertical-align: top; }
th { border-bottom: 2px solid var(--rule); } .text { text-align: left; }
.note { color: var(--quiet); font-size: 14px; }
code { background: var(--code); padding: 1px 4px; }
pre { background: var(--code); padding: 10px 12px; white-space: pre-wrap; overflow-wrap: anywhere; }
pre code { padding: 0; }
.scroll { overflow-x: auto; }
.drawings { display: grid; gap: 24px;
            grid-template-columns: repeat(auto-fit, minmax(min(400px, 100%), 1fr)); }
.drawings figure { margin: 0; } .drawings img { max-width: 100%; height: auto; }
.drawings figcaption { color: var(--quiet); font-size: 14px; }
@media (max-width: 640px) {
  h1 { font-size: 22px; } h2 { font-size: 18px; }
  th, td { padding: 4px 6px; overflow-wrap: anywhere; }
  .wide tr:first-child { display: none; } .wide tr { display: block; margin-bottom: 14px;
    border-top: 2px solid var(--rule); }
  .wide td { display: flex; justify-content: space-between; gap: 16px; text-align: right; }
  .wide td:first-child { font-weight: 600; }
  .wide td::before { content: attr(data-label); color: var(--quiet); text-align: left;
    font-weight: 400; } }
"""

# Colours of plotly's white template; those of our figures are in `style`.
_TEMPLATE = {"#2a3f5f": "#d6dde4", "#EBF0F8": "#2c333a", "#C8D4E3": "#3d4750", "white": "#0f1317"}

_SCRIPT = """
const DARK = %s;
const prefers = matchMedia('(prefers-color-scheme: dark)'), narrow = innerWidth < %d;
const recoloured = value => {
  if (typeof value === 'string') {
    const cut = value.startsWith('rgba(') ? value.lastIndexOf(',') : value.length;
    return (DARK[value.slice(0, cut)] ?? value.slice(0, cut)) + value.slice(cut);
  }
  if (Array.isArray(value)) return value.map(recoloured);
  if (value && Object.getPrototypeOf(value) === Object.prototype)
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, recoloured(one)]));
  return value;
};
const paint = () => {
  for (const plot of document.querySelectorAll('.js-plotly-plot')) {
    plot.light ??= {data: plot.data, layout: plot.layout};
    const {data, layout} = plot.light, dark = prefers.matches;
    const page = {paper_bgcolor: 'rgba(0,0,0,0)', plot_bgcolor: 'rgba(0,0,0,0)'};
    const phone = narrow ? {font: {...layout.font, size: 11},
                            margin: {...layout.margin, l: 52, r: 10}} : {};
    const drawn = dark ? recoloured(data) : data;
    Plotly.react(plot, drawn, {...(dark ? recoloured(layout) : layout), ...page, ...phone});
  }
};
prefers.addEventListener('change', paint);
paint();
"""


def write_page(path: Path, title: str, parts: Sequence[go.Figure | str]) -> None:
    """Write ``parts``, figures and pieces of HTML in order, to ``path``, whole or not at all.

    Plotly's script is inside the file, once. Raises :class:`WalkbenchError` when the file cannot be
    written.
    """
    body, figures = [], 0
    for part in parts:
        if isinstance(part, str):
            body.append(part)
            continue
        config = {"responsive": True, "displaylogo": False}
        body.append(part.to_html(config, full_html=False, include_plotlyjs=figures == 0))
        figures += 1
    if figures:
        colours = json.dumps({**dark_colours(), **_TEMPLATE})
        body.append(f"<script>{_SCRIPT % (colours, NARROW)}</script>")
    text = (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{STYLE}</style></head>\n<body><h1>{escape(title)}</h1>\n"
        + "\n".join(body)
        + "\n</body></html>\n"
    )
    write_file(path, text)


def html_table(
    head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[bool] | None = None
) -> str:
    """Return an HTML table; cells are text, not markup.

    ``right`` says which columns hold numbers; by default all but the first.
    """
    numbers = list(right) if right is not None else [i > 0 for i in range(len(head))]
    kind = ["" if number else ' class="text"' for number in numbers]
    heads = "".join(f"<th{one}>{escape(cell)}</th>" for cell, one in zip(head, kind, strict=True))
    names = [escape(cell) for cell in head]
    lines = (
        "".join(
            f'<td{one} data-label="{name}">{escape(cell)}</td>'
            for name, cell, one in zip(names, row, kind, strict=True)
        )
        for row in rows
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    wide = ' class="wide"' if len(head) > FEW else ""
    return f'<div class="scroll"><table{wide}><tr>{heads}</tr>{body}</table></div>'
