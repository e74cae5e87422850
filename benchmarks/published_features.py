"""Rebuild the published models on `meta`, trace their operators, commit the compact table.

Every row of `latency_db/published/iphone_published_latency.csv` that names a model of timm,
torchvision or transformers, and every UNet we have a spec for, is built without weights,
reparameterised where the published one was, and traced by the tracer that prices our own blocks.
The result, `latency_db/published/operator_features.csv`, ships with the package, so that users need
none of those libraries.

These libraries are not among the project's extras: torchvision has no build for every torch, and
only this script wants it. Put them in a folder of their own, away from the environment:

    pip install --no-deps --target ~/.cache/walkbench-published \
        timm==1.0.31 torchvision==0.29.1 transformers==5.23.0 tokenizers==0.23.3 regex
    .venv/bin/python benchmarks/published_features.py ~/.cache/walkbench-published

Two minutes on one core. Prints what could not be rebuilt, and why.
"""

import csv
import os
import re
import sys
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from published_builders import NETWORKS as PLAIN
from torch import Tensor, nn

from latency_db.operators import operators
from latency_db.published.rows import PublishedRow, published_rows
from search_space.modules.network import example_inputs
from search_space.presets import FAMILIES, named_spec, walk_specs
from search_space.trace import trace
from search_space.unet import UNet

FEATURES = Path("latency_db/published/operator_features.csv")
NETWORKS = Path("latency_db/published/networks.csv")
UNETS = {
    "SD 2.1-base UNet (CFG pair)": "sd21",
    "SDXL-base UNet (CFG pair)": "sdxl",
    "SnapGen UNet": "snapgen-t2i",
    "SD 1.5 UNet": "sd15",
}
# Models that timm has under a name the collection of rows did not know.
TIMM_NAMES = {
    **{f"iFormer-{size}": f"iformer_{size.lower()}" for size in ("T", "S", "M", "L", "L2")},
    "LowFormer-B0": "lowformer_b0",
    "LowFormer-B1": "lowformer_b1",
    "LowFormer-B1.5": "lowformer_b15",
    **{f"LowFormer-E{size}": f"lowformer_e{size}" for size in (1, 2, 3)},
}


def main(folder: str) -> None:
    load_libraries(Path(folder).expanduser())
    torch.manual_seed(0)
    key_of: dict[int, str] = {}
    builders: dict[str, Callable[[], tuple[nn.Module, dict[str, Any]]]] = {}
    skipped: Counter[str] = Counter()
    for row in published_rows():
        found = recipe(row)
        if found is None:
            skipped[row.model] += 1
            continue
        key_of[row.index], builders[key_of[row.index]] = found
    for family in FAMILIES.values():  # the walk was published as ratios between these
        for step in walk_specs(family):
            if step not in ("sdxl", "snapgen"):
                name = f"{family.name}/{step}"
                builders[f"spec:{name}@128x1"] = partial(_spec, name, 128, 1)
    traces, unknown = {}, set[tuple[str, str]]()
    for key, build in sorted(builders.items()):
        module, inputs = build()
        module = module.to("meta")
        with torch.device("meta"):
            inputs = {k: v.to("meta") if isinstance(v, Tensor) else v for k, v in inputs.items()}
            traced = trace(module, **inputs)
        unknown.update((op.name, key) for op in traced.ops if op.kind == "other")
        params = sum(p.numel() for p in module.parameters())
        traces[key] = (params, traced)
        print(f"{key:55s} {params / 1e6:9.2f} M {traced.macs / 1e9:9.3f} GMAC {len(traced.ops):5d}")
    if unknown:
        raise SystemExit(f"the tracer does not know these operators: {sorted(unknown)}")
    write(key_of, traces)
    print("not rebuilt:", ", ".join(f"{name} ({n})" for name, n in sorted(skipped.items())))


