"""No module imports itself by way of others, imports inside functions included.

Imports for type checkers alone do not count: nothing runs them.
"""

import ast
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("search_space", "latency_db", "proxies", "studies", "dashboard", "walkbench")


def modules() -> dict[str, Path]:
    """Every module of the packages by its dotted name."""
    files = (file for package in PACKAGES for file in (ROOT / package).rglob("*.py"))
    names = {".".join(file.relative_to(ROOT).with_suffix("").parts): file for file in files}
    return {name.removesuffix(".__init__"): file for name, file in names.items()}


def imported(tree: ast.AST, known: set[str]) -> set[str]:
    """The known modules that ``tree`` imports anywhere but under ``if TYPE_CHECKING``."""
    out, waiting = set[str](), [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            waiting += node.orelse
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            out |= inner & known or {node.module} & known
        elif isinstance(node, ast.Import):
            out |= {alias.name for alias in node.names} & known
        waiting += ast.iter_child_nodes(node)
    return out


def check(imports: dict[str, set[str]]) -> None:
    """Raise `CycleError` naming a circle, if there is one."""
    TopologicalSorter(imports).prepare()


def test_no_module_imports_itself_by_way_of_others():
    found = modules()
    check(
        {
            name: imported(ast.parse(file.read_text("utf-8")), set(found)) - {name}
            for name, file in found.items()
        }
    )


def test_a_circle_through_an_import_inside_a_function_is_found():
    known = {"proxies.a", "proxies.b"}
    a = imported(ast.parse("def f():\n    from proxies.b import g"), known)
    b = imported(ast.parse("from proxies import a"), known)
    with pytest.raises(CycleError):
        check({"proxies.a": a, "proxies.b": b})
    types = imported(ast.parse("if TYPE_CHECKING:\n    from proxies.b import g"), known)
    check({"proxies.a": types, "proxies.b": b})
