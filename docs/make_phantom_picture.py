"""Draw docs/images/phantom.png: rows of phantom scans, from easy to hard, and shifted.

Run it from anywhere: ``python docs/make_phantom_picture.py``.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from scantrial.data.phantom import CLASS_NAMES, PhantomOptions, make_phantom

ROWS = (
    ("difficulty 0", {"difficulty": 0.0}, "train"),
    ("difficulty 0.5", {"difficulty": 0.5}, "train"),
    ("difficulty 1", {"difficulty": 1.0}, "train"),
    ("test scans, shift 1", {"difficulty": 0.5, "shift": 1.0}, "test"),
)
EACH = 3
SIZE = 256
TITLE = 26


def row(knobs: dict[str, float], split: str) -> Image.Image:
    """Lay the first scans of each class side by side."""
    made = make_phantom(PhantomOptions(n_cases=48, size=SIZE, **knobs))
    picked = [np.flatnonzero((made.split == split) & (made.labels == label))[:EACH] for label in (0, 1)]
    return Image.fromarray(np.hstack(made.images[np.concatenate(picked)]))


def picture() -> Image.Image:
    """Put the rows below each other, each under its title."""
    font = ImageFont.load_default(16)
    page = Image.new("L", (2 * EACH * SIZE, len(ROWS) * (SIZE + TITLE)), 255)
    pen = ImageDraw.Draw(page)
    for number, (title, knobs, split) in enumerate(ROWS):
        top = number * (SIZE + TITLE)
        for column, name in enumerate(CLASS_NAMES):
            pen.text((column * EACH * SIZE + 6, top + 3), f"{name}, {title}", fill=0, font=font)
        page.paste(row(knobs, split), (0, top + TITLE))
    return page


if __name__ == "__main__":
    target = Path(__file__).parent / "images" / "phantom.png"
    target.parent.mkdir(exist_ok=True)
    whole = picture()
    whole.resize((whole.width // 2 * 3 // 2, whole.height // 2 * 3 // 2)).save(target, optimize=True)
    print(f"wrote {target}")