def load_libraries(folder: Path) -> None:
    """Make timm, torchvision and transformers importable from ``folder``, offline, CUDA-free."""
    if not folder.is_dir():
        raise SystemExit(f"{folder} is not a folder; install into it as this script's header says")
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.path.append(str(folder))
    # torchvision's Python half registers shapes for operators of its compiled half; none of the
    # classifiers call them, so their names are enough.
    library = torch.library.Library("torchvision", "DEF")
    for name in ("nms", "qnms"):
        library.define(f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    globals()["_library"] = library  # undone when collected


def recipe(row: PublishedRow) -> tuple[str, Callable[[], tuple[nn.Module, dict[str, Any]]]] | None:
    """Return the network's key and how to build it with its inputs, or None."""
    dense = row.input_resolution == "512" and row.task != "detection"
    name = row.timm_or_torchvision_name
    if row.model in UNETS:
        spec, latent = UNETS[row.model], int(re.search(r"(\d+)x\1", row.input_resolution)[1])
        return f"spec:{spec}@{latent}x{row.batch}", partial(_spec, spec, latent, row.batch)
    if found := PLAIN.get((row.model, row.input_resolution)):
        key, build, make_input = found
        return key, partial(_plain, build, make_input)
    if row.model.startswith("OPT-1.3B"):
        return "plain:opt-1.3b@1", _opt
    if row.model.startswith("DistilBERT"):
        return "transformers:distilbert@128", _distilbert
    if row.model in ABLATIONS:
        base, edit = ABLATIONS[row.model]
        return f"timm:{base}+{edit}@224", partial(_timm, base, 224, False, EDITS[edit])
    if "ssdlite" in name or not row.input_resolution.isdigit():
        return None
    size = int(row.input_resolution)
    if match := re.match(r"Keras MobileNetV2 alpha=([\d.]+)", name):
        key = f"torchvision:mobilenet_v2(width_mult={match[1]})"
        return f"{key}@{size}", partial(_torchvision, "mobilenet_v2", size, float(match[1]))
    if row.model == "MobileNetV3-L-0.5":
        return f"timm:mobilenetv3_large_050@{size}", partial(_mobilenetv3_large_050, size)
    if match := re.match(r"torchvision (\w+)(?:\(width_mult=([\d.]+)\))?$", name):
        key = name.removeprefix("torchvision ")
        width = float(match[2]) if match[2] else None
        return f"torchvision:{key}@{size}", partial(_torchvision, match[1], size, width)
    name = TIMM_NAMES.get(row.model, name.split(" ")[0])
    if not name:
        return None
    return f"timm:{name}@{size}{'d' if dense else ''}", partial(_timm, name, size, dense, None)


def _plain(
    build: Callable[[], nn.Module], make_input: Callable[[], Tensor]
) -> tuple[nn.Module, dict[str, Any]]:
    with torch.device("meta"):
        model = build().eval()
    return _NamedInput(model), {"x": make_input()}


def _spec(name: str, latent: int, batch: int) -> tuple[nn.Module, dict[str, Any]]:
    spec = named_spec(name).replace(latent_size=latent)
    with torch.device("meta"):
        return UNet(spec), dict(example_inputs(spec, batch))


def _torchvision(name: str, size: int, width: float | None) -> tuple[nn.Module, dict[str, Any]]:
    import torchvision

    options = {} if width is None else {"width_mult": width}
    with torch.device("meta"):
        model = getattr(torchvision.models, name)(**options).eval()
    return _NamedInput(model), {"x": torch.zeros(1, 3, size, size, device="meta")}


def _timm(
    name: str, size: int, dense: bool, edit: Callable[[nn.Module], None] | None
) -> tuple[nn.Module, dict[str, Any]]:
    """Build with real (random) weights, because reparameterising multiplies them."""
    import timm
    from timm.layers import set_fused_attn
    from timm.utils.model import reparameterize_model

    options: dict[str, Any] = {}
    if name.startswith(("efficientformerv2", "deit")) or name == "efficientvit_m4":
        options["img_size"] = size  # their position tables have one size
    if name.startswith("efficientformer_"):
        _efficientformer_resolution(size // 32)
    # These attend over feature maps without making tokens of them; timm's fused path makes tokens.
    set_fused_attn(not name.startswith(("iformer", "mobilenetv4_hybrid")))
    model = timm.create_model(name, pretrained=False, **options).eval()
    set_fused_attn(True)
    if edit is not None:
        edit(model)
    if dense:
        model.reset_classifier(0)
    model = _fused(reparameterize_model(model))
    return _NamedInput(model), {"x": torch.zeros(1, 3, size, size)}


def _mobilenetv3_large_050(size: int) -> tuple[nn.Module, dict[str, Any]]:
    from timm.models.mobilenetv3 import _gen_mobilenet_v3

    model = _gen_mobilenet_v3("mobilenetv3_large_075", 0.5).eval()
    return _NamedInput(model), {"x": torch.zeros(1, 3, size, size)}


def _efficientformer_resolution(resolution: int) -> None:
    """Let EfficientFormer's attention expect ``resolution``² tokens: 7 at 224 px, 16 at 512 px."""
    from timm.models import efficientformer

    plain = getattr(efficientformer.Attention, "_plain", efficientformer.Attention)

    class Attention(plain):  # type: ignore[misc, valid-type]
        _plain = plain

        def __init__(self, *args: Any, **kwargs: Any):
            super().__init__(*args, **{**kwargs, "resolution": resolution})

    efficientformer.Attention = Attention


def _fused(model: nn.Module) -> nn.Module:
    """Call the `fuse` methods that timm's own reparameterising leaves out."""
    for name, child in list(model.named_children()):
        fuse = getattr(child, "fuse", None)
        if callable(fuse):
            setattr(model, name, _fused(fuse()))
        else:
            _fused(child)
    return model


def _distilbert() -> tuple[nn.Module, dict[str, Any]]:
    from transformers import DistilBertConfig, DistilBertModel

    config = DistilBertConfig(attn_implementation="sdpa")
    with torch.device("meta"):
        model = DistilBertModel(config).eval()
        ids = torch.zeros(1, 128, dtype=torch.long)
    return model, {"input_ids": ids}


def _opt() -> tuple[nn.Module, dict[str, Any]]:
    """OPT-1.3B's matrices for one token: 24 layers of width 2048, a head of 50,272 words.

    One step reads every weight once and computes next to nothing; the attention to 64 earlier
    tokens is 0.5 % of the reads and left out.
    """
    with torch.device("meta"):
        layers: list[nn.Module] = []
        for _ in range(24):
            layers += [nn.LayerNorm(2048), *(nn.Linear(2048, 2048) for _ in range(4))]
            layers += [nn.LayerNorm(2048), nn.Linear(2048, 8192), nn.ReLU(), nn.Linear(8192, 2048)]
        model = nn.Sequential(*layers, nn.LayerNorm(2048), nn.Linear(2048, 50272, bias=False))
    return _NamedInput(model), {"x": torch.zeros(1, 2048)}


class _NamedInput(nn.Module):
    """One model, its image under the name ``x``."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Any:
        return self.model(x)


def _without_se(model: nn.Module) -> None:
    for module in model.modules():
        if hasattr(module, "se") and hasattr(module, "token_mixer"):
            module.se = nn.Identity()


def _se_everywhere(model: nn.Module) -> None:
    from timm.layers import SqueezeExcite

    for module in model.modules():
        if hasattr(module, "se") and hasattr(module, "token_mixer"):
            width = module.token_mixer.conv.c.out_channels
            module.se = SqueezeExcite(width, 0.25)


def _iformer_small_kernels(model: nn.Module) -> None:
    """3×3 instead of 7×7 in the convolution blocks."""
    from timm.models.iformer import ConvBlock

    for module in model.modules():
        if isinstance(module, ConvBlock):
            conv = module.mixer.module[0][0]
            conv.kernel_size, conv.padding = (3, 3), (1, 1)
            conv.weight = nn.Parameter(conv.weight[:, :, :3, :3].clone())


def _iformer_layer_norms(model: nn.Module) -> None:
    """A LayerNorm before attention and before the feed-forward, over channels."""
    from timm.layers import LayerNorm2d
    from timm.models.iformer import FFN, SHMABlock

    for module in model.modules():
        if isinstance(module, (FFN, SHMABlock)):
            inner = module.mixer.module
            width = next(c.in_channels for c in inner.modules() if isinstance(c, nn.Conv2d))
            module.mixer.module = nn.Sequential(LayerNorm2d(width), inner)


def _iformer_wide_depthwise(model: nn.Module) -> None:
    """A depthwise 3×3 in the middle of every feed-forward."""
    from timm.models.iformer import FFN

    for module in model.modules():
        if isinstance(module, FFN):
            first, act, last = module.mixer.module
            width = last[0].in_channels
            extra = nn.Conv2d(width, width, 3, padding=1, groups=width)
            module.mixer.module = nn.Sequential(first, extra, act, last)


EDITS: dict[str, Callable[[nn.Module], None]] = {
    "without-se": _without_se,
    "se-everywhere": _se_everywhere,
    "as-published": lambda model: None,
    "kernel-3": _iformer_small_kernels,
    "layer-norms": _iformer_layer_norms,
    "depthwise-in-ffn": _iformer_wide_depthwise,
}
ABLATIONS = {
    "RepViT-M0.9 without SE": ("repvit_m0_9", "without-se"),
    "RepViT-M0.9 SE in every block": ("repvit_m0_9", "se-everywhere"),
    "RepViT-M1.5 without SE": ("repvit_m1_5", "without-se"),
    "RepViT-M1.5 SE in every block": ("repvit_m1_5", "se-everywhere"),
    # The paper ablates a network on its way to iFormer-M; the final one stands in for it, and only
    # the change is compared.
    "iFormer ablation: depthwise 7x7": ("iformer_m", "as-published"),
    "iFormer ablation: depthwise 3x3": ("iformer_m", "kernel-3"),
    "iFormer ablation: BN instead of LN": ("iformer_m", "as-published"),
    "iFormer ablation: Pre-LN": ("iformer_m", "layer-norms"),
    "iFormer ablation: extra depthwise conv in FFN": ("iformer_m", "depthwise-in-ffn"),
}


def write(key_of: dict[int, str], traces: dict[str, Any]) -> None:
    with FEATURES.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["network", "count", "kind", "macs", "weights", "moved", "maps", "heads"])
        for key, (_, traced) in sorted(traces.items()):
            for op, count in operators(traced.ops).items():
                values = (op.kind, op.macs, op.weights, op.moved, op.maps, op.heads)
                table.writerow([key, count, *values])
    with NETWORKS.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["row", "network", "params", "macs"])
        for index, key in sorted(key_of.items()):
            params, traced = traces[key]
            table.writerow([index, key, params, traced.macs])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit(f"usage: {sys.argv[0]} FOLDER-WITH-TIMM-AND-TORCHVISION")
    main(sys.argv[1])
