"""Print how big the code is, and fail where a part of it outgrew its budget.

One row of numbers, counted on the syntax tree. Lines include blanks and comments, lines of code neither these nor
docstrings; a function's body is counted without its docstring; nested functions and methods count. A function that
takes many parameters on purpose, such as a command with its options, says ``# noqa: PLR0913`` on its ``def`` line.

    python scripts/size.py [ROOT]
    python scripts/size.py --peers FOLDER...

With ``--peers`` other codebases are measured instead, without their tests, and kept in docs/data/model-codebases.json:
each FOLDER is an unpacked wheel, the package beside its ``NAME-VERSION.dist-info``. Then ``python scripts/pages.py
size`` sets them beside ours.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import sys
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
PEERS = ROOT / "docs" / "data" / "model-codebases.json"

MAX_BODY_LINES = 60
MAX_MODULE_LINES = 500
MAX_PARAMETERS = 8
MANY_PARAMETERS = 5
"""More than these are counted, and allowed up to the budget."""
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
    """What is counted of one module; `classes` are the names of those that stand in no function or class."""

    path: Path
    n_lines: int
    n_code_lines: int
    functions: tuple[FunctionSize, ...]
    classes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Codebase:
    """The row of numbers by which codebases are set side by side.

    Parameters
    ----------
    n_files : modules that hold more than a docstring
    body_lines : of functions: median, 90th and 99th percentile, longest
    many_parameters : share of functions with more than five
    shared_names : share of classes whose name another class of the codebase has as well
    """

    name: str
    version: str
    n_files: int
    n_code_lines: int
    body_lines: tuple[int, ...]
    many_parameters: float
    shared_names: float


def measure(path: Path) -> ModuleSize | None:
    """Measure one module; None where it holds nothing but a docstring."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, filename=str(path))
    if not _without_docstring(tree.body):
        return None
    lines = text.splitlines()
    is_public = not any(part.startswith("_") and part != "__init__.py" for part in path.parts[-2:])
    return ModuleSize(
        path=path,
        n_lines=len(lines),
        n_code_lines=_n_code_lines(text, tree),
        functions=tuple(_functions(tree, path, lines, is_public=is_public)),
        classes=tuple(node.name for node in tree.body if isinstance(node, ast.ClassDef)),
    )


_NO_CODE = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENCODING,
    tokenize.ENDMARKER,
}


def _n_code_lines(text: str, tree: ast.Module) -> int:
    """Count the lines that hold a token of code; a text that stands by itself is a docstring."""
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    code = {
        number for token in tokens if token.type not in _NO_CODE for number in range(token.start[0], token.end[0] + 1)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt) and _is_text(node):
            code.difference_update(range(node.lineno, (node.end_lineno or node.lineno) + 1))
    return len(code)


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
    return body[1:] if body and _is_text(body[0]) else body


def _is_text(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


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


def measure_folder(folder: Path) -> list[ModuleSize]:
    """Measure every module of a folder, tests left out."""
    paths = sorted(path for path in folder.rglob("*.py") if "tests" not in path.relative_to(folder).parts)
    return [size for path in paths if (size := measure(path))]


def row_of(modules: Sequence[ModuleSize], *, name: str, version: str = "") -> Codebase:
    """Return the row of numbers of a codebase."""
    functions = [function for module in modules for function in module.functions]
    names = [name for module in modules for name in module.classes]
    n_of = Counter(names)
    return Codebase(
        name=name,
        version=version,
        n_files=len(modules),
        n_code_lines=sum(module.n_code_lines for module in modules),
        body_lines=_quantiles([function.n_body_lines for function in functions], 50, 90, 99, 100),
        many_parameters=_share(sum(f.n_parameters > MANY_PARAMETERS for f in functions), len(functions)),
        shared_names=_share(sum(n_of[name] > 1 for name in names), len(names)),
    )


def measure_peer(folder: Path) -> Codebase:
    """Measure an unpacked wheel.

    Raises
    ------
    SystemExit
        If the folder does not hold one package beside its ``NAME-VERSION.dist-info``.
    """
    found = [path.name.removesuffix(".dist-info").split("-") for path in folder.glob("*-*.dist-info")]
    if len(found) != 1 or not (folder / found[0][0]).is_dir():
        raise SystemExit(f"{folder}: no unpacked wheel; expected a package beside its NAME-VERSION.dist-info")
    name, version = found[0]
    return row_of(measure_folder(folder / name), name=name, version=version)


def keep_peers(folders: Sequence[Path], target: Path = PEERS) -> None:
    """Measure unpacked wheels and keep the numbers, with the day."""
    rows = [asdict(measure_peer(folder)) for folder in folders]
    day = datetime.now(tz=UTC).date().isoformat()
    target.write_text(json.dumps({"measured": day, "codebases": rows}, indent=2) + "\n", encoding="utf-8")
    print(target)


def summary(modules: Sequence[ModuleSize], *, n_test_lines: int) -> list[tuple[str, str]]:
    """Return the row of numbers, and others of our own, as pairs of what and how much."""
    row = row_of(modules, name="scantrial")
    functions = [function for module in modules for function in module.functions]
    public = [function for function in functions if function.is_public]
    n_lines = sum(module.n_lines for module in modules)
    n_annotated, n_parameters = (sum(getattr(f, name) for f in functions) for name in ("n_annotated", "n_parameters"))
    return [
        ("modules, functions, lines", f"{len(modules)}, {len(functions)}, {n_lines}"),
        ("lines of code", str(row.n_code_lines)),
        ("module lines: median / p90 / max", _words(_quantiles([module.n_lines for module in modules], 50, 90, 100))),
        ("functions in a module: median", _words(_quantiles([len(module.functions) for module in modules], 50))),
        ("function body: median / p90 / p99 / max", _words(row.body_lines)),
        ("public functions with docstring", percent(_share(sum(f.has_docstring for f in public), len(public)))),
        ("parameters annotated", percent(_share(n_annotated, n_parameters))),
        ("parameters: max", _words(_quantiles([function.n_parameters for function in functions], 100))),
        (f"functions with more than {MANY_PARAMETERS} parameters", percent(row.many_parameters, digits=1)),
        ("classes that share a name", percent(row.shared_names)),
        ("test lines per line of code", f"{n_test_lines / n_lines:.2f}" if n_lines else "-"),
    ]


def _quantiles(values: Sequence[int], *percents: int) -> tuple[int, ...]:
    # The value itself, not a mean of two: nobody wrote a function of 7.5 lines.
    return tuple(int(np.percentile(values, percent, method="higher")) for percent in percents) if values else ()


def percent(share: float, *, digits: int = 0) -> str:
    """Return ``2 %``."""
    return f"{100 * share:.{digits}f} %"


def _words(values: Sequence[int]) -> str:
    return " / ".join(map(str, values)) or "-"


def _share(part: int, whole: int) -> float:
    return round(part / whole, 4) if whole else 0.0


def check(root: Path) -> int:
    """Print the row of numbers for a checkout; return 1 where a budget is broken, else 0."""
    modules = measure_folder(root / "src")
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


def main() -> int:
    """Measure what the command line names."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("root", nargs="?", type=Path, default=ROOT, metavar="ROOT", help="of the checkout")
    parser.add_argument("--peers", nargs="+", type=Path, metavar="FOLDER", help="unpacked wheels, to be kept")
    given = parser.parse_args()
    if given.peers:
        keep_peers(given.peers)
        return 0
    return check(given.root)


if __name__ == "__main__":
    sys.exit(main())
