"""What a source file imports, without running it."""

from __future__ import annotations

import pytest

from scantrial.core.source_imports import imported_names


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("import a", {"a"}),
        ("import a.b.c as d, e", {"a", "a.b", "a.b.c", "e"}),
        ("from a.b import c, d", {"a", "a.b", "a.b.c", "a.b.d"}),
        ("from a import *", {"a"}),
        ("def f():\n    if 1:\n        import a", {"a"}),
        ("from . import c", {"p", "p.q", "p.q.c"}),
        ("from .c import d", {"p", "p.q", "p.q.c", "p.q.c.d"}),
        ("from ..c import d", {"p", "p.c", "p.c.d"}),
        ("from ...c import d", set()),
        ("# coding: latin-1\nimport \xe9t\xe9", {"\xe9t\xe9"}),
        ("import a\n)", set()),
        ("\0", set()),
        ("(" * 10_000, set()),
        ("x" + ".x" * 100_000, set()),
        ("import a\n" + "#" * 1_000_000, set()),
    ],
)
def test_names_of_every_statement(text: str, names: set[str]):
    """At any depth and relative to the module; what cannot be read has none."""
    assert set(imported_names(text.encode("latin-1"), module="p.q.m", is_package=False)) == names


def test_a_package_starts_from_itself():
    """A relative import of an ``__init__.py`` is of the package's own modules."""
    assert set(imported_names(b"from .c import d", module="p", is_package=True)) == {"p", "p.c", "p.c.d"}
    assert imported_names(b"from . import c", module="m", is_package=False) == ()
