"""Fonts for pictures that Pillow draws: its own, and for letters that this lacks, those of this machine."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from PIL import ImageDraw, ImageFont

from scantrial.core.missing_letters import MissingFontError, is_seen

NO_LETTER = "\U0010fffe"
"""A code point that stays unassigned: a font draws its box for it."""

PREFERRED = ("dejavusans.", "notosans-regular", "notosanscjk-regular", "msyh.", "pingfang", "wqy", "arial unicode")
"""File names to look at first, by how they begin; bold and slanted fonts are looked at last."""

_ENDINGS = (".ttf", ".ttc", ".otf")


def draw_text(pen: ImageDraw.ImageDraw, at: tuple[float, float], text: str, *, size: int, fill: str) -> None:
    """Draw a line of text, each part of it in a font that has its letters; see `parts`.

    Parameters
    ----------
    at : left upper corner, in pixels
    size : height of the letters, in pixels
    """
    x, y = at
    baseline = y + _font(None, size).getmetrics()[0]
    for part, font in parts(text, size):
        # Of the line: words from right to left stay so within it. Only Raqm knows it; nearly every Pillow has it.
        direction = "ltr" if font.layout_engine == ImageFont.Layout.RAQM else None
        pen.text((x, baseline), part, font=font, fill=fill, anchor="ls", direction=direction)
        x += font.getlength(part)


def text_length(text: str, size: int) -> float:
    """Return how wide a line is drawn, in pixels."""
    return sum(font.getlength(part) for part, font in parts(text, size))


def parts(text: str, size: int) -> list[tuple[str, ImageFont.FreeTypeFont]]:
    """Divide a line into parts of one font each: as few changes as its letters allow.

    Raises
    ------
    MissingFontError
        If a letter is in no font on this machine.
    """
    found: list[tuple[str, str | None]] = []
    for sign in text:
        path = found[-1][1] if found and _has(found[-1][1], sign) else _file_with(sign)
        if found and found[-1][1] == path:
            found[-1] = (found[-1][0] + sign, path)
        else:
            found.append((sign, path))
    return [(part, _font(path, size)) for part, path in found]


@lru_cache(maxsize=4096)
def _file_with(sign: str) -> str | None:
    """Return the first font file that has a letter; None for Pillow's own font."""
    for path in (None, *_font_files()):
        if _has(path, sign):
            return path
    raise MissingFontError(sign, needed_for="the picture", instead="The words without a picture: leave out --png")


@lru_cache(maxsize=65536)
def _has(path: str | None, sign: str) -> bool:
    """Whether a font has a letter: it does not draw it as its box. What is not seen needs no font."""
    if not is_seen(sign):
        return True
    try:
        font = _font(path, 16)
        drawn, box = font.getmask(sign), font.getmask(NO_LETTER)
    except OSError:  # a file that is no font, or holds pictures of one size only
        return False
    return drawn.getbbox() is not None and (drawn.size, bytes(drawn)) != (box.size, bytes(box))


@lru_cache(maxsize=256)
def _font(path: str | None, size: int) -> ImageFont.FreeTypeFont:
    if path is not None:
        return ImageFont.truetype(path, size)
    own = ImageFont.load_default(size)
    assert isinstance(own, ImageFont.FreeTypeFont)  # so it is wherever Pillow has FreeType, as its wheels do
    return own


@lru_cache(maxsize=1)
def _font_files() -> tuple[str, ...]:
    """Return the font files of this machine, those first that have many letters and an upright, regular face."""
    files = sorted({path for folder in _folders() for path in folder.rglob("*") if path.suffix.lower() in _ENDINGS})

    def rank(path: Path) -> tuple[bool, int, str]:
        name = path.name.lower()
        known = next((place for place, start in enumerate(PREFERRED) if name.startswith(start)), len(PREFERRED))
        styled = any(word in name for word in ("bold", "italic", "oblique", "light", "thin", "black", "mono", "serif"))
        return styled, known, name

    return tuple(map(str, sorted(files, key=rank)))


def _folders() -> Iterator[Path]:
    """Yield the folders where this system keeps fonts."""
    home = Path.home()
    if sys.platform == "win32":
        yield Path(os.environ.get("WINDIR", "C:/Windows")) / "Fonts"
        yield home / "AppData/Local/Microsoft/Windows/Fonts"
    elif sys.platform == "darwin":
        yield from (Path("/System/Library/Fonts"), Path("/Library/Fonts"), home / "Library/Fonts")
    else:
        yield from (Path("/usr/share/fonts"), Path("/usr/local/share/fonts"))
        yield from (home / ".fonts", home / ".local/share/fonts")
