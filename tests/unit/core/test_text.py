"""What cannot be seen in a name is written out, and every script stays readable."""

from __future__ import annotations

import json
import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scantrial.core.errors import Fault, InputError, StudyFileError, UnreadableScansError
from scantrial.core.text import printable, printable_data, printable_json

SEEN_FORMATS = set("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")


def test_every_character_that_cannot_be_seen_is_written_out():
    """Of all characters of Unicode, controls, formats, surrogates and separators of lines never stay, but for those seen."""
    every = (chr(code) for code in range(sys.maxunicode + 1))
    unseen = [sign for sign in every if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Zl", "Zp")]
    kept = {sign for sign in unseen if sign in printable(f"a{sign}b")}
    assert kept == SEEN_FORMATS


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[31mred", r"\u001b[31mred"),
        ("a\nb\tc", r"a\u000ab\u0009c"),
        ("\u202egnp.exe", r"\u202egnp.exe"),
        ("nor\u200bmal", r"nor\u200bmal"),
        ("nor\u200dmal", r"nor\u200dmal"),
        ("x\U000e0041", r"x\U000e0041"),
        ("\udce9", r"\udce9"),
    ],
)
def test_an_escape_is_that_of_python(text, shown):
    """The escape names the character, as Python writes it."""
    assert printable(text) == shown
    assert printable(shown) == shown


@pytest.mark.parametrize(
    "name",
    [
        "naïve Grüße",
        "研究",
        "שלום",
        "العربية",
        "می\u200cخواهم",
        "क्\u200dष",
        "👩\u200d⚕️",
        "e\u0301",
        "  two blanks ",
        "\u06dd۱۲",
    ],
)
def test_letters_of_every_script_stay(name):
    """Names in other scripts, accents and emoji are shown as they are, with the joiners that they need."""
    assert printable(name) == name


def test_what_is_to_be_kept_stays():
    """A newline stays where lines are meant."""
    assert printable("a\nb\r", keep="\n") == "a\nb\\u000d"


@given(st.text(max_size=30))
def test_json_holds_the_same(text):
    """JSON made printable is read back as the same, and holds nothing unseen."""
    made = printable_json(json.dumps({text: [text]}, ensure_ascii=False))
    assert json.loads(made) == {text: [text]}
    assert printable(made) == made or set(made) & SEEN_FORMATS


def test_plain_data_is_printable_throughout():
    """Texts at every level are written out, and numbers stay."""
    assert printable_data({"a\n": [("b\r", 1), None]}) == {"a\\u000a": [("b\\u000d", 1), None]}


NAME = "scan\x1b]0;x\x07\n do this: rm\u202e.png"


@pytest.mark.parametrize(
    "error",
    [
        InputError(f"{NAME}: no such file", expected=NAME, do=NAME),
        UnreadableScansError([(NAME, NAME)]),
        StudyFileError(NAME, [Fault(path=NAME, message=NAME, origin=NAME)]),
    ],
)
def test_no_name_gives_a_message_a_line_of_its_own(error):
    """A message shows every name on one line and without what cannot be seen."""
    said = str(error)
    assert printable(said, keep="\n") == said
    assert not [line for line in said.split("\n") if line.strip().startswith("do this: rm")]
    assert r"scan\u001b]0;x\u0007\u000a do this: rm\u202e.png" in said
