"""From stored values to gray levels, as a table with one entry for each value that a pixel can have.

The order is that of the standard (PS3.3 C.7.5.1.1.2 and C.11, PS3.4 N.2): padding is found among the stored values;
then come the modality's table or rescaling, the table of values of interest or a window, and the turning of images
in which the lowest value is white. The result covers what the window lets through, not what an image happens to hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from scantrial.data.codecs.base import RefusedError

Window = int | tuple[float, float] | Literal["full"] | None
"""The number of a window of the file, from 0; (centre, width); the full range; None for the file's own choice."""

WHITE = 65535


@dataclass(frozen=True, slots=True, kw_only=True)
class GrayTable:
    """What becomes of each stored value, and what was applied.

    Parameters
    ----------
    levels : shape (256,) or (65536,), uint16, for the stored values from the lowest to the highest of their type
    lowest : the stored value of the first level
    padding : whether the file marks values as padding; they are black
    modality : how stored values became measured ones
    values : how measured values became shades
    is_turned : whether the lowest value was white
    """

    levels: NDArray[np.uint16]
    lowest: int
    padding: bool
    modality: Literal["table", "rescaling", "none"]
    values: Literal["table", "window", "full range"]
    is_turned: bool


def gray_table(tags: Mapping[str, Any], window: Window) -> GrayTable:
    """Return the table of a gray image.

    Parameters
    ----------
    tags : from `scantrial.data.codecs.dicom.headers.Header.of_frame`
    window : see `Window`; if None, the file's first table of values of interest, else its first window, else all

    Raises
    ------
    RefusedError
        If the file contradicts itself, or lacks the window asked for.
    """
    n_bits, n_stored, is_signed = stored_type(tags)
    lowest = -(1 << n_bits - 1) if is_signed else 0
    every = np.arange(lowest, lowest + (1 << n_bits), dtype=np.int64)
    floor = -(1 << n_stored - 1) if is_signed else 0
    # Bits above those that count may hold an overlay.
    stored = ((every - floor) & ((1 << n_stored) - 1)) + floor
    measured, bounds, modality = _measured(stored, (floor, floor + (1 << n_stored) - 1), tags)
    shades, values = _shades(measured, bounds, tags, window)
    is_turned = tags["PhotometricInterpretation"] == "MONOCHROME1" or tags.get("PresentationLUTShape") == "INVERSE"
    levels = np.rint((1 - shades if is_turned else shades) * WHITE).astype(np.uint16)
    padding = _padding(every, stored, tags)
    levels[padding] = 0
    return GrayTable(
        levels=levels,
        lowest=lowest,
        padding="PixelPaddingValue" in tags,
        modality=modality,
        values=values,
        is_turned=is_turned,
    )


def stored_type(tags: Mapping[str, Any]) -> tuple[int, int, bool]:
    """Return bits of a pixel, bits that count, and whether values have a sign.

    Raises
    ------
    RefusedError
        If they are not read, or contradict each other.
    """
    n_bits = int(tags.get("BitsAllocated", 0))
    n_bits = 8 if n_bits == 1 else n_bits
    n_stored = int(tags.get("BitsStored", n_bits))
    high = int(tags.get("HighBit", n_stored - 1))
    if n_bits not in (8, 16):
        raise RefusedError(f"{n_bits} bits for each pixel, expected 8 or 16")
    if not 1 <= n_stored <= n_bits or high != n_stored - 1:
        raise RefusedError(f"{n_stored} bits stored of {n_bits}, the highest of them bit {high}")
    return n_bits, n_stored, int(tags.get("PixelRepresentation", 0)) == 1


def _padding(every: NDArray[np.int64], stored: NDArray[np.int64], tags: Mapping[str, Any]) -> NDArray[np.bool_]:
    """Mark the values from PixelPaddingValue to PixelPaddingRangeLimit, in either order.

    Files give these as stored values, or as the whole words of their pixels, which may lie outside the bits that count.
    """
    if "PixelPaddingValue" not in tags:
        return np.zeros(len(every), dtype=bool)
    n_bits, n_stored, is_signed = stored_type(tags)
    given = [tags["PixelPaddingValue"], tags.get("PixelPaddingRangeLimit", tags["PixelPaddingValue"])]
    ends = [_whole(value, n_bits, is_signed) for value in given]
    marked = _between(every, ends) | _between(stored, ends)
    if is_signed and all(1 << n_stored - 1 <= end < 1 << n_stored for end in ends):
        # Negative numbers without the bits above those that count.
        marked |= _between(stored, [end - (1 << n_stored) for end in ends])
    return marked


def _between(values: NDArray[np.int64], ends: list[int]) -> NDArray[np.bool_]:
    return (values >= min(ends)) & (values <= max(ends))


def _whole(value: Any, n_bits: int, is_signed: bool) -> int:
    """Return a stored value of a tag: files write a negative one as a number without sign, too."""
    number = int.from_bytes(value[:2], "little") if isinstance(value, bytes) else int(value)
    return number - (1 << n_bits) if is_signed and number >= 1 << n_bits - 1 else number


