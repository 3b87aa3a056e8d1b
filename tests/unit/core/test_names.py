"""Slugs, the nearest right name, and the tables that use it."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scantrial.core.errors import InputError
from scantrial.core.names import listed, nearest, slug
from scantrial.core.progress import silent
from scantrial.core.registry import Registry


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("optimizer.lr 1e-3", "optimizer.lr-1e-3"),
        ("Is CE better?", "is-ce-better"),
        ("1e+3", "1e+3"),
        ("../../etc", "etc"),
        ("Größe", "gr-e"),
        ("", "x"),
        ("...", "x"),
    ],
)
def test_slug(text: str, expected: str):
    """A slug is lower case and holds nothing that a file system minds."""
    assert slug(text) == expected


@given(st.text())
def test_a_slug_is_a_harmless_name_and_its_own_slug(text: str):
    """Whatever the text: no separator, no leading dot, never empty; doing it twice changes nothing."""
    name = slug(text)
    assert re.fullmatch(r"[a-z0-9+]([a-z0-9.+-]*[a-z0-9+])?", name)
    assert slug(name) == name


def test_nearest_finds_a_misspelt_name():
    """A slip of the finger or of the shift key is understood; the name comes back as it is known."""
    known = ["accuracy", "AUROC", "brier"]
    assert nearest("acuracy", known) == "accuracy"
    assert nearest("auroc", known) == "AUROC"
    assert nearest("zzz", known) is None
    assert nearest("accuracy", []) is None


def test_listed():
    """Names for a message."""
    assert listed(["a", "b"]) == "a, b"


class TestRegistry:
    """A table of named things."""

    table = Registry("network", {"mlp": 1, "cnn": 2})

    def test_is_a_mapping(self):
        """Look-up, membership, length and order are those of the table it was made from."""
        assert self.table["mlp"] == 1
        assert "cnn" in self.table
        assert "rnn" not in self.table
        assert list(self.table) == ["mlp", "cnn"]
        assert len(self.table) == 2

    def test_an_unknown_name_is_refused_with_the_nearest_one(self):
        """The message has the right name and lists all of them."""
        with pytest.raises(InputError) as caught:
            self.table["mpl"]
        assert caught.value.got == "no network is called 'mpl' (did you mean 'mlp'?)"
        assert caught.value.expected == "one of cnn, mlp"

    def test_a_name_like_no_other_gets_no_suggestion(self):
        """No guess is better than a wild one."""
        with pytest.raises(InputError, match=r"^no network is called 'transformer'\n"):
            self.table["transformer"]

    def test_does_not_change_with_the_table_it_was_made_from(self):
        """The table is copied."""
        source = {"a": 1}
        table = Registry("thing", source)
        source["b"] = 2
        assert list(table) == ["a"]


def test_silent_tells_nobody(capsys):
    """Nothing is printed."""
    silent("decoding scans", 1, 2)
    assert capsys.readouterr() == ("", "")
