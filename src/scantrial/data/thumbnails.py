"""Small pictures of the cases, for the study folder and its report."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from scantrial.data.fit import pictured, resize
from scantrial.data.scanset import Pixels


def thumbnail_png(image: Pixels, side: int = 128) -> bytes:
    """Encode the `thumbnail` of an image as a PNG. Equal images give equal bytes."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(thumbnail(image, side))).save(buffer, format="PNG", optimize=True)
    return buffer.getvalue()


def thumbnail(image: Pixels, side: int = 128) -> Pixels:
    """Return an image in 8 bits whose longer side is at most `side` pixels.

    16 bits become 8 linearly over the whole range (0 to 65535 becomes 0 to 255, rounded), with no stretching of
    the contrast: a scan that uses a small part of its range looks dark here too. A small image
    is not enlarged. Of more than three channels the first three are shown as red, green and blue, of two the first.

    Parameters
    ----------
    image : shape (height, width) or (height, width, channels), uint8 or uint16
    side : in pixels
    """
    image = pictured(image)
    height, width = image.shape[:2]
    scale = min(1.0, side / max(height, width))
    if scale < 1:
        image = resize(image, (max(1, round(height * scale)), max(1, round(width * scale))))
    if image.dtype == np.uint16:
        image = ((image.astype(np.uint32) + 128) // 257).astype(np.uint8)
    return image
