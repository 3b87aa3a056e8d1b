"""How the sizes and channels of some scans are spread, and what one size to bring them to."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from scantrial.core.format import joined
from scantrial.core.plain import Plain
from scantrial.data.spec import ImageSpec

WORKING_SIDE = 256
"""The longest side in pixels that scans of several sizes are brought to where nobody says which."""

_DISTORTED = 1.1
"""Largest width by height divided by the smallest from which on the fit is told of."""

TRAINING_SIDES = (28, 32, 48, 64)
"""Sides in pixels that are proposed for training; the largest still trains in minutes on a processor."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ShapeSpread(Plain):
    """How sizes and channels of some scans are spread, before any resizing.

    Parameters
    ----------
    sizes : (height, width, number of scans), the commonest first
    channels : (channels, number of scans), the commonest first
    brought_to : size and channels that the scans were brought to, where they differ in them; else None
    to_train : what ``data.image`` of a study file has to say so that networks can be trained; None if nothing
    """

    sizes: tuple[tuple[int, int, int], ...]
    channels: tuple[tuple[int, int], ...]
    brought_to: Mapping[str, Any] | None = None
    to_train: Mapping[str, Any] | None = None

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ShapeSpread:
        """Build from what `to_dict` gave."""
        sizes = tuple((high, wide, n) for high, wide, n in data["sizes"])
        channels = tuple((n_channels, n) for n_channels, n in data["channels"])
        return cls(sizes=sizes, channels=channels, brought_to=data["brought_to"], to_train=data["to_train"])

    @property
    def lines(self) -> list[str]:
        """One sentence on sizes, one on channels, and one on what training needs."""
        said = [f"Sizes: {_sizes_in_words(self.sizes)}", f"Channels: {_channels_in_words(self.channels)}"]
        if self.brought_to is not None:
            if len(self.sizes) > 1:
                said[0] += f"; brought to {' x '.join(map(str, self.brought_to['size']))} for this audit"
            if len(self.channels) > 1:
                said[1] += f"; read as {_kind(self.brought_to['channels'])} for this audit"
        if self.to_train is not None:
            said.append(f"To train, a study file needs, under data: {image_line(self.to_train)}")
        return said


def shape_spread(shapes: Mapping[tuple[int, ...], int], *, given: ImageSpec | None = None) -> ShapeSpread:
    """Describe how shapes are spread, and choose one size and number of channels where they differ.

    Parameters
    ----------
    shapes : number of scans by (height, width) or (height, width, channels)
    given : the size and channels that are asked for
    """
    given = given or ImageSpec()
    sizes, channels = Counter[tuple[int, int]](), Counter[int]()
    for shape, n in shapes.items():
        sizes[shape[0], shape[1]] += n
        channels[_n_channels(shape)] += n
    several = {"size": len(sizes) > 1, "channels": len(channels) > 1}
    high, wide = median_size(sizes)
    shrink = min(1.0, WORKING_SIDE / max(high, wide))
    working = {
        "size": given.shape or (max(4, round(high * shrink)), max(4, round(wide * shrink))),
        "channels": given.channels or 1,
    }
    proposed = {"size": training_side(sizes), "channels": channels.most_common(1)[0][0]}
    return ShapeSpread(
        sizes=tuple((*size, n) for size, n in sizes.most_common()),
        channels=tuple(channels.most_common()),
        brought_to={key: working[key] for key in working if several[key]} or None,
        to_train={key: proposed[key] for key in proposed if several[key]} or None,
    )


def working_image(spread: ShapeSpread, given: ImageSpec) -> ImageSpec:
    """Return what to decode scans with: what is asked for, and one size and number of channels where they differ."""
    return ImageSpec(**{**given.model_dump(exclude_none=True), **(spread.brought_to or {})})


def median_size(sizes: Mapping[tuple[int, int], int]) -> tuple[int, int]:
    """Return the median height and the median width of scans, given the number of each (height, width)."""
    numbers = list(sizes.values())
    high, wide = (int(np.median(np.repeat([size[axis] for size in sizes], numbers))) for axis in (0, 1))
    return high, wide


