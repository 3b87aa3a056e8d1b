"""The page on two accuracies: every number in it comes from the command above it."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "is-it-a-difference.md"
BLOCKS = re.findall(r"^```console\n\$ scantrial (.*)\n((?:.*\n)*?)```$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_python_lines_print_what_stands_below_them(monkeypatch):
    """Power, McNemar's test, intervals and the example of arrays are run as they stand."""
    monkeypatch.chdir(ROOT)
    result = doctest.testfile(str(PAGE), module_relative=False, encoding="utf-8")
    assert result.attempted >= 20
    assert result.failed == 0


@pytest.mark.parametrize(("words", "printed"), BLOCKS, ids=[words.split("--")[-1] for words, _ in BLOCKS])
def test_the_commands_print_what_stands_below_them(cli, words, printed):
    """Word for word, but for where lines are broken."""
    done = cli(*words.split(), cwd=ROOT)
    assert done.returncode == 0
    assert done.stdout.split() == printed.split()


def test_the_page_shows_commands():
    """Two of them: one with a verdict, one without."""
    assert len(BLOCKS) == 2
