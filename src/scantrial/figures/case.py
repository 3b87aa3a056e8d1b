"""Draw one case as a picture: the scan at the left, the predictions of the arms at the right."""

from __future__ import annotations

import io
import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from scantrial.core.format import proportion
from scantrial.core.text import printable
from scantrial.figures.letters import draw_text, text_length
from scantrial.figures.palette import INK, MUTED, PAPER
from scantrial.findings.case import ArmCase, CaseView

_SCAN = 384
_MARGIN = 28
_TEXT_WIDTH = 640
_SIZE = 18
_SMALL = 15
_RIGHT, _WRONG = "#00664b", "#a33c00"

Line = tuple[str, int, str]
"""Text, size in pixels, colour."""


def case_png(view: CaseView) -> bytes:
    """Draw the case: its picture, enlarged, beside the predictions of every arm."""
    table = [(f"{arm.label}: {view.verdict(arm)}", arm.right) for arm in view.arms]
    details = [_spread(view, arm) for arm in view.arms]
    return draw_case(view.thumbnail, heading=view.heading(), rows=table, details=details)


def _spread(view: CaseView, arm: ArmCase) -> str:
    """List every run's probability of the true class."""
    index = view.class_names.index(view.true_class)
    shown = [
        f"{seed.seed if seed.fold is None else f'{seed.repeat}.{seed.fold}'}: {proportion(seed.y_prob[index])}"
        for seed in arm.seeds
    ]
    return f"{view.true_class}, % by seed: {', '.join(shown)}" if shown else ""


def draw_case(
    png: bytes | None,
    *,
    heading: Sequence[str],
    rows: Sequence[tuple[str, bool | None]],
    details: Sequence[str],
) -> bytes:
    """Return a PNG; each row has its details below, and the colour of right (True), wrong (False) or neither."""
    lines = _lines(heading, rows, details)
    height = max(_SCAN, sum(_step(size) for _, size, _ in lines)) + 2 * _MARGIN
    picture = Image.new("RGB", (_SCAN + _TEXT_WIDTH + 3 * _MARGIN, height), PAPER)
    picture.paste(_scan(png), (_MARGIN, _MARGIN))
    draw, y = ImageDraw.Draw(picture), _MARGIN
    for text, size, colour in lines:
        draw_text(draw, (_SCAN + 2 * _MARGIN, y), text, size=size, fill=colour)
        y += _step(size)
    stream = io.BytesIO()
    picture.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def _lines(heading: Sequence[str], rows: Sequence[tuple[str, bool | None]], details: Sequence[str]) -> list[Line]:
    lines = [
        *_broken(heading[0], _SIZE + 4, INK),
        *(line for text in heading[1:] for line in _broken(text, _SMALL, MUTED)),
    ]
    for (text, right), detail in zip(rows, details, strict=True):
        colour = INK if right is None else _RIGHT if right else _WRONG
        lines += [("", _SMALL // 2, INK), *_broken(text, _SIZE, colour), *_broken(detail, _SMALL, MUTED)]
    return lines


def _broken(text: str, size: int, colour: str) -> list[Line]:
    """Break a text so that its lines fit; letters are taken to be as wide as they are in this text on average."""
    text = printable(text)
    length = text_length(text, size)
    width = max(8, int(0.95 * len(text) * _TEXT_WIDTH / length)) if length > _TEXT_WIDTH else len(text) + 1
    return [(part, size, colour) for part in textwrap.wrap(text, width, max_lines=12, placeholder=" …")]


def _step(size: int) -> int:
    return round(1.45 * size)


def _scan(png: bytes | None) -> Image.Image:
    """Return the scan enlarged to its square, on black; without one, a blank square that says so."""
    square = Image.new("RGB", (_SCAN, _SCAN), "black")
    if png is None:
        blank = Image.new("RGB", (_SCAN, _SCAN), "#eceff1")
        ImageDraw.Draw(blank).text(
            (_SCAN // 2, _SCAN // 2), "no picture kept", font=ImageFont.load_default(_SIZE), fill=MUTED, anchor="mm"
        )
        return blank
    scan = Image.open(io.BytesIO(png)).convert("RGB")
    scale = _SCAN / max(scan.size)
    grown = scan.resize(
        (max(1, round(scan.width * scale)), max(1, round(scan.height * scale))), Image.Resampling.BICUBIC
    )
    square.paste(grown, ((_SCAN - grown.width) // 2, (_SCAN - grown.height) // 2))
    return square
