"""YAML 1.2, kept plain, with the line of every key."""

from __future__ import annotations

from typing import Any

import pytest

from scantrial.core.yaml import Place, dotted, read_tree


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001),
        ("1e3", 1000.0),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("true", True),
        ("~", None),
        ("null", None),
        ("0x1F", 31),
        ("012", 12),
        ("1:30", "1:30"),
        ("2026-01-02", "2026-01-02"),
        ("'3'", "3"),
        ('"\\u00e9"', "é"),
        ("[1, [2]]", [1, [2]]),
        ("=", "="),
    ],
)
def test_values_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    """Numbers are numbers, and words are words."""
    tree = read_tree(f"a: {text}\n")
    assert not tree.faults
    assert tree.data == {"a": value}
    assert type(tree.data["a"]) is type(value)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("", None, "the file is empty; it needs at least study and data"),
        ("# only words\n", None, "the file is empty; it needs at least study and data"),
        ("a: 1\nb: [1\n", 3, "not YAML: expected ',' or ']', but got '<stream end>'"),
        ("a: b: c\n", 1, "not YAML: mapping values are not allowed here"),
        ("a:\n\tb: 1\n", 2, "a tab; YAML is indented with spaces only"),
        ("a: 1\n---\nb: 1\n", 2, "not YAML: but found another document"),
        ("a: *b\n", 1, "not YAML: found undefined alias 'b'"),
        ("a: \x00\n", None, "not YAML: unacceptable character #x0000: special characters are not allowed"),
        ("%YAML 1.1\n---\na: no\n", 2, "YAML 1.1; study files are YAML 1.2"),
        ("a: 1\nb:\n- &c [*c]\n", 3, "an alias (*name) that contains itself"),
        ("a: 1\na: 2\n", 2, "the key is given twice; the first is on line 1"),
        ("a: .nan\n", 1, ".nan: numbers in a study file must be finite"),
        ("a: -.inf\n", 1, "-.inf: numbers in a study file must be finite"),
        ("1: a\n", 1, "keys are texts; got '1'"),
        ("? [a]\n: b\n", 1, "keys are texts; got 'none'"),
        ("a: &x {b: 1}\nc:\n  <<: *x\n", 3, "merge keys (<<) are not part of YAML 1.2; write the keys out"),
        ("a: !thing b\n", 1, "the tag !thing has no meaning in a study file"),
        ("a: !!set {b}\n", 1, "the tag tag:yaml.org,2002:set has no meaning in a study file"),
        ("a: !!int b\n", 1, "'b' is not a valid int"),
        ('a: "\\ud800"\n', 1, "the character U+D800 is not allowed in a study file"),
        ('a: "\\b"\n', 1, "the character U+0008 is not allowed in a study file"),
        ("[" * 100, 1, "nested more than 40 deep"),
        ("a: [" + "1, " * 30_000 + "]", 1, "more than 10,000 values"),
    ],
)  # fmt: skip
def test_what_is_not_plain_yaml_is_refused_at_its_line(text: str, line: int | None, message: str) -> None:
    """Each kind of broken or clever YAML has one fault, with its line where there is one."""
    (fault,) = read_tree(text).faults
    assert (fault.line, fault.message) == (line, message)


def test_all_faults_of_the_text_come_at_once() -> None:
    """Faults that do not stop the reading are collected."""
    tree = read_tree("a: .nan\na: 2\n3: x\n")
    assert [fault.line for fault in tree.faults] == [1, 2, 3]


def test_anchors_may_be_used() -> None:
    """An alias stands for its value, at its own line."""
    tree = read_tree("a: &x {b: [1, 2]}\nc: *x\n")
    assert tree.data == {"a": {"b": [1, 2]}, "c": {"b": [1, 2]}}
    assert tree.place(("c",)) == Place(line=2)


def test_an_anchor_may_be_used_twice() -> None:
    """As YAML says, an alias stands for the last value of that name; no warning is printed (a warning fails a test)."""
    tree = read_tree("a: &x 1\nb: &x 2\nc: *x\n")
    assert (tree.data, tree.faults) == ({"a": 1, "b": 2, "c": 2}, [])


def test_a_growing_alias_is_stopped() -> None:
    """Aliases that double and double again are refused, with a reason, before they are written out."""
    text = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
    (fault,) = read_tree(text).faults
    assert fault.message == "more than 10,000 values, counting aliases (*name) written out"


def test_places_are_lines_of_keys_and_items() -> None:
    """Every key and item knows its line; what is not there has the line of what is above it."""
    tree = read_tree("a:\n  b: 1\n  c:\n    - 2\n    - 3\n")
    lines = {path: tree.place(path).line for path in [("a",), ("a", "b"), ("a", "c", 1), ("a", "c", 7), ("a", "d")]}
    assert lines == {("a",): 1, ("a", "b"): 2, ("a", "c", 1): 5, ("a", "c", 7): 3, ("a", "d"): 1}
    assert tree.place(("z",)) == Place()


def test_paths_are_written_with_dots_and_brackets() -> None:
    """A path reads as a person would write it."""
    assert dotted(("factors", "optimizer.lr", 1)) == "factors.optimizer.lr[1]"
    assert dotted(()) == ""
