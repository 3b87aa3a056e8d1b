"""Print how big the code is, and fail where a part of it outgrew its budget.

One row of numbers, counted on the syntax tree. Lines include blanks and comments; a function's body is
counted without its docstring; nested functions and methods count. A function that takes many parameters
on purpose, such as a command with its options, says ``# noqa: PLR0913`` on its ``def`` line.

    python scripts/size.py [ROOT]
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

MAX_BODY_LINES = 80
MAX_MODULE_LINES = 600
MAX_PARAMETERS = 8
EXCUSE = "noqa: PLR0913"

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True, kw_only=True)
class FunctionSize:
    """What is counted of one function.

    Parameters
    ----------
    where : file and line
    n_body_lines : without the docstring
    n_parameters, n_annotated : without ``self`` and ``cls``
    is_public : no part of its name starts with ``_``, and it stands in no other function
    is_excused : whether it may have more parameters than the budget allows
    """

    where: str
    name: str
    n_body_lines: int
    n_parameters: int
    n_annotated: int
    is_public: bool
    has_docstring: bool
    is_excused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleSize:
    """What is counted of one module."""

    path: Path
    n_lines: int
    functions: tuple[FunctionSize, ...]


def measure(path: Path) -> ModuleSize | None:
    """Measure one module; None where it holds nothing but a docstring."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, filename=str(path))
    if not _without_docstring(tree.body):
        return None
    lines = text.splitlines()
    is_public = not any(part.startswith("_") and part != "__init__.py" for part in path.parts[-2:])
    return ModuleSize(
        path=path, n_lines=len(lines), functions=tuple(_functions(tree, path, lines, is_public=is_public))
    )


def _functions(
    node: ast.AST, path: Path, lines: Sequence[str], *, is_public: bool, in_class: bool = False
) -> Iterator[FunctionSize]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, Function):
            yield _measure_function(child, path, lines, is_public=is_public, in_class=in_class)
            yield from _functions(child, path, lines, is_public=False)
        elif isinstance(child, ast.ClassDef):
            public = is_public and not child.name.startswith("_")
            yield from _functions(child, path, lines, is_public=public, in_class=True)
        else:
            yield from _functions(child, path, lines, is_public=is_public, in_class=in_class)


def _measure_function(
    node: Function, path: Path, lines: Sequence[str], *, is_public: bool, in_class: bool
) -> FunctionSize:
    parameters = _parameters(node, in_class=in_class)
    return FunctionSize(
        where=f"{path}:{node.lineno}",
        name=node.name,
        n_body_lines=_n_body_lines(node),
        n_parameters=len(parameters),
        n_annotated=sum(parameter.annotation is not None for parameter in parameters),
        is_public=is_public and not node.name.startswith("_"),
        has_docstring=ast.get_docstring(node) is not None,
        is_excused=EXCUSE in lines[node.lineno - 1],
    )


def _parameters(node: Function, *, in_class: bool) -> list[ast.arg]:
    arguments = node.args
    positional = [*arguments.posonlyargs, *arguments.args]
    is_static = any(isinstance(mark, ast.Name) and mark.id == "staticmethod" for mark in node.decorator_list)
    if in_class and not is_static:
        positional = positional[1:]
    stars = [star for star in (arguments.vararg, arguments.kwarg) if star is not None]
    return [*positional, *arguments.kwonlyargs, *stars]


def _n_body_lines(node: Function) -> int:
    body = _without_docstring(node.body)
    if not body:
        return 0
    first = body[0]
    marks = first.decorator_list if isinstance(first, Function | ast.ClassDef) else []
    start = min([first.lineno, *(mark.lineno for mark in marks)])
    return (body[-1].end_lineno or start) - start + 1


def _without_docstring(body: Sequence[ast.stmt]) -> Sequence[ast.stmt]:
    first = body[0] if body else None
    is_docstring = (
        isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    )
    return body[1:] if is_docstring else body


def broken_budgets(modules: Sequence[ModuleSize]) -> Iterator[str]:
    """Yield one line for everything that is larger than it may be."""
    for module in modules:
        if module.n_lines > MAX_MODULE_LINES:
            yield f"{module.path}: {module.n_lines} lines, at most {MAX_MODULE_LINES}"
        for function in module.functions:
            what = f"{function.where}: {function.name}"
            if function.n_body_lines > MAX_BODY_LINES:
                yield f"{what} has {function.n_body_lines} lines, at most {MAX_BODY_LINES}"
            if function.n_parameters > MAX_PARAMETERS and not function.is_excused:
                yield f"{what} takes {function.n_parameters} parameters, at most {MAX_PARAMETERS}"


def summary(modules: Sequence[ModuleSize], *, n_test_lines: int) -> list[tuple[str, str]]:
    """Return the row of numbers as pairs of what and how much."""
    functions = [function for module in modules for function in module.functions]
    public = [function for function in functions if function.is_public]
    n_lines = sum(module.n_lines for module in modules)
    return [
        ("modules, functions, lines", f"{len(modules)}, {len(functions)}, {n_lines}"),
        ("module lines: median / p90 / max", _quantiles([module.n_lines for module in modules], 50, 90, 100)),
        ("functions in a module: median", _quantiles([len(module.functions) for module in modules], 50)),
        (
            "function body: median / p90 / p99 / max",
            _quantiles([function.n_body_lines for function in functions], 50, 90, 99, 100),
        ),
        (
            "public functions with docstring",
            _percent(sum(function.has_docstring for function in public), len(public)),
        ),
        (
            "parameters annotated",
            _percent(sum(f.n_annotated for f in functions), sum(f.n_parameters for f in functions)),
        ),
        ("parameters: max", _quantiles([function.n_parameters for function in functions], 100)),
        ("test lines per line of code", f"{n_test_lines / n_lines:.2f}" if n_lines else "-"),
    ]


def _quantiles(values: Sequence[int], *percents: int) -> str:
    if not values:
        return "-"
    # The value itself, not a mean of two: nobody wrote a function of 7.5 lines.
    return " / ".join(str(int(np.percentile(values, percent, method="higher"))) for percent in percents)


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.0f} %" if whole else "-"


def main(root: Path) -> int:
    """Print the row of numbers for a checkout; return 1 where a budget is broken, else 0."""
    modules = [size for path in sorted((root / "src").rglob("*.py")) if (size := measure(path))]
    tests = sorted((root / "tests").rglob("*.py"))
    n_test_lines = sum(len(path.read_text(encoding="utf-8").splitlines()) for path in tests)
    rows = summary(modules, n_test_lines=n_test_lines)
    width = max(len(what) for what, _ in rows)
    for what, how_much in rows:
        print(f"{what:<{width}}  {how_much}")
    broken = list(broken_budgets(modules))
    for line in broken:
        print(f"over budget: {line}", file=sys.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).resolve().parent.parent))
