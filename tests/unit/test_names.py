"""One meaning for each public name."""

from __future__ import annotations

import ast
from collections import defaultdict
from pathlib import Path

import scantrial

ROOT = Path(scantrial.__file__).parent

COMMANDS = [
    "about",
    "audit",
    "compare",
    "env",
    "fetch",
    "init",
    "plan",
    "predict",
    "report",
    "run",
    "schema",
    "serve",
    "show",
    "status",
    "studies",
    "verify",
]
"""A command, the function of the API that it calls, and what prints its outcome are one thing at three floors."""

SAME_MEANING = {
    **dict.fromkeys(
        COMMANDS, ("cli/", "api", "analysis/comparison.py", "study/schema.py", "report/sections/", "data/catalogue.py")
    ),
    "describe": ("recipe/",),  # what the methods text says of a row, one function a table
    "main": ("cli/main.py", "nets/one_step.py", "study/worker.py"),  # the entry of a process
    "matches": ("data/formats/",),  # the interface of a format of scans
    "read": ("data/formats/",),  # the same
    "train_run": ("train/",),  # the contract of an engine
    "train_epoch": ("train/",),  # the same
}
"""Names that several modules define on purpose, with where: each time they mean the same."""


def public_names() -> dict[str, list[str]]:
    """Return where each public class and function at the top of a module is defined."""
    found: dict[str, list[str]] = defaultdict(list)
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith(
                "_"
            ):
                found[node.name].append(path.relative_to(ROOT).as_posix())
    return found


def test_no_two_public_names_are_the_same():
    """A public class or function has a name of its own, but for those that mean the same thing on purpose."""
    twice = {
        name: places
        for name, places in public_names().items()
        if len(places) > 1 and not all(place.startswith(SAME_MEANING.get(name, ())) for place in places)
    }
    assert twice == {}


def test_every_exception_is_needed():
    """An exception is listed only while at least two modules define the name."""
    found = public_names()
    assert [name for name in SAME_MEANING if len(found[name]) < 2] == []
