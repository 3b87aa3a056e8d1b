"""Scans on the training device: stored as integers, converted to floats one batch at a time.

On a CPU, pixels that preprocessing leaves as they are stay where they are: in the cache's file, which all workers map.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scantrial.data.preprocess import Preprocessing
from scantrial.data.scanset import Pixels

_CONSTANT = 1e-6
"""Standard deviation of a constant image, as a share of the range: rounding in float32 leaves less than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeviceScans:
    """Scans of one split, ready for a network.

    Parameters
    ----------
    pixels : shape (n_stored, height, width[, 3]), uint8, or int16 holding the bits of uint16, which PyTorch hardly
        supports; never written to, for they may be a mapped file that cannot be written
    stored_rows : shape (n,), int64, where in `pixels` each scan is; None where they are the scans in their order
    centre, width : shape (1 or n, channels, 1, 1), float32; the network's input is (pixel - centre) / width
    centred : whether any centre differs from 0
    largest : value of a white pixel
    of_each : whether centre and width are each image's own mean and standard deviation
    """

    pixels: Tensor
    stored_rows: Tensor | None
    centre: Tensor
    width: Tensor
    centred: bool
    largest: int
    of_each: bool

    def __len__(self) -> int:
        return len(self.pixels if self.stored_rows is None else self.stored_rows)

    @property
    def device(self) -> str:
        """The kind of device that they are on, such as ``cpu``."""
        return self.pixels.device.type

    def batch(self, rows: Tensor | slice) -> Tensor:
        """Return the network's input for some rows, shape (len(rows), channels, height, width), float32."""
        values = _as_floats(_channels_first(self._picked(rows)))
        if self.centred:
            values.sub_(self._of(self.centre, rows))
        return values.div_(self._of(self.width, rows))

    def shares(self, rows: Tensor | slice) -> Tensor:
        """Return some rows as shares of the range of the pixel type, in [0, 1], shape as `batch`."""
        return _as_floats(_channels_first(self._picked(rows))).div_(self.largest)

    def inputs_of(self, shares: Tensor) -> Tensor:
        """Return the network's input for scans that are no longer those stored, from their shares of the range.

        Where each image is standardised by itself, these images are. A constant one becomes 0.
        """
        values = shares * self.largest
        if not self.of_each:
            return values.sub_(self.centre).div_(self.width)
        width, centre = torch.std_mean(values, dim=(2, 3), correction=0, keepdim=True)
        return values.sub_(centre).div_(torch.where(width < _CONSTANT * self.largest, 1, width))

    def places(self, rows: Tensor) -> Tensor:
        """Return where in `pixels` some rows are."""
        return rows if self.stored_rows is None else self.stored_rows[rows]

    def _picked(self, rows: Tensor | slice) -> Tensor:
        if self.stored_rows is not None:
            rows = self.stored_rows[rows]
        # index_select copies whole rows; indexing with a tensor copies pixel by pixel and takes seven times as long
        return self.pixels[rows] if isinstance(rows, slice) else self.pixels.index_select(0, rows)

    @staticmethod
    def _of(table: Tensor, rows: Tensor | slice) -> Tensor:
        return table if len(table) == 1 else table[rows]


def put_on_device(
    images: Pixels, preprocessing: Preprocessing, *, device: str, cases: NDArray[np.int64] | None = None
) -> DeviceScans:
    """Do the integer stage, then bring the scans to the device once; `images` is never written to.

    On a CPU, images without an integer stage are not copied: they must stay as they are while the scans are used.

    Parameters
    ----------
    cases : rows of `images`; None for all
    """
    preprocessing.check(images)
    every = np.arange(len(images)) if cases is None else cases
    if device == "cpu" and not preprocessing.changes_pixels and images.flags.c_contiguous:
        pixels, stored_rows = _as_tensor(images), None if cases is None else torch.tensor(cases)
        affine = preprocessing.affine(images, every)
    else:
        changed = preprocessing.integers_of(images, every)
        pixels, stored_rows = _as_tensor(changed).to(device), None
        affine = preprocessing.affine(changed)
    return DeviceScans(
        pixels=pixels,
        stored_rows=stored_rows,
        centre=_column(affine.centre).to(device),
        width=_column(affine.width).to(device),
        centred=bool(affine.centre.any()),
        largest=int(np.iinfo(images.dtype).max),
        of_each=preprocessing.centre is None,
    )


class _Unlocked:
    """An array's memory without its mark of being read-only, of which PyTorch would warn: it has no such mark."""

    def __init__(self, array: NDArray[Any]) -> None:
        self.array = array  # which has to live as long as its memory is used
        address, _ = array.__array_interface__["data"]
        self.__array_interface__ = {**array.__array_interface__, "data": (address, False)}


def _as_tensor(images: Pixels) -> Tensor:
    """Return the images as a tensor on the same memory."""
    bits = images.view(np.int16) if images.dtype == np.uint16 else images
    return torch.from_numpy(np.asarray(_Unlocked(bits)))


def _column(table: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(table.astype(np.float32))[:, :, None, None]


def _channels_first(pixels: Tensor) -> Tensor:
    return pixels[:, None] if pixels.ndim == 3 else pixels.permute(0, 3, 1, 2)


def _as_floats(pixels: Tensor) -> Tensor:
    if pixels.dtype == torch.int16:
        pixels = pixels.to(torch.int32).bitwise_and_(0xFFFF)
    return pixels.to(torch.float32, memory_format=torch.contiguous_format)
