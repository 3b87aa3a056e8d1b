"""From the numbers of a file to pixels: channels that are picked, values that are scaled from a declared range."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scantrial.core.format import counted
from scantrial.core.names import listed, nearest
from scantrial.data.codecs.base import RefusedError, refuse_not_finite, row_blocks
from scantrial.data.scanset import Pixels


class NoRangeError(RefusedError):
    """Numbers that are no pixels as they are; `measured` holds the smallest and the largest."""

    def __init__(self, kind: str, measured: tuple[float, float]) -> None:
        self.measured = measured
        low, high = measured
        super().__init__(
            f"{kind} values from {low:g} to {high:g}: set data.image.range: [low, high], one for all scans"
        )


def any_name(channels: Sequence[int | str]) -> bool:
    """Whether channels are picked by name."""
    return any(isinstance(channel, str) for channel in channels)


def picked(pixels: NDArray[Any], channels: Sequence[int | str], names: Sequence[str] = ()) -> NDArray[Any]:
    """Return some channels of an image, in the order that is asked for.

    Parameters
    ----------
    pixels : shape (height, width) or (height, width, channels)
    channels : numbers, from 0, or names
    names : of the image's own channels; empty where it has none

    Raises
    ------
    RefusedError
        If it has no such channel, or more than one.
    """
    planes = pixels[..., None] if pixels.ndim == 2 else pixels
    numbers = [_number_of(channel, names, planes.shape[2]) for channel in channels]
    return planes[..., numbers[0]] if len(numbers) == 1 else planes[..., numbers]


def _number_of(channel: int | str, names: Sequence[str], n: int) -> int:
    if isinstance(channel, int):
        if channel >= n:
            raise RefusedError(
                f"data.image.channels: no channel {channel}; it has {counted(n, 'channel')}, which count from 0"
            )
        return channel
    if not names:
        raise RefusedError(f"its channels have no names, but data.image.channels asks for {channel!r}: use numbers")
    found = [number for number, name in enumerate(names[:n]) if name == channel]
    if len(found) > 1:
        raise RefusedError(f"data.image.channels: {len(found)} channels are called {channel!r}; use numbers")
    if not found:
        guess = nearest(channel, [name for name in names if name])
        hint = f" (did you mean {guess!r}?)" if guess else ""
        raise RefusedError(f"data.image.channels: no channel is called {channel!r}{hint}; it has {listed(names)}")
    return found[0]


def scaled(pixels: NDArray[Any], limits: tuple[float, float] | None) -> Pixels:
    """Scale values linearly so that the limits become 0 and 65535, clipped and rounded; without limits change nothing.

    Parameters
    ----------
    pixels : whole or floating-point numbers of any type

    Returns
    -------
    uint16; without limits what was given, uint8 or uint16

    Raises
    ------
    NoRangeError
        Without limits, if the type is neither uint8 nor uint16.
    RefusedError
        If a value is not finite, or the type of the values ends below the upper limit.
    """
    kind = pixels.dtype.kind
    refuse_not_finite(pixels)
    if limits is None:
        if pixels.dtype in (np.uint8, np.uint16):
            return pixels
        words = {"f": "floating-point", "i": "signed"}.get(kind, f"{8 * pixels.dtype.itemsize}-bit")
        raise NoRangeError(words, (float(pixels.min()), float(pixels.max())))
    low, high = limits
    if kind in "iu" and np.iinfo(pixels.dtype).max < high:
        bits, end = 8 * pixels.dtype.itemsize, np.iinfo(pixels.dtype).max
        raise RefusedError(f"{bits} bits, whose values end at {end:,}, but data.image.range ends at {high:g}")
    result = np.empty(pixels.shape, dtype=np.uint16)
    for rows in row_blocks(pixels):
        share = (pixels[rows].astype(np.float64) - low) / (high - low)
        result[rows] = np.rint(share.clip(0, 1) * 65535)
    return result
