"""Write `docs/iphone-estimates.md` and its plot from the results of `iphone_estimate.py`.

Every figure on the page is taken from the result file, so the two cannot disagree.
"""

import math
from pathlib import Path
from typing import Any

from latency_db.fitted import NETWORK_VARIANCE, Fit
from latency_db.roofline import NAMES, PARAMETERS
from search_space.atomic import write_file

PAGE = Path("docs/iphone-estimates.md")
PLOT = Path("docs/images/iphone-estimates.svg")
# Summary key, words, figure to reach and how it is compared.
TARGETS = (
    ("new_lab_median_pct", "lab and family left out, median error", 15.0, "at most"),
    (
        "new_lab_gain_low",
        "the same, gain over the baseline is at least (points, 95 %)",
        0.0,
        "above",
    ),
    ("anchors_1_median_pct", "the same, with one anchor", 12.0, "at most"),
    ("anchors_3_median_pct", "the same, with three anchors", 9.0, "at most"),
    ("A14_strict", "family left out, A14, strict", 7.3, "at most"),
    ("A14_all", "family left out, A14, all", 9.0, "at most"),
    ("A15_strict", "family left out, A15, strict", 8.9, "at most"),
    ("A15_all", "family left out, A15, all", 9.8, "at most"),
    ("unet_loo_median_pct", "UNets left out, median error", 10.0, "at most"),
    ("unet_loo_worst_pct", "UNets left out, worst error", 25.0, "at most"),
)
COLOURS = {"A14": "#4c78a8", "A15": "#f58518", "A16": "#54a24b", "A17 Pro": "#b279a2"}


def write(result: dict[str, Any], fit: Fit) -> None:
    PLOT.parent.mkdir(parents=True, exist_ok=True)
    write_file(PLOT, plot(result))
    write_file(PAGE, text(result, fit))


def text(result: dict[str, Any], fit: Fit) -> str:
    summary = result["summary"]
    return "\n".join(
        [
            INTRODUCTION.format(**summary, **_interval(fit, result)),
            _headline(summary),
            MISSED if any(not _reached(summary, *target) for target in TARGETS) else "",
            ANCHORS,
            _anchors(result),
            _best_anchors(result),
            SCORES,
            _scores(result),
            "![held-out estimates against published latencies](images/iphone-estimates.svg)",
            "",
            UNETS,
            _unets(result),
            RATIOS,
            _ratios(result),
            RATIOS_READ,
            RESOLUTIONS,
            _resolutions(result),
            FALLBACKS,
            _fallbacks(result),
            OTHER_UNITS,
            _units(result),
            MODEL,
            _parameters(fit),
            LABS,
            _labs(result),
            METHOD,
            _provenance(result),
        ]
    )


