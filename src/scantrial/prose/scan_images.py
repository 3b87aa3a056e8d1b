"""The scans of a study as it decoded them, in words for the methods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from scantrial.core.format import joined

_FITS = {"stretch": "stretched", "pad": "padded to a square and scaled"}


def scan_images(image: Mapping[str, Any]) -> list[str]:
    """Say size and channels, and which page, range of values, window and frame was taken.

    Parameters
    ----------
    image : `data.image` of the study and the shape, as the view of a report has it
    """
    said = [_shape(image), _page(image.get("page")), _range(image.get("range"))]
    said += [_window(image.get("window")), _frame(image.get("frame"))]
    return [sentence for sentence in said if sentence]


def _shape(image: Mapping[str, Any]) -> str:
    if not image.get("shape"):
        return ""
    channels, *sides = str(image["shape"]).split(" × ")
    fit = _FITS.get(str(image.get("fit")))
    how = (
        f", {fit} to this size where needed (bilinear interpolation with antialiasing)"
        if fit and image.get("size")
        else ""
    )
    colour = "one channel" if channels == "1" else f"{channels} channels"
    return f"Scans have {' × '.join(sides)} pixels in {colour}{_picked(image.get('channels'))}{how}."


def _picked(channels: Any) -> str:
    if not isinstance(channels, Sequence) or isinstance(channels, str):
        return ""
    return f" ({joined([str(channel) for channel in channels])} of those in the files)"


def _page(page: Any) -> str:
    if page is None:
        return ""
    if page in ("max", "mean"):
        word = "maximum" if page == "max" else "mean"
        return f"Of each stack the {word} over its pages was taken."
    return f"Of each stack page {page} was taken, counted from 0."


def _window(window: Any) -> str:
    if window is None:
        return ""
    if window == "full":
        return "Gray levels of DICOM files span the full range of stored values."
    if isinstance(window, int):
        return f"Gray levels of DICOM files come from window {window} of each file, counted from 0."
    centre, width = window
    return f"Gray levels of DICOM and NIfTI files come from a window with centre {centre:g} and width {width:g}."


def _frame(frame: Any) -> str:
    if frame is None:
        return ""
    if frame == "all":
        return "Each frame or slice of a file is a case of its own."
    return f"Of each file frame (or slice) {frame} was taken, counted from 0."


def _range(limits: Any) -> str:
    if not limits:
        return ""
    low, high = limits
    return f"Values from {low:g} to {high:g} were scaled linearly to 16 bits, and values beyond were clipped."