def training_side(sizes: Mapping[tuple[int, int], int]) -> int:
    """Return the side in pixels that is proposed for training: of `TRAINING_SIDES` the largest that enlarges few scans.

    The median of the shorter sides is not enlarged. Where it is below the smallest of them, it is taken itself.
    """
    shorter = int(np.median(np.repeat([min(size) for size in sizes], list(sizes.values()))))
    return max((side for side in TRAINING_SIDES if side <= shorter), default=max(4, shorter))


def proposed_image(spread: ShapeSpread, *, colour_is_gray: bool) -> tuple[dict[str, Any], str]:
    """Return size and channels that are proposed for training, and why.

    Parameters
    ----------
    colour_is_gray : whether scans with three channels hold the same value in all of them
    """
    sizes = {(high, wide): n for high, wide, n in spread.sizes}
    side = training_side(sizes)
    size: int | list[int] = side
    if len(sizes) == 1:
        high, wide = spread.sizes[0][:2]
        scale = side / min(high, wide)
        size = side if high == wide else [round(high * scale), round(wide * scale)]
    n_channels = 1 if colour_is_gray else max(n for n, _ in spread.channels)
    why = (
        f"{spread.lines[0].partition(';')[0]}. {spread.lines[1].partition(';')[0]}. Proposed: a size that trains in "
        f"minutes and enlarges few scans, and {_kind(n_channels)}"
    )
    if colour_is_gray and any(n != 1 for n, _ in spread.channels):
        why += ": the colour scans hold the same value in all channels"
    why += ". A larger size can be put on trial: image.size as a factor."
    narrow, broad = proportions(sizes)
    if broad > _DISTORTED * narrow:
        why += (
            f" Width by height runs from {narrow:.2g} to {broad:.2g}, and stretching all to one size distorts them: "
            "fit: pad keeps them, with black borders, whose width a network can learn too."
        )
    return {"size": size, "channels": n_channels}, why


def proportions(sizes: Mapping[tuple[int, int], int]) -> tuple[float, float]:
    """Return the width divided by the height that a twentieth of the scans is below, and that a twentieth is above."""
    shapes = np.repeat([wide / high for high, wide in sizes], list(sizes.values()))
    return float(np.quantile(shapes, 0.05)), float(np.quantile(shapes, 0.95))


def image_line(image: Mapping[str, Any]) -> str:
    """Return the line of a study file, below ``data:``, that gives all scans one size and number of channels."""
    return f"image: {{{', '.join(f'{key}: {_plain(value)}' for key, value in image.items())}}}"


def _plain(value: Any) -> str:
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    return f"{value:.9g}" if isinstance(value, float) else str(value)


def _n_channels(shape: Sequence[int]) -> int:
    return 1 if len(shape) == 2 else shape[2]


def _sizes_in_words(sizes: Sequence[tuple[int, int, int]]) -> str:
    if len(sizes) == 1:
        return f"all {sizes[0][0]} x {sizes[0][1]} pixels"
    high, wide = median_size({(height, width): n for height, width, n in sizes})
    heights, widths = ([size[axis] for size in sizes] for axis in (0, 1))
    return (
        f"{len(sizes):,} different, heights from {min(heights):,} to {max(heights):,} and widths from "
        f"{min(widths):,} to {max(widths):,} pixels, median {high:,} x {wide:,}"
    )


def _channels_in_words(channels: Sequence[tuple[int, int]]) -> str:
    if len(channels) == 1:
        return f"all {_with(channels[0][0])}"
    return joined([f"{n:,} {_with(n_channels)}" for n_channels, n in channels])


def _with(n_channels: int) -> str:
    return "gray" if n_channels == 1 else f"with {n_channels} channels"


def _kind(channels: Any) -> str:
    if isinstance(channels, int):
        return "gray" if channels == 1 else f"{channels} channels"
    return f"channels {joined(list(map(str, channels)))}"
