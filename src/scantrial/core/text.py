r"""One filter for text that others wrote: what a reader cannot see is written out before text leaves the program.

File names, class names, patients, labels and questions come from data, and may hold characters that rule a terminal,
turn the direction of a line around, hide letters, or begin a line of their own. `printable` writes each of them as its
escape, such as ``\u001b`` or ``\u202e``; letters, marks and signs of every script stay.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_SHOWN_FORMATS = frozenset("\u0600\u0601\u0602\u0603\u0604\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd")
"""Signs of Arabic, Syriac and Kaithi that Unicode counts as format characters although they are seen."""

_BLANKS = "\u17b4\u17b5\u3164\uffa0"
"""Letters that look like nothing at all."""

_SUSPECT = re.compile(
    # Every character of the categories Cc, Cf, Cs, Zl and Zp, and `_BLANKS`; `_written_out` looks again at each.
    r"[\x00-\x1f\x7f-\x9f\xad\u0600-\u0605\u061c\u06dd\u070f\u0890\u0891\u08e2\u180e\u200b-\u200f\u2028-\u202e"
    r"\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    rf"\U0001d173-\U0001d17a\U000e0000-\U000e0fff{_BLANKS}]"
)

_JOINERS = "\u200c\u200d"
"""Zero width non-joiner and joiner: Persian, Indic scripts and emoji need them within a word."""


def printable(text: str, *, keep: str = "") -> str:
    """Return a text with every character that cannot be seen written as its escape.

    These are control characters, signs that set the direction of writing, zero-width and invisible characters, and
    separators of lines. A joiner stays where it follows a character beyond ASCII, for some scripts need it.

    Parameters
    ----------
    keep : characters that stay, such as a newline where lines are meant
    """
    return _SUSPECT.sub(lambda found: _written_out(found, keep), text)


def _written_out(found: re.Match[str], keep: str) -> str:
    sign = found[0]
    if sign in keep or sign in _SHOWN_FORMATS:
        return sign
    if sign in _JOINERS and found.start() > 0:
        before = found.string[found.start() - 1]
        if before > "\x7f" and not _SUSPECT.match(before):
            return sign
    return escaped(sign)


_TURNED = "\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff\U00010800-\U00010fff\U0001e800-\U0001efff"
"""Letters that are written from right to left, such as Hebrew and Arabic ones."""


def has_turned(text: str) -> bool:
    """Whether some letter is written from right to left."""
    return re.search(f"[{_TURNED}]", text) is not None


def kept_in_order(text: str) -> str:
    """Return a text whose numbers stay where they are beside words that are written from right to left.

    A left-to-right mark after such words keeps ``سمين: 2 of 3 runs`` from being shown as ``2 :سمين of 3 runs``.
    """
    return re.sub(f"(?<=[{_TURNED}])(?![{_TURNED}\u200e]|[^\\w]*[{_TURNED}])", "\u200e", text)


def escaped(sign: str) -> str:
    r"""Return the escape of one character, as Python and JSON write it: ``\u202e``; beyond 16 bits ``\U000e0001``."""
    return f"\\u{ord(sign):04x}" if ord(sign) < 0x10000 else f"\\U{ord(sign):08x}"


def printable_json(text: str) -> str:
    """Return JSON that holds the same, with what cannot be seen as JSON's own escapes; its layout stays."""
    return _SUSPECT.sub(_json_escape, text)


def _json_escape(found: re.Match[str]) -> str:
    sign = found[0]
    if sign in "\n\r\t" or sign in _SHOWN_FORMATS:
        return sign  # within a text JSON has escaped these already
    units = sign.encode("utf-16-be", errors="surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def printable_data(value: Any, *, keep: str = "") -> Any:
    """Return plain data with every text in it printable, keys of mappings among them."""
    if isinstance(value, str):
        return printable(value, keep=keep)
    if isinstance(value, Mapping):
        return {printable_data(key, keep=keep): printable_data(item, keep=keep) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(printable_data(item, keep=keep) for item in value)
    return value


def is_printable(text: str) -> bool:
    """Return whether `printable` leaves a text as it is."""
    return printable(text) == text
