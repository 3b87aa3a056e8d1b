"""A contact sheet: training scans as they are, and as some epochs of a run show them to the network."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from scantrial.data.fit import pictured
from scantrial.train.batches import Batches

SIDE, MARGIN, LETTERS = 112, 6, 13
"""Longest side of a picture, the space around it, and the height of the letters, in pixels."""

EPOCHS = (1, 2, 3, 4)
"""The epochs that are shown beside the scan itself."""

STORED = 5
"""Scans on the sheet that a run keeps."""


def shown_rows(labels: Sequence[int], n: int) -> NDArray[np.int64]:
    """Return up to n rows of the training scans, of every class in turn, evenly spread within each.

    Parameters
    ----------
    labels : class indices of the training scans
    """
    classes = [np.flatnonzero(np.asarray(labels) == index) for index in sorted(set(labels))]
    shares = [(n + len(classes) - 1 - place) // len(classes) for place in range(len(classes))]
    spread = [
        rows[np.linspace(0, len(rows) - 1, min(share, len(rows))).round().astype(np.int64)]
        for rows, share in zip(classes, shares, strict=True)
    ]
    longest = max(map(len, spread))
    turns = [rows[turn] for turn in range(longest) for rows in spread if turn < len(rows)]
    return np.array(turns, dtype=np.int64)


def contact_sheet(batches: Batches, rows: NDArray[np.int64], epochs: Sequence[int] = EPOCHS) -> bytes:
    """Return a PNG: a line for each scan, with its case number, as it is and in each epoch.

    Parameters
    ----------
    batches : of the run; the draws are those of its training
    rows : rows of the training scans
    epochs : count from 1
    """
    on_device = torch.from_numpy(rows).to(batches.labels.device)
    columns = [batches.pixels.shares(on_device), *(batches.pictures(rows, epoch) for epoch in epochs)]
    titles = ["as it is", *(f"epoch {epoch}" for epoch in epochs)]
    step, head = SIDE + MARGIN, LETTERS + 2 * MARGIN
    # Each line has room for the case number beneath.
    sheet = Image.new("RGB", (len(columns) * step + MARGIN, head + len(rows) * (step + head)), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(LETTERS)
    for column, (title, pictures) in enumerate(zip(titles, columns, strict=True)):
        left = MARGIN + column * step
        pen.text((left, MARGIN), title, font=font, fill="black")
        for line, picture in enumerate(pictures):
            sheet.paste(_image(picture), (left, head + line * (step + head)))
    for line, case in enumerate(batches.cases[rows].tolist()):
        pen.text((MARGIN, head + line * (step + head) + SIDE + MARGIN), f"case {case}", font=font, fill="black")
    stream = io.BytesIO()
    sheet.save(stream, format="PNG", optimize=True)
    return stream.getvalue()


def stored_sheet(batches: Batches) -> bytes | None:
    """Return the sheet that a run keeps, or None where scans are not augmented."""
    if batches.spec is None:
        return None
    return contact_sheet(batches, shown_rows(batches.labels.tolist(), STORED))


def _image(picture: Tensor) -> Image.Image:
    """Return a scan, shape (channels, height, width) in [0, 1], with its longer side of `SIDE` pixels.

    Of more than three channels the first three are shown, of two the first.
    """
    pixels = (picture.clamp(0, 1) * 255).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    image = Image.fromarray(pictured(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels)).convert("RGB")
    width, height = (max(1, round(side * SIDE / max(image.size))) for side in image.size)
    return image.resize((width, height), Image.Resampling.BICUBIC)
