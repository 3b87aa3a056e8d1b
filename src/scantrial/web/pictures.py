"""Maps of where a network looks, drawn over the scan."""

from __future__ import annotations

import io
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from scantrial.data.scanset import Pixels

Kind = Literal["scan", "gradient", "occlusion"]
KINDS: tuple[Kind, ...] = ("scan", "gradient", "occlusion")
_WARM, _COLD = (255, 122, 26), (26, 140, 255)
_SIDE = 384


def draw_map(scan: Pixels, values: NDArray[np.float64] | None) -> bytes:
    """Return a PNG of the scan with a map over it: warm where values are positive, cold where negative.

    The strongest value of either sign has the full colour; scales cannot be compared between pictures.

    Parameters
    ----------
    scan : shape (height, width) or (height, width, 3), uint8 or uint16
    values : shape (height, width), or None for the scan alone
    """
    grey = _grey(scan)
    picture = np.repeat(grey[:, :, None], 3, axis=2)
    if values is not None:
        largest = float(np.quantile(np.abs(values), 0.999)) or 1.0
        share = np.clip(np.abs(values) / largest, 0, 1)[:, :, None] * 0.85
        colour = np.where(values[:, :, None] >= 0, np.array(_WARM), np.array(_COLD))
        picture = picture * (1 - share) + colour * share
    image = Image.fromarray(np.clip(np.rint(picture), 0, 255).astype(np.uint8))
    scale = _SIDE / max(image.size)
    if scale > 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BICUBIC)
    stream = io.BytesIO()
    image.save(stream, format="PNG")
    return stream.getvalue()


def _grey(scan: Pixels) -> NDArray[np.float64]:
    values = scan.astype(np.float64)
    values = values.mean(axis=2) if values.ndim == 3 else values
    return np.asarray(values / (257.0 if scan.dtype == np.uint16 else 1.0), dtype=np.float64)
