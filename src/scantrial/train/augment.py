"""Augmentation of a batch of scans: one resampling for all geometry, then intensity, on any device.

Pixels are floats in [0, 1] here, the range of their integer type, and stay within it. The draws come from
`scantrial.train.draws`; where they are zero, an operation returns its input.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from scantrial.recipe.augment import AugmentSpec
from scantrial.train.draws import Boxes, CaseDraws, affine_maps, erased_boxes

PADDING = {"black": "zeros", "edge": "border", "reflect": "reflection"}
"""How `grid_sample` calls what comes in at the borders."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in gray (ITU-R BT.601)."""


def augmented(images: Tensor, spec: AugmentSpec, drawn: CaseDraws) -> Tensor:
    """Return scans changed at random; the input is not written to.

    Parameters
    ----------
    images : shape (n, channels, height, width), float32 in [0, 1]
    drawn : the draws of these n cases
    """
    images = moved(images, spec, drawn)
    for is_on, change in _INTENSITY:
        images = change(images, spec, drawn) if is_on(spec) else images
    return images.clamp(0, 1)


# ---------------------------------------------------------------------- geometry


def moved(images: Tensor, spec: AugmentSpec, drawn: CaseDraws) -> Tensor:
    """Do the geometry in one bilinear resampling."""
    if not spec.moves_pixels:
        return images
    height, width = images.shape[2:]
    maps = _on(affine_maps(spec, drawn, height=height, width=width), images)
    right = torch.arange(width, device=images.device, dtype=torch.float32) - (width - 1) / 2
    down = torch.arange(height, device=images.device, dtype=torch.float32)[:, None] - (height - 1) / 2
    places = [
        maps[:, row, 0, None, None] * right + maps[:, row, 1, None, None] * down + maps[:, row, 2, None, None]
        for row in (0, 1)
    ]
    # grid_sample counts from -1 to 1, from border to border.
    grid = torch.stack([places[0] * (2 / width), places[1] * (2 / height)], dim=3)
    if spec.elastic:
        grid = grid + _displacement(spec, drawn, images)
    return functional.grid_sample(images, grid, padding_mode=PADDING[spec.fill], align_corners=False)


def _displacement(spec: AugmentSpec, drawn: CaseDraws, images: Tensor) -> Tensor:
    """Return the elastic displacement of each pixel in the units of the grid, shape (n, height, width, 2)."""
    points = _on(drawn.normals("elastic", (2, spec.elastic_grid, spec.elastic_grid)), images)
    smooth = functional.interpolate(points, size=images.shape[2:], mode="bicubic", align_corners=True)
    return smooth.permute(0, 2, 3, 1) * (2 * spec.elastic)


# ---------------------------------------------------------------------- intensity


def _brighter(images: Tensor, spec: AugmentSpec, drawn: CaseDraws) -> Tensor:
    return (images * _factor(1 + drawn.within("brightness", spec.brightness), images)).clamp(0, 1)


def _contrasted(images: Tensor, spec: AugmentSpec, drawn: CaseDraws) -> Tensor:
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (mean + (images - mean) * _factor(1 + drawn.within("contrast", spec.contrast), images)).clamp(0, 1)


def _saturated(images: Tensor, spec: AugmentSpec, drawn: CaseDraws) -> Tensor:
    gray = (images * images.new_tensor(LUMA)[:, None, None]).sum(dim=1, keepdim=True)
    return (gray + (images - gray) * _factor(1 + drawn.within("saturation", spec.saturation), images)).clamp(0, 1)


def _hue_turned(images: Tensor, spec: AugmentSpec, drawn: CaseDraws) -> Tensor:
    """Turn the hue of the HSV colour model; brightest and darkest channel of each pixel keep their values."""
    high, low = images.amax(dim=1), images.amin(dim=1)
    span = high - low
    red, green, blue = (images / torch.where(span == 0, 1, span)[:, None]).unbind(dim=1)
    hue = torch.where(
        images[:, 0] == high,
        (green - blue) % 6,
        torch.where(images[:, 1] == high, blue - red + 2, red - green + 4),
    )
    hue = hue + 6 * _factor(drawn.within("hue", spec.hue), images)[:, 0]
    sixths = [(offset + hue) % 6 for offset in (5, 3, 1)]
    return torch.stack([high - span * torch.minimum(part, 4 - part).clamp(0, 1) for part in sixths], dim=1)


