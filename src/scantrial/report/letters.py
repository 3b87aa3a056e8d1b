"""Which letters of a text Typst can set: with its own fonts, or with those of this machine.

Typst sets a letter that no font has as an empty box. So the letters beyond the common scripts are set first, each on a
page of its own, and the boxes are looked for.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from scantrial.core.missing_letters import MissingFontError, is_assigned, is_seen, script_of

COMMON = 0x250
"""Typst's own fonts have every letter before this one: Latin with its accents."""

NO_LETTER = "\U0010fffe"
"""A code point that stays unassigned: Typst sets the box."""

_GLYPH = re.compile(r'<symbol id="(\w+)"')

_SHEET = """#set page(width: 60pt, height: 40pt, margin: 4pt)
#set text(font: "Libertinus Serif")
#for letter in json("letters.json") { page(text(letter)) }
"""

FAMILIES = {
    "ja": ("Noto Serif CJK JP", "Source Han Serif", "Hiragino Mincho ProN", "Yu Mincho", "Noto Sans CJK JP"),
    "ko": ("Noto Serif CJK KR", "Source Han Serif K", "AppleMyungjo", "Batang", "Noto Sans CJK KR"),
    "zh": (
        "Noto Serif CJK SC",
        "Source Han Serif SC",
        "Songti SC",
        "SimSun",
        "Noto Sans CJK SC",
        "WenQuanYi Micro Hei",
    ),
}
"""Fonts to prefer by language, where they are here: Chinese characters have other shapes in Japan and Korea."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lettering:
    """How the letters of a text are set.

    Parameters
    ----------
    system_fonts : whether fonts of this machine are needed
    families : those of them to prefer
    unset : what no font has and Unicode does not assign, to be written out
    """

    system_fonts: bool = False
    families: tuple[str, ...] = ()
    unset: str = ""


def lettering(typst: Any, text: str, *, needed_for: str) -> Lettering:
    """Return the fonts that a text needs beside Typst's own.

    Raises
    ------
    MissingFontError
        If an assigned letter is in no font on this machine.
    """
    letters = "".join(sorted({sign for sign in text if ord(sign) >= COMMON and is_seen(sign)}))
    beyond = boxed(typst, letters, system_fonts=False)
    missing = boxed(typst, beyond, system_fonts=True)
    wanted = [sign for sign in missing if is_assigned(sign)]
    if wanted:
        raise MissingFontError(wanted, needed_for=needed_for, instead="Or write it in another format: --format html")
    if beyond == missing:
        return Lettering(unset=missing)
    here = _families(typst)
    families = [name for name in FAMILIES.get(_language(beyond), ()) if name in here]
    return Lettering(system_fonts=True, families=tuple(families[:1]), unset=missing)


@lru_cache(maxsize=8)
def boxed(typst: Any, letters: str, *, system_fonts: bool) -> str:
    """Return those of some letters that Typst sets as a box."""
    if not letters:
        return ""
    with tempfile.TemporaryDirectory(prefix="scantrial-letters-") as name:
        folder = Path(name)
        (folder / "letters.json").write_text(json.dumps([NO_LETTER, *letters]), encoding="utf-8")
        (folder / "letters.typ").write_text(_SHEET, encoding="utf-8")
        pages = typst.compile(
            str(folder / "letters.typ"), root=name, ignore_system_fonts=not system_fonts, format="svg"
        )
    box, *others = (set(_GLYPH.findall(page.decode("utf-8"))) for page in pages)
    return "".join(letter for letter, glyphs in zip(letters, others, strict=True) if box & glyphs)


@lru_cache(maxsize=1)
def _families(typst: Any) -> frozenset[str]:
    return frozenset(typst.Fonts().families())


def _language(letters: Iterable[str]) -> str:
    scripts = {script_of(letter) for letter in letters}
    if scripts & {"HIRAGANA", "KATAKANA"}:
        return "ja"
    if "HANGUL" in scripts:
        return "ko"
    return "zh" if "CJK" in scripts else ""