def _table(heads: list[str], rows: list[list[Any]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _interval(fit: Fit, result: dict[str, Any]) -> dict[str, float]:
    """The interval of a network on A15, timed by a new lab, in percent."""
    bounds = result["intervals"]["new_lab"]
    matrix = NAMES.index("matrix")  # of a network that is bound by its matrix products
    variance = fit.new_lab_covariance("A15")[matrix, matrix] + NETWORK_VARIANCE
    sd = math.sqrt(float(variance))
    return {
        "low_pct": round((1 - math.exp(bounds["low_z"] * sd)) * 100),
        "high_pct": round((math.exp(bounds["high_z"] * sd) - 1) * 100),
    }


def _reached(summary: dict[str, Any], key: str, words: str, target: float, compared: str) -> bool:
    value = float(summary[key])
    return value <= target if compared == "at most" else value > target


def _headline(summary: dict[str, Any]) -> str:
    rows = []
    for target in TARGETS:
        key, words, figure, compared = target
        unit = "" if compared == "above" else " %"
        met = "reached" if _reached(summary, *target) else "**missed**"
        rows.append([words, f"{summary[key]:g}{unit}", f"{compared} {figure:g}{unit}", met])
    return _table(["figure", "found", "to reach", ""], rows)


def _anchors(result: dict[str, Any]) -> str:
    rows = [
        [
            found["anchors"],
            found["chosen"],
            found["rows"],
            found["labs"],
            f"{found['without_median_pct']} %",
            f"{found['median_pct']} %",
            f"{found['p90_pct']} %",
            f"{found['coverage_80_pct']:.0f} %",
        ]
        for found in result["anchors"]
    ]
    heads = ["anchors", "chosen", "rows", "labs", "median error without", "with", "90th percentile"]
    return _table([*heads, "in the 80 % interval"], rows)


def _best_anchors(result: dict[str, Any]) -> str:
    rows = [
        [found["anchor"], f"{found['estimate_ms']:.0f}", f"{found['spread']:.2f}"]
        for found in result["best_anchors"]
    ]
    heads = ["design@latent", "estimate, ms", "high / low of other designs' intervals"]
    return BEST_ANCHORS + "\n" + _table(heads, rows)


def _fallbacks(result: dict[str, Any]) -> str:
    rows = [
        [f["model"], f["lab"], f["chip"], f["published_ms"], f"{f['probability']:.2f}"]
        for f in result["fallbacks"]
    ]
    return _table(["model", "lab", "chip", "published, ms", "probability"], rows)


def _units(result: dict[str, Any]) -> str:
    rows = [
        [name, f"{found['factor']:.1f}", f"×/÷ {math.exp(found['log_sd']):.2f}", found["rows"]]
        for name, found in result["units"].items()
        if found["rows"]
    ]
    return _table(["units", "times the Neural Engine", "one deviation", "networks"], rows)


def _labs(result: dict[str, Any]) -> str:
    rows = [[lab, found["factor"], found["sd"]] for lab, found in result["labs"].items()]
    return _table(["lab", "factor", "sd of its logarithm"], rows)


def _scores(result: dict[str, Any]) -> str:
    rows = []
    for s in result["scores"]:
        base = s["baseline"] or {}
        gain = s["gain"] or {}
        span = f"{gain['points']} ({gain['low']} to {gain['high']})" if gain else "–"
        rows.append(
            [
                s["left_out"],
                s["chip"],
                s["split"],
                s["n"],
                s["median_pct"],
                f"{s['within_10_pct']:.0f} / {s['within_20_pct']:.0f}",
                _dash(s["spearman"]),
                _dash(s["kendall"]),
                f"{s['coverage_80_pct']:.0f}",
                _dash(base.get("median_pct")),
                span,
            ]
        )
    heads = ["left out", "chip", "split", "rows", "median %", "within ±10 / ±20 %"]
    heads += ["Spearman", "Kendall", "in the 80 % interval, %", "baseline median %", "gain"]
    return _table(heads, rows)


def _dash(value: Any) -> Any:
    return "–" if value is None else value


def _unets(result: dict[str, Any]) -> str:
    rows = [
        [
            u["model"],
            u["chip"],
            f"{u['low_ms']:.0f} – {u['high_ms']:.0f}",
            f"{u['estimated_ms']:.0f}",
            f"{u['published_ms']:.0f}",
            f"{u['error_pct']:+.0f} %",
        ]
        for u in result["unets"]
    ]
    return _table(
        ["UNet", "chip", "80 % interval, ms", "estimate, left out", "published", "error"], rows
    )


def _ratios(result: dict[str, Any]) -> str:
    rows = [
        [
            r["pair"],
            r["chip"],
            f"{r['published']:.2f}",
            f"{r['left_out']:.2f}",
            f"{r['residual_points']:+.0f}",
            f"{r['fitted']:.2f}",
        ]
        for r in result["ratios"]
    ]
    heads = ["changed / before", "chip", "published", "estimate, left out", "residual, points"]
    return _table([*heads, "estimate as shipped"], rows)


def _resolutions(result: dict[str, Any]) -> str:
    rows = [
        [r["model"], r["chip"], r["lab"], r["published"], r["estimated"]]
        for r in result["resolutions"]
    ]
    return _table(["model", "chip", "lab", "published ratio", "estimate, left out"], rows)


def _parameters(fit: Fit) -> str:
    chips = ("A14", "A15", "A17 Pro", "A18 Pro")
    rows = []
    for k, parameter in enumerate(PARAMETERS):
        cells = []
        for chip in chips:
            sd = math.sqrt(fit.covariance[chip][k, k])
            cells.append(f"{fit.parameters[chip][k]:.3g} (×/÷ {math.exp(sd):.2f})")
        rows.append([f"`{parameter.name}`", parameter.unit, *cells, parameter.meaning])
    return _table(["parameter", "unit", *chips, "what it stands for"], rows)


def _provenance(result: dict[str, Any]) -> str:
    where = result["provenance"]
    versions = ", ".join(f"{k} {v}" for k, v in where["versions"].items() if v)
    return f"Made on {where['date']}, revision {where['code_revision']}, {versions}.\n"


def plot(result: dict[str, Any]) -> str:
    """A log-log scatter as plain SVG: published against estimated, a band of ±20 %."""
    size, margin, low, high = 640, 60, 0.1, 3000.0
    span = math.log(high / low)

    def at(ms: float) -> float:
        return margin + (size - 2 * margin) * math.log(ms / low) / span

    def y(ms: float) -> float:
        return size - at(ms)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{size}" height="{size}" fill="white"/>',
        f'<polygon fill="#eeeeee" points="{at(low)},{y(low * 1.2)} {at(high / 1.2)},{y(high)} '
        f"{at(high)},{y(high)} {at(high)},{y(high / 1.2)} {at(low * 1.2)},{y(low)} "
        f'{at(low)},{y(low)}"/>',
        f'<line x1="{at(low)}" y1="{y(low)}" x2="{at(high)}" y2="{y(high)}" stroke="#888888"/>',
    ]
    for tick in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000):
        parts += [
            f'<line x1="{at(tick):.1f}" y1="{y(low)}" x2="{at(tick):.1f}" y2="{y(low) + 5}" '
            'stroke="black"/>',
            f'<text x="{at(tick):.1f}" y="{y(low) + 18}" text-anchor="middle">{tick:g}</text>',
            f'<text x="{at(low) - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:g}</text>',
        ]
    parts += [
        f'<text x="{size / 2}" y="{size - 12}" text-anchor="middle">published, ms</text>',
        f'<text transform="translate(16 {size / 2}) rotate(-90)" text-anchor="middle">'
        "estimate with lab and family left out, ms</text>",
    ]
    for row in result["rows"]:
        colour = COLOURS.get(row["chip"], "#555555")
        x_at, y_at = at(row["published_ms"]), y(row["new_lab_ms"])
        title = f"{row['model']}, {row['chip']}: {row['published_ms']} ms"
        if row["use"] == "validate-unet":
            shape = f'<rect x="{x_at - 4:.1f}" y="{y_at - 4:.1f}" width="8" height="8"'
        else:
            shape = f'<circle cx="{x_at:.1f}" cy="{y_at:.1f}" r="3"'
        parts.append(f'{shape} fill="{colour}" fill-opacity="0.7"><title>{title}</title>')
        parts.append("</rect>" if shape.startswith("<rect") else "</circle>")
    for i, (chip, colour) in enumerate([*COLOURS.items(), ("others", "#555555")]):
        parts += [
            f'<circle cx="{margin + 20}" cy="{margin + 18 * i}" r="4" fill="{colour}"/>',
            f'<text x="{margin + 30}" y="{margin + 4 + 18 * i}">{chip}</text>',
        ]
    parts.append(f'<text x="{margin + 16}" y="{margin + 94}">squares: UNets; band: ±20 %</text>')
    return "\n".join([*parts, "</svg>", ""])