def _gamma(images: Tensor, spec: AugmentSpec, drawn: CaseDraws) -> Tensor:
    exponent = np.exp(drawn.within("gamma", math.log1p(spec.gamma)))
    return images ** _factor(exponent, images)


def _blurred(images: Tensor, spec: AugmentSpec, drawn: CaseDraws) -> Tensor:
    """Convolve with a Gaussian along each side, cut off at three of the largest standard deviations."""
    deviation = np.maximum(drawn.uniform("blur") * spec.blur, 1e-3)
    radius = math.ceil(3 * spec.blur)
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / deviation) ** 2)
    kernel = _on(weights / weights.sum(axis=1, keepdims=True), images)
    n, channels = images.shape[:2]
    kernels = kernel.repeat_interleave(channels, dim=0)[:, None, :, None]
    rows = images.reshape(1, n * channels, *images.shape[2:])
    rows = functional.pad(rows, (radius, radius, radius, radius), mode="replicate")
    rows = functional.conv2d(rows, kernels, groups=n * channels)
    return functional.conv2d(rows, kernels.transpose(2, 3), groups=n * channels).reshape(images.shape)


def _coarser(images: Tensor, spec: AugmentSpec, drawn: CaseDraws) -> Tensor:
    """Make each scan smaller, and as large as before, bilinearly."""
    factors = spec.low_resolution + (1 - spec.low_resolution) * drawn.uniform("low_resolution")[:, 0]
    size = images.shape[2:]
    rows = []
    for image, factor in zip(torch.split(images, 1), factors, strict=True):
        small = [max(1, round(side * factor)) for side in size]
        reduced = functional.interpolate(image, size=small, mode="bilinear", antialias=True)
        rows.append(functional.interpolate(reduced, size=size, mode="bilinear"))
    return torch.cat(rows)


def _noisy(images: Tensor, spec: AugmentSpec, drawn: CaseDraws) -> Tensor:
    deviation = _factor(drawn.uniform("noise") * spec.noise, images)
    return (images + deviation * _on(drawn.normals("noise-pixels", tuple(images.shape[1:])), images)).clamp(0, 1)


def _erased(images: Tensor, spec: AugmentSpec, drawn: CaseDraws) -> Tensor:
    height, width = images.shape[2:]
    inside = box_mask(erased_boxes(spec, drawn, height=height, width=width), images)
    return torch.where(inside, images.mean(dim=(1, 2, 3), keepdim=True), images)


Change = Callable[[Tensor, AugmentSpec, CaseDraws], Tensor]

_INTENSITY: tuple[tuple[Callable[[AugmentSpec], bool], Change], ...] = (
    (lambda spec: spec.brightness > 0, _brighter),
    (lambda spec: spec.contrast > 0, _contrasted),
    (lambda spec: spec.saturation > 0, _saturated),
    (lambda spec: spec.hue > 0, _hue_turned),
    (lambda spec: spec.gamma > 0, _gamma),
    (lambda spec: spec.blur > 0, _blurred),
    (lambda spec: spec.low_resolution < 1, _coarser),
    (lambda spec: spec.noise > 0, _noisy),
    (lambda spec: spec.erasing > 0, _erased),
)
"""The changes of intensity in their order, and whether a spec has them."""


def box_mask(boxes: Boxes, images: Tensor) -> Tensor:
    """Return which pixels are inside each scan's rectangle, shape (n, 1, height, width)."""
    row = torch.arange(images.shape[2], device=images.device)[None, None, :, None]
    column = torch.arange(images.shape[3], device=images.device)[None, None, None, :]
    top, bottom, left, right = (
        torch.from_numpy(edge).to(images.device)[:, None, None, None]
        for edge in (boxes.top, boxes.bottom, boxes.left, boxes.right)
    )
    return (row >= top) & (row < bottom) & (column >= left) & (column < right)


def _on(values: NDArray[np.float64] | NDArray[np.float32], images: Tensor) -> Tensor:
    """Bring numbers to the device and the type of the scans."""
    return torch.from_numpy(values).to(images.dtype).to(images.device)


def _factor(values: NDArray[np.float64], images: Tensor) -> Tensor:
    """Bring one number for each case, shape (n, 1), into the shape (n, 1, 1, 1)."""
    return _on(values, images)[:, :, None, None]
