"""The published rows as evidence: which network, on which chip, under which circumstances.

Every row that could be rebuilt is joined to its operators. What a row is used for follows the
collection's own `suggested_use`: rows marked as fallback or context never enter a fit, ablation
pairs enter as differences, and compressed classifiers stay out.

>>> evidence = published_evidence()
>>> sum(item.fitted for item in evidence.items if item.chip == "A15") > 90
True
>>> [pair.name for pair in evidence.pairs][:2]
['M: no-high-res-sa / thin', 'M: separable / no-high-res-sa']
"""

import csv
import re
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from latency_db.operators import Operator
from latency_db.published.rows import PublishedRow, published_rows
from latency_db.roofline import Setting

WALK_CHIP = "A17 Pro"  # iPhone 15 Pro, where the walk was measured
# Latency of a step over latency of another, as published: -24 %, -62 %, 2.4 times faster, -9 %.
WALK_RATIOS = (
    ("no-high-res-sa", "thin", 0.76),
    ("separable", "no-high-res-sa", 0.38),
    ("expanded-separable", "no-high-res-sa", 1 / 2.4),
    ("mqa", "ffn-3", 0.91),
)
# Ablations by one lab on one phone: the changed model, the model it was changed from.
ABLATIONS = (
    ("RepViT-M0.9 SE in every block", "RepViT-M0.9 without SE"),
    ("RepViT-M1.5 SE in every block", "RepViT-M1.5 without SE"),
    ("DistilBERT (Hugging Face baseline)", "DistilBERT (ANE-optimised BC1S)"),
    ("iFormer ablation: depthwise 7x7", "iFormer ablation: depthwise 3x3"),
    ("iFormer ablation: Pre-LN", "iFormer ablation: BN instead of LN"),
    ("iFormer ablation: extra depthwise conv in FFN", "iFormer ablation: BN instead of LN"),
)
# Families that the collection spells in several ways, or that share their design.
_FAMILIES = {
    **{"MobileViTv2": "MobileViT", "mobilenet_v2": "MobileNetV2", "resnet_v1": "ResNet"},
    **{"SD 2.1-base UNet (CFG pair)": "SD 2.1", "SDXL-base UNet (CFG pair)": "SDXL"},
    **{"DeiT": "ViT", "SD 1.5 VAE decoder": "VAE", "SD 1.5 CLIP-L text encoder": "CLIP text"},
    **{"MobileCLIP-B image encoder": "ViT", "MobileCLIP2-L/14 image encoder": "ViT"},
    **{f"MobileCLIP-S{size} image encoder": "FastViT" for size in range(3)},
    **{f"MobileCLIP2-S{size} image encoder": "FastViT" for size in (3, 4)},
    "MobileCLIP": "CLIP text",  # its text encoders
}
_ANE_LAYOUT = ("apple-sd", "snapgen")  # their own conversions are ANE-friendly
_NEW_IOS_PAPERS = (
    "iformer",
    "lowformer",
    "snapgen",
    "swm",
)  # no iOS stated; measured after iOS 17 came out


@dataclass(frozen=True)
class Item:
    """One published latency with the network behind it. ``rounding_ms``: last digit printed.

    ``ratio_only``: the network stands in for one that differs elsewhere, so only the ratio to its
    ablation counts.
    """

    row: int
    model: str
    network: str
    family: str
    lab: str
    chip: str
    use: str
    setting: Setting
    latency_ms: float
    rounding_ms: float
    gmac: float  # of the whole batch
    mparam: float
    ratio_only: bool = False

    @property
    def is_unet(self) -> bool:
        """Whether this is a diffusion UNet."""
        return self.use == "validate-unet"

    @property
    def fitted(self) -> bool:
        """Whether the row itself enters fits; ablations enter as differences instead."""
        return self.use not in ("context", "operator-delta")


@dataclass(frozen=True)
class Pair:
    """A published ratio of two latencies: one lab, one phone, one change."""

    name: str
    chip: str
    family: str
    lab: str
    networks: tuple[str, str]
    settings: tuple[Setting, Setting]
    ratio: float


