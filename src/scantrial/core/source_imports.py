"""The names that a Python source file imports, read from its text without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator

_LARGEST = 1_000_000


def imported_names(content: bytes, *, module: str, is_package: bool) -> tuple[str, ...]:
    """Return the dotted names of every module that an import statement may load, wherever it stands in the file.

    ``from a.b import c`` may load ``a``, ``a.b`` and ``a.b.c``. A file that is no Python source, or has
    more than 1 MB, whose tree would need much memory, has no names.

    Parameters
    ----------
    module : dotted name of the file's module, from which relative imports start
    is_package : whether the file is an ``__init__.py``
    """
    if len(content) > _LARGEST:
        return ()
    package = module if is_package else module.rpartition(".")[0]
    try:
        nodes = list(ast.walk(ast.parse(content)))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return ()
    names = (name for node in nodes for name in _names(node, package))
    return tuple(dict.fromkeys(part for name in names for part in _prefixes(name)))


def _names(node: ast.AST, package: str) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom):
        above = package.split(".") if package else []
        if node.level > len(above):  # beyond the outermost package: Python refuses it
            return
        start = above[: len(above) - node.level + 1] if node.level else []
        base = ".".join([*start, *([node.module] if node.module else [])])
        yield base
        yield from (f"{base}.{alias.name}" for alias in node.names if alias.name != "*")


def _prefixes(name: str) -> Iterator[str]:
    parts = name.split(".")
    return (".".join(parts[:number]) for number in range(1, len(parts) + 1))
