"""Refuse code that reads a plan or a recipe by keys: both are typed (`scantrial.recipe.plan`). Part of ``make lint``.

What is called ``plan`` or ``recipe``, or ends with it, such as ``_plan`` and ``old_plan``, and what a method ``plan()``
returns, may not be subscripted and has no ``.get``. Plain data that is on its way to or from a file has another name.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parent.parent
FOLDERS = ("src", "scripts", "benchmarks", "examples")
TYPED = ("plan", "recipe")


def accesses(source: str) -> Iterator[tuple[int, str]]:
    """Yield line and text of every access by key."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Subscript) and _is_typed(node.value):
            yield node.lineno, ast.unparse(node)
        if isinstance(node, ast.Attribute) and node.attr == "get" and _is_typed(node.value):
            yield node.lineno, ast.unparse(node)


def _is_typed(node: ast.expr) -> bool:
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr == "plan"
    if isinstance(node, ast.BoolOp):
        return any(map(_is_typed, node.values))
    name = node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
    return name.rpartition("_")[2] in TYPED


def main(root: Path = ROOT) -> int:
    """Print every access; return 1 if there is any."""
    found = [
        f"{path.relative_to(root)}:{line}: {text}"
        for folder in FOLDERS
        for path in sorted((root / folder).rglob("*.py"))
        for line, text in accesses(path.read_text(encoding="utf-8"))
    ]
    if found:
        print("\n".join(["a plan or a recipe is read by keys; use the attributes of scantrial.recipe.plan:", *found]))
    return int(bool(found))


if __name__ == "__main__":
    sys.exit(main())