@dataclass(frozen=True)
class Evidence:
    """All rebuilt rows, the differences among them, and the operators of every network."""

    items: tuple[Item, ...]
    pairs: tuple[Pair, ...]
    networks: dict[str, Counter[Operator]]


@lru_cache(maxsize=1)
def published_evidence() -> Evidence:
    """Join the shipped rows, networks and operators."""
    networks = _operators()
    sizes = {int(row["row"]): row for row in _table("networks.csv")}
    items = tuple(
        _item(row, sizes[row.index])
        for row in published_rows()
        if row.index in sizes and _usable(row)
    )
    return Evidence(items, (*_walk_pairs(), *_ablation_pairs(items)), networks)


def _usable(row: PublishedRow) -> bool:
    """FP16 or not stated (or a UNet's palettised weights), and no CPU fallback evident."""
    if row.suggested_use in ("exclude", "compression-delta", "calib-A13") or row.chip == "A13":
        return False
    return row.precision in ("FP16", "unknown") or row.suggested_use == "validate-unet"


def _item(row: PublishedRow, size: dict[str, str]) -> Item:
    return Item(
        row.index,
        row.model,
        size["network"],
        _FAMILIES.get(row.model, _FAMILIES.get(row.family, row.family)),
        row.source_id,
        row.chip,
        row.suggested_use,
        _setting(row),
        row.latency_ms,
        row.rounding_ms,
        float(size["macs"]) / 1e9,
        float(size["params"]) / 1e6,
        "use the ratio or difference only" in row.notes,
    )


def _setting(row: PublishedRow) -> Setting:
    bits = re.match(r"([\d.]+)-bit", row.precision)
    stated = re.search(r"iOS(?:/iPadOS)? (\d+)", row.os)
    new = int(stated[1]) >= 17 if stated else row.source_id in _NEW_IOS_PAPERS
    friendly = row.source_id in _ANE_LAYOUT or "ANE-optimised" in row.model
    return Setting(friendly, not new, float(bits[1]) if bits else 16.0)


def _walk_pairs() -> list[Pair]:
    setting = Setting()
    return [
        Pair(
            f"{family}: {step} / {before}",
            WALK_CHIP,
            "SnapGen",
            "snapgen",
            (f"spec:{family}/{step}@128x1", f"spec:{family}/{before}@128x1"),
            (setting, setting),
            ratio,
        )
        for family in "MF"
        for step, before, ratio in WALK_RATIOS
    ]


def _ablation_pairs(items: tuple[Item, ...]) -> list[Pair]:
    of = {item.model: item for item in items}
    pairs = []
    for changed, base in ABLATIONS:
        a, b = of[changed], of[base]
        ratio = a.latency_ms / b.latency_ms
        networks, settings = (a.network, b.network), (a.setting, b.setting)
        name = f"{changed} / {base}"
        pairs.append(Pair(name, a.chip, a.family, a.lab, networks, settings, ratio))
    return pairs


def resolution_pairs(items: tuple[Item, ...]) -> list[tuple[Item, Item]]:
    """Return (512 px, smaller) rows of one model by one lab on one chip, for their ratios."""
    small = {
        (item.model, item.lab, item.chip): item for item in items if not item.network.endswith("d")
    }
    return [
        (item, small[key])
        for item in items
        if item.network.endswith("@512d") and (key := (item.model, item.lab, item.chip)) in small
    ]


def _operators() -> dict[str, Counter[Operator]]:
    networks: dict[str, Counter[Operator]] = {}
    for row in _table("operator_features.csv"):
        values = (int(row[name]) for name in ("macs", "weights", "moved", "maps", "heads"))
        kind: Any = row["kind"]
        networks.setdefault(row["network"], Counter())[Operator(kind, *values)] = int(row["count"])
    return networks


def _table(name: str) -> list[dict[str, str]]:
    text = (files("latency_db.published") / name).read_text(encoding="utf-8")
    return list(csv.DictReader(text.splitlines()))