INTRODUCTION = """\
# iPhone estimates, and how far to trust them

`walkbench latency estimate SPEC --device "iPhone 15 Pro"` gives milliseconds without a phone: a
roofline fitted to latencies that other people published. Read the interval before the middle. For
a phone that none of the sources timed, and a family of networks that none of them built, the median
error is {new_lab_median_pct} % (a line through MACs and parameters: {new_lab_baseline_pct} %). An
80 % interval runs from about {low_pct} % below to {high_pct} % above on a chip with many published
rows, and is wider on chips with few or none. Networks timed on your own phone narrow the interval;
the median error is {anchors_1_median_pct} % after one of them, {anchors_3_median_pct} % after three
and {anchors_5_median_pct} % after five.

    walkbench latency estimate snapgen-t2i sdxl --device "iPhone 16 Pro" --batch 2 --latent 96
    walkbench latency anchors --device "iPhone 16 Pro" --to mine
    walkbench latency calibrate --device "iPhone 16 Pro" --measured mine/anchors.csv \\
        --name "my phone"
    walkbench latency estimate sdxl --device "my phone"
    walkbench latency validate-estimate --by both

In Python, `latency_db.source_of(device)` is the source that studies use, and
`latency_db.estimate.estimate(module_or_spec, inputs, chip)` takes any module that can be traced.

## In short
"lab and family left out": each row is predicted by a fit that saw no row of its lab and no row of
its family, {new_lab_rows} rows of classifiers, encoders and decoders. Spearman's correlation with
the published times is {new_lab_spearman}. 80 % intervals, calibrated on other labs and families,
hold {new_lab_coverage_80_pct} % of the rows (75 to 85 are wanted). "family left out" is easier: the
lab is known, and the estimate is what that lab would measure; intervals then hold
{coverage_80_pct} %. "strict": classifiers marked for calibration. "all": also backbones at 512 px,
encoders, decoders, ablations and rows with a suspected fallback. The baseline is
`a + b·GMAC + c·Mparam`, fitted robustly to the same rows in the same splits. UNets are counted
apart, below. One core estimates {specs_per_s_warm:,} specs a second once their segments are known.
"""

