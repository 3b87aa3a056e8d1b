"""Read from source code what it can say: every piece of text of a function, with what is filled in left open."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

OPEN = "…"
"""Stands for what is filled in."""

_LEAST_WORDS = 3
_WORD = re.compile(r"(?<!\w)[A-Za-z]{2,}(?!\w)")

Function = ast.FunctionDef


@cache
def functions(path: Path) -> dict[str, Function]:
    """Return the functions of a module by name, methods left out."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}


def by_code(path: Path) -> dict[str, str]:
    """Return the function that speaks for each code: of the module's tables, those whose keys are codes."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    tables = [node for node in ast.walk(tree) if isinstance(node, ast.Dict)]
    pairs = [(key, value) for node in tables for key, value in zip(node.keys, node.values, strict=True)]
    return {
        str(key.value): value.id
        for key, value in pairs
        if isinstance(key, ast.Constant)
        and isinstance(value, ast.Name)
        and re.fullmatch(r"[A-Z]{2}\d{3}", str(key.value))
    }


def said_by(path: Path) -> dict[str, list[str]]:
    """Return what each function of a module says, for those that say anything."""
    found = {name: templates(node) for name, node in functions(path).items()}
    return {name: texts for name, texts in found.items() if texts}


def reached(path: Path, name: str) -> list[str]:
    """Return a function and those of its own module that it uses, near ones first."""
    known, seen, waiting = functions(path), [], [name]
    while waiting:
        current = waiting.pop(0)
        seen.append(current)
        used = [node.id for node in ast.walk(known[current]) if isinstance(node, ast.Name) and node.id in known]
        waiting += [other for other in dict.fromkeys(used) if other not in seen and other not in waiting]
    return seen


def said_through(path: Path, name: str) -> list[str]:
    """Return what a function says, and what the functions of its own module say that it uses."""
    return list(dict.fromkeys(text for each in reached(path, name) for text in templates(functions(path)[each])))


def templates(function: Function) -> list[str]:
    """Return the texts of three words and more in a function: no docstring, no error, nothing compared with."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    texts = [_written(node) for statement in body for node in _texts(statement)]
    return list(dict.fromkeys(text for text in texts if len(_WORD.findall(text)) >= _LEAST_WORDS))


def _texts(node: ast.AST) -> Iterator[ast.expr]:
    """Yield the outermost texts under a node."""
    if isinstance(node, ast.Raise | ast.Compare):
        return
    if _is_text(node):
        assert isinstance(node, ast.expr)
        yield node
        return
    for child in ast.iter_child_nodes(node):
        yield from _texts(child)


def _is_text(node: ast.AST) -> bool:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return _is_text(node.left) or _is_text(node.right)
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _written(node: ast.expr) -> str:
    """Write a text out: both words of a choice, the noun of a count, and an ellipsis for anything else."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(_written(part) for part in parts)
        case ast.FormattedValue(value=value):
            return _written(value)
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            return _written(left) + _written(right)
        case ast.IfExp(body=ast.Constant(value=str(first)), orelse=ast.Constant(value=str(second))):
            return f"[{first}/{second}]" if first and second else f"[{first or second}]"
        case ast.Call(func=ast.Name(id="counted"), args=[_, ast.Constant(value=str(noun))]):
            return f"{OPEN} {noun}s"
        case ast.Call(func=ast.Name(id="counted"), args=[_, ast.Constant(), ast.Constant(value=str(nouns))]):
            return f"{OPEN} {nouns}"
    return OPEN
