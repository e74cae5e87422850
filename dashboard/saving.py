"""Buttons that save a figure as PNG, SVG or CSV, in the browser: what one sees is what one saves.

Plotly draws the picture; the table has a line for each point of each trace, with its interval.
"""

import streamlit as st

_JS = """
const cell = v => {
    if (v === null || v === undefined) return '';
    const text = Array.isArray(v) ? v.join('; ') : String(v);
    const plain = text.replace(/<br>/g, '; ').replace(/<[^>]*>/g, '');
    const safe = /^[=+@\\t\\r]/.test(plain) ? "'" + plain : plain;   // no formula in a spreadsheet
    return /[",\\n]/.test(safe) ? '"' + safe.replace(/"/g, '""') + '"' : safe;
};
const ends = (trace, axis, i) => {
    const bar = trace['error_' + axis];
    if (!bar || !bar.array || !bar.visible) return ['', ''];
    const low = bar.arrayminus && bar.symmetric === false ? bar.arrayminus[i] : bar.array[i];
    return [trace[axis][i] - low, trace[axis][i] + bar.array[i]];
};
function table(plot) {
    const lines = [['trace', 'x', 'y', 'z', 'x low', 'x high', 'y low', 'y high', 'text']];
    for (const trace of plot._fullData) {
        if (trace.visible !== true) continue;
        if (trace.dimensions) {
            lines.push(['trace', ...trace.dimensions.map(d => d.label)]);
            const count = trace.dimensions.length ? trace.dimensions[0].values.length : 0;
            for (let i = 0; i < count; i++)
                lines.push([trace.name, ...trace.dimensions.map(d => d.values[i])]);
            continue;
        }
        const count = Math.max(trace.x ? trace.x.length : 0, trace.y ? trace.y.length : 0);
        for (let i = 0; i < count; i++) {
            const z = trace.type === 'heatmap' ? trace.z[i] : trace.z ? trace.z[i] : '';
            const words = trace.customdata ? trace.customdata[i] : '';
            lines.push([trace.name, trace.x ? trace.x[i] : i, trace.y ? trace.y[i] : i, z,
                        ...ends(trace, 'x', i), ...ends(trace, 'y', i), words]);
        }
    }
    return lines.map(line => line.map(cell).join(',')).join('\\r\\n');
}
function save(figure, format, name) {
    const plot = document.querySelector(`.st-key-${figure} .js-plotly-plot`);
    if (!plot) return;
    if (format === 'csv') {
        const link = document.createElement('a');
        link.href = URL.createObjectURL(new Blob([table(plot)], {type: 'text/csv'}));
        link.download = `${name}.csv`;
        link.click();
        URL.revokeObjectURL(link.href);
        return;
    }
    plot._context.toImageButtonOptions = {format, filename: name, scale: format === 'png' ? 2 : 1};
    const button = [...plot.querySelectorAll('.modebar-btn')].find(
        one => (one.getAttribute('data-title') || '').startsWith('Download'));
    if (button) button.click();
}
export default function({parentElement, data}) {
    for (const button of parentElement.querySelectorAll('button'))
        button.onclick = () => save(data.figure, button.dataset.format, data.name);
}
"""
_CSS = """
.save { display: flex; gap: .9rem; justify-content: flex-end; font-size: .8rem; }
.save button { all: unset; cursor: pointer; color: var(--st-primary-color); padding: .1rem 0; }
.save button:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 2px; }
"""
_HTML = """<div class="save" role="group" aria-label="Save the figure">
<button data-format="png" title="Save the picture as PNG">PNG</button>
<button data-format="svg" title="Save the picture as SVG">SVG</button>
<button data-format="csv" title="Save the numbers as CSV">CSV</button></div>"""

_save = st.components.v2.component("walkbench_save", html=_HTML, css=_CSS, js=_JS)


def save_buttons(key: str, name: str) -> None:
    """Draw the buttons that save the figure with the key ``key`` to files called ``name``."""
    _save(key=f"{key}_save", data={"figure": key, "name": file_name(name)})


def file_name(text: str) -> str:
    """Return ``text`` as the name of a file: letters, digits and hyphens.

    >>> file_name("Proxy loss over MACs / s")
    'proxy-loss-over-macs-s'
    """
    words = "".join(sign if sign.isalnum() else " " for sign in text.lower()).split()
    return "-".join(words) or "figure"