MISSED = """\
**Missed, and what was tried.** Where the table says missed, we stopped there. Labs differ by some
10 %, but networks of one lab by more: one family converts well and another does not, and no number
of anchors from other families tells which. Tried on
held-out labs and families and dropped: padding of the last axis to 64 bytes (26 % instead of 11),
a cost per operator, separate rates for dense, grouped and pointwise convolution and for pools,
other exponents of the smooth maximum (2 to 6), weights that stay in the system cache, on-chip
memory of half or twice the size, wider or narrower effects of labs, families and chips. SD 2.1 on
A14 and A15 was published at a ratio of 1.75 where SDXL has 1.36: no single factor fits both.
"""

ANCHORS = """\
## Ten minutes with one phone
`walkbench latency calibrate` takes networks that you timed and updates all parameters of the phone
at once. Lab and family of each row were left out; then other networks of that lab on that chip, of
other families wherever it has them, were given as anchors: drawn at random sixteen times, or those
that narrow the row's interval most. The median gains little: with lab and family left out, most of
an error is the network's own and not the lab's.
"""

BEST_ANCHORS = """\
Which anchors teach most about diffusion UNets on an A17 Pro, each given those before it
(`walkbench latency anchors` computes it for any device, `--to` converts them):
"""

SCORES = "## All scores\n"

UNETS = """\
## UNets
Specs of ours at the published latent size and batch (batch 2 for Stable Diffusion), with the bytes
of their palettised weights. Each estimate comes from a fit without that model on any chip, as its
lab would time it.
"""

RATIOS = """\
## Differences
Ratios of two latencies by one lab on one phone enter the fit as such. The design walk was
published only as ratios (−24 %, −62 %, 2.4 times faster, −9 %, on iPhone 15 Pro); M and F are our
two reconstructions of its steps. "Left out" is the fair column for all of them.
"""

RATIOS_READ = """\
The step to separable convolutions was published at 0.38 while it removes 38 % of the MACs. The
reason was looked for again. It is not that tensors do not fit on chip: Stable Diffusion's decoder,
whose tensors are thirty times that size, runs at 3.4 TMAC/s on A16. What a decoder of 128 to 512
channels and a UNet differ in is weights: a tiling compiler reads a convolution's tensors again only
where its weights do not fit either. With that term (`reread`) the decoder and the walk's direction
agree, but the size of the step stays underrated. Attention written token by token (DistilBERT) and
depthwise convolutions in the middle of a feed-forward are underrated too.
"""

RESOLUTIONS = """\
### 512 px against the usual size
Same model, lab and chip. 5.2 times the pixels of 224 px.
"""

FALLBACKS = """\
## Rows that look like a fallback
Part of these networks probably ran on the CPU or the GPU: the fit's mixture gives them more than
even odds of it, given their lab and family, and they hardly move the parameters.
"""

OTHER_UNITS = """\
## CPU and GPU
Only A13 was published with the unit named: the same classifiers on all three. `--units gpu` and
`--units cpu` multiply the Neural Engine's estimate by the median ratio and widen the interval by
the spread of the ratios and a factor of 1.5 for another chip.
"""

MODEL = """\
## The model
Per operator, compute and traffic overlap (a smooth maximum); operators follow one another. Weights
are known in advance and stream in while operators run, so they overlap with the network as a whole.
Attention is one operator however PyTorch spells it. Fourteen numbers per chip, all costs, none
negative, bounded by the memory's bandwidth and the stated TOPS. All chips are fitted at once: a
common value, a scale per chip around the ratio of stated TOPS, and deviations around zero (around
the ratio of memory bandwidths for what memory decides). (×/÷) is one standard deviation.
"""

LABS = """\
Labs and families are random effects beside them. A lab's factor, as the fit sees it:
"""

METHOD = """\
## What to keep in mind
- The structure of the model and the widths of its priors were chosen by leaving lab and family out
  together. No row was ever predicted by a fit that saw its lab or family, but the choice among some
  sixty variants was not itself held out, so expect a little more on new rows. Between neighbouring
  variants the median moved by less than a point.
- A specification is priced as converted in an ANE-friendly layout (B, C, 1, S), on iOS 17 or
  later, all on the Neural Engine. A module of your own is priced as PyTorch writes it; pass
  `Setting(ane_layout=True)` otherwise. A fallback to CPU or GPU, which no estimate can foresee,
  costs 2 to 15 times.
- Chips without rows (A18, A19, M3, M4) inherit everything from the others, scaled by what Apple
  states. M1 and M2 have two UNets each.

## Making it again
`benchmarks/published_features.py` traces the published networks, `benchmarks/iphone_estimate.py`
fits, validates and writes this page, and `benchmarks/results/iphone_estimate.json` holds every
row and residual.
"""
