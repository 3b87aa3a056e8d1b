"""Letters that no font on this machine has: what is said of them, and which packages bring such a font."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from scantrial.core.errors import ScantrialError
from scantrial.core.names import listed

PACKAGES = {
    "CJK": "fonts-noto-cjk",
    "HIRAGANA": "fonts-noto-cjk",
    "KATAKANA": "fonts-noto-cjk",
    "HANGUL": "fonts-noto-cjk",
    "IDEOGRAPHIC": "fonts-noto-cjk",
    "FULLWIDTH": "fonts-noto-cjk",
}
"""Debian's package by the first word of a letter's Unicode name; `OTHERS` for every other script."""

EMOJI, OTHERS = "fonts-noto-color-emoji", "fonts-noto-core"


class MissingFontError(ScantrialError):
    """Letters that are to be drawn are in no font on this machine.

    Parameters
    ----------
    letters : those letters
    needed_for : what was to be drawn
    instead : what can be done without a font
    """

    def __init__(self, letters: Iterable[str], *, needed_for: str, instead: str) -> None:
        found = sorted(set(letters))
        shown = " ".join(found[:10]) + (f" and {len(found) - 10} more" if len(found) > 10 else "")
        packages = listed(sorted({_package(letter) for letter in found}))
        super().__init__(
            f"{needed_for}: no font on this machine has {shown}",
            expected="a font with these letters",
            do=f"install one: {packages} on Debian and Ubuntu, Noto fonts elsewhere. {instead}",
        )


def script_of(letter: str) -> str:
    """Return the first word of a letter's Unicode name, which is its script; empty where it has no name."""
    return unicodedata.name(letter, "").partition(" ")[0].partition("-")[0]


def is_seen(sign: str) -> bool:
    """Whether a character is drawn at all: no blank, no control character, nothing that joins or turns others."""
    return unicodedata.category(sign) not in ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs", "Mn", "Me")


def is_assigned(sign: str) -> bool:
    """Whether fonts can be expected to have a character: Unicode assigns it, and not to private use."""
    return unicodedata.category(sign) not in ("Co", "Cn")


def _package(letter: str) -> str:
    if unicodedata.category(letter) in ("So", "Sk") and ord(letter) >= 0x2600:
        return EMOJI
    return PACKAGES.get(script_of(letter), OTHERS)