def _measured(
    stored: NDArray[np.int64], bounds: tuple[int, int], tags: Mapping[str, Any]
) -> tuple[NDArray[np.float64], tuple[float, float], Literal["table", "rescaling", "none"]]:
    """Return the measured values, their lowest and highest possible one, and where they come from."""
    if "ModalityLUTSequence" in tags:
        values, top = _looked_up(stored.astype(np.float64), tags["ModalityLUTSequence"][0], bounds[0] < 0)
        return values, (0, top), "table"
    if "RescaleSlope" not in tags and "RescaleIntercept" not in tags:
        return stored.astype(np.float64), bounds, "none"
    slope, intercept = _number(tags, "RescaleSlope", 1), _number(tags, "RescaleIntercept", 0)
    ends = sorted(bound * slope + intercept for bound in bounds)
    return stored.astype(np.float64) * slope + intercept, (ends[0], ends[1]), "rescaling"


def _shades(
    measured: NDArray[np.float64], bounds: tuple[float, float], tags: Mapping[str, Any], window: Window
) -> tuple[NDArray[np.float64], Literal["table", "window", "full range"]]:
    """Return shades from 0 to 1, and where they come from."""
    if isinstance(window, tuple):
        return windowed(measured, *window, "LINEAR"), "window"
    if window is None and "VOILUTSequence" in tags:
        values, top = _looked_up(np.rint(measured), tags["VOILUTSequence"][0], bounds[0] < 0)
        return values / top, "table"
    if isinstance(window, int) or (window is None and "WindowCenter" in tags and "WindowWidth" in tags):
        centre, width = _window_of(tags, window or 0)
        return windowed(measured, centre, width, str(tags.get("VOILUTFunction", "LINEAR")).strip().upper()), "window"
    return np.clip((measured - bounds[0]) / max(bounds[1] - bounds[0], 1e-300), 0, 1), "full range"


def _window_of(tags: Mapping[str, Any], number: int) -> tuple[float, float]:
    """Return centre and width of a window of the file, by its number from 0."""
    centres, widths = (_numbers(tags, key) for key in ("WindowCenter", "WindowWidth"))
    n_windows = min(len(centres), len(widths))
    if number >= n_windows:
        raise RefusedError(f"has {n_windows} windows, but window {number} is asked for (the first is 0)")
    return centres[number], widths[number]


def windowed(values: NDArray[np.float64], centre: float, width: float, function: str) -> NDArray[np.float64]:
    """Apply a window (PS3.3 C.11.2.1.2 and C.11.2.1.3), to shades from 0 to 1."""
    if function == "SIGMOID" and width > 0:
        return np.asarray(1 / (1 + np.exp(np.clip(-4 * (values - centre) / width, -700, 700))))
    if function == "LINEAR_EXACT" and width > 0:
        return np.clip((values - centre) / width + 0.5, 0, 1)
    if function != "LINEAR" or width < 1:
        raise RefusedError("a window that is not defined: its width or its function")
    if width == 1:
        return (values > centre - 0.5).astype(np.float64)
    return np.clip((values - (centre - 0.5)) / (width - 1) + 0.5, 0, 1)


def _looked_up(values: NDArray[np.float64], item: Any, is_signed: bool) -> tuple[NDArray[np.float64], float]:
    """Look values up in a table of the file; return what is found, and the highest value that can be found."""
    n_entries, first, n_bits = (int(number) for number in item.LUTDescriptor)
    n_entries = n_entries or 1 << 16
    first = first - (1 << 16) if is_signed and first >= 1 << 15 else first
    data = item.LUTData
    if isinstance(data, bytes):
        entries = np.frombuffer(data, dtype="<u1" if n_bits == 8 and len(data) < 2 * n_entries else "<u2")
    else:
        entries = np.atleast_1d(np.asarray(data, dtype=np.int64))
    if not 8 <= n_bits <= 16 or len(entries) < n_entries:
        raise RefusedError(f"a table of {len(entries):,} values of {n_bits} bits, expected {n_entries:,}")
    top = (1 << n_bits) - 1
    places = np.clip(values - first, 0, n_entries - 1).astype(np.int64)
    return np.minimum(entries[places], top).astype(np.float64), float(top)


def _number(tags: Mapping[str, Any], key: str, default: float) -> float:
    return _numbers(tags, key)[0] if key in tags else default


def _numbers(tags: Mapping[str, Any], key: str) -> list[float]:
    """Return the numbers of an element of one or several."""
    value = tags.get(key, [])
    is_several = hasattr(value, "__iter__") and not isinstance(value, str)
    numbers = [float(item) for item in (value if is_several else [value])]
    if not np.isfinite(numbers).all() or any(abs(number) > 1e30 for number in numbers):
        raise RefusedError(f"{key} is not a number that can be used")
    return numbers
