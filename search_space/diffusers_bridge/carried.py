"""The class of Walkbench's UNets in one file, for whoever loads an export without Walkbench.

:func:`carried_source` joins the modules that networks are built of and
:mod:`search_space.diffusers_bridge.walkbench_unet` into one file that imports torch and diffusers
only. Nothing is written twice: what a trainer runs are the lines that Walkbench runs. Dropped are
imports of Walkbench, and the registration of modules, whose table is written at the end.

>>> source = carried_source()
>>> compile(source, CARRIED, "exec") is not None, "search_space." in source
(True, False)
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from search_space.errors import WalkbenchError
from search_space.spec import UNetSpec

CARRIED = "walkbench_unet"  # name of the file and of the module it becomes
CLASS_NAME = "WalkbenchUNet2DConditionModel"

_THE_CLASS = "diffusers_bridge/walkbench_unet"
# Files in the order in which one needs the others, and what is taken of them (None: everything).
_FILES: dict[str, tuple[str, ...] | None] = {
    "plan": ("SKIP",),
    "conv": ("_dense", "_separable"),
    "attention": None,
    "modules/activations": None,
    "modules/embeddings": None,
    "modules/conv_in_out": None,
    "modules/resample": None,
    "modules/resblock": None,
    "modules/transformer": None,
    "modules/moments": None,
    "modules/network": ("assemble", "run_steps"),
    _THE_CLASS: None,
}
_REGISTER = "module_of"

_HEAD = '''"""{name}: a text-to-image UNet designed with Walkbench, in one file.

Written by `walkbench export`; needs torch and diffusers, not Walkbench (Apache-2.0). The blocks of
the network are listed in config.json, each with the values that its module is built from.

    from diffusers import AutoModel
    unet = AutoModel.from_pretrained("path/to/unet", trust_remote_code=True)
"""

from __future__ import annotations

{imports}
'''

_CONV = '''
# What annotations call the values that come from config.json.
Activation = Call = Conv = ConvIn = ConvOut = Norm = QKNorm = Steps = blocks = Any


def conv3x3(in_channels: int, out_channels: int, conv: Conv, stride: int = 1) -> nn.Module:
    """Return the module of ``conv`` between these widths."""
    kinds = {"dense": _dense, "separable": _separable}
    return kinds[conv.kind](in_channels, out_channels, conv, stride)
'''

_GLUE = '''
CARRIED = "{carried}"


def build(block: Any) -> nn.Module:
    """Return the module of ``block``."""
    return MODULES[block.kind](block)


def carried_source() -> str:
    """Return the text of this file, which is saved beside the weights."""
    return Path(__file__).read_text(encoding="utf-8")
'''


@cache
def carried_source() -> str:
    """Return the file: the same text for every design."""
    whole: list[str] = []
    imported: dict[str, set[str]] = {}
    for name, wanted in _FILES.items():
        text = (Path(__file__).parents[1] / f"{name}.py").read_text(encoding="utf-8")
        tree = ast.parse(text)
        if wanted is None:
            _add_imports(tree, imported)
        if name == "conv":
            whole.append(_CONV.strip())
        if name == _THE_CLASS:
            whole += [_table(), _GLUE.format(carried=CARRIED).strip()]
        whole += _definitions(tree, text.splitlines(), wanted)
    lines = [_import_line(name, imported[name]) for name in sorted(imported, key=_import_order)]
    head = _HEAD.format(name=CLASS_NAME, imports="\n".join(lines))
    return "\n\n\n".join([head.strip(), *whole]) + "\n"


def check_carried(spec: UNetSpec) -> None:
    """Raise :class:`WalkbenchError` for a design whose modules are registered elsewhere."""
    carried = ("dense", "separable")
    used = {spec.sampler, *(stage.conv.kind for stage in spec.stages)} - {"none"}
    if foreign := sorted(used - set(carried)):
        raise WalkbenchError(
            f"conv kind {foreign[0]!r} is registered outside of Walkbench, so no export can carry "
            f"it; kinds it can: {', '.join(carried)}"
        )


def _add_imports(tree: ast.Module, imported: dict[str, set[str]]) -> None:
    """Add what a file imports from elsewhere: names by module, "" for the module itself."""
    for node in tree.body:
        if isinstance(node, ast.ImportFrom) and node.module and not _is_ours(node.module):
            imported.setdefault(node.module, set()).update(alias.name for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                imported.setdefault(ast.unparse(alias), set()).add("")


def _is_ours(module: str) -> bool:
    return module.split(".")[0] == "search_space"


def _import_line(module: str, names: set[str]) -> str:
    plain = [f"import {module}"] if "" in names else []
    listed = sorted(names - {""}, key=str.lower)
    return "\n".join(plain + ([f"from {module} import {', '.join(listed)}"] if listed else []))


def _import_order(module: str) -> tuple[bool, str]:
    return module.split(".")[0] in ("torch", "diffusers"), module


def _definitions(
    tree: ast.Module, lines: list[str], wanted: tuple[str, ...] | None
) -> Iterator[str]:
    """Yield the text of every top-level definition, with the comments right above it."""
    for number, node in enumerate(tree.body):
        docstring = number == 0 and isinstance(node, ast.Expr)
        if docstring or isinstance(node, ast.Import | ast.ImportFrom):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            continue
        if wanted is not None and not set(wanted) & set(_names(node)):
            continue
        decorators = getattr(node, "decorator_list", [])
        first = min(
            [node.lineno, *(d.lineno for d in decorators if _REGISTER not in ast.unparse(d))]
        )
        above = first - 1
        while above and lines[above - 1].startswith("#"):
            above -= 1
        yield "\n".join(lines[above : node.end_lineno])


def _names(node: ast.stmt) -> list[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _table() -> str:
    """The modules by the kind of their block, as :mod:`search_space.modules` registers them."""
    from search_space.modules.registry import MODULES

    files = {f"search_space.{name.replace('/', '.')}" for name in _FILES}
    rows = [
        f'    "{kind}": {module.__name__},'
        for kind, module in sorted(MODULES.items())
        if module.__module__ in files
    ]
    return "\n".join(["MODULES = {", *rows, "}"])
