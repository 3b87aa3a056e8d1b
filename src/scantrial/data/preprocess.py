"""From pixels to a network's input, with numbers fitted on training cases only.

Two stages. The *integer stage* maps pixels to pixels of the same type (clipping at percentiles, then histogram
equalisation of an image or around each pixel, or nothing) and is done once. The *affine stage* is
``(pixel - centre) / width`` for each channel, the same for all images or with a row for each image, so that every
engine uses the same numbers.
With ``none`` the centre is 0 and the width 255 (or 65535): plain division, as in a notebook.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import TypeAdapter, ValidationError

from scantrial.core.errors import InputError, ShapeError, StoreError
from scantrial.core.names import listed
from scantrial.core.plain import LEFT_OUT_IF_NONE, Plain
from scantrial.data import contrast
from scantrial.data.contrast import with_channels
from scantrial.data.scanset import Pixels
from scantrial.recipe.image import CHANGING, Clahe

Method = Literal["none", "dataset", "image", "equalize", "clahe", "pretrained"]
METHODS: tuple[Method, ...] = get_args(Method)

_BLOCK_PIXELS = 1 << 20  # sums of 2^20 squared 16-bit pixels are still exact in float64


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine:
    """The affine stage: ``(pixel - centre) / width``.

    Parameters
    ----------
    centre, width : shape (1, channels), one for all images, or (n, channels), a row for each; float64, in pixel units
    """

    centre: NDArray[np.float64]
    width: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preprocessing(Plain):
    """How scans become a network's input; `fit_preprocessing` makes it, ``run.json`` keeps it.

    Parameters
    ----------
    method : ``none``, ``dataset``, ``image``, ``equalize``, ``clahe`` or ``pretrained``
    pixel_type : "uint8" or "uint16"
    channels : 1 for gray, 3 for RGB, or how many the scans have
    centre, width : one number for each channel, in pixel units; None for ``image``, where each image has its own
    clip_percentiles : of each channel of each image, at which it is clipped first; None where it is not
    clahe : the settings of ``clahe``; None for other methods
    """

    method: Method
    pixel_type: str
    channels: int
    centre: tuple[float, ...] | None
    width: tuple[float, ...] | None
    clip_percentiles: tuple[float, float] | None = field(default=None, metadata=LEFT_OUT_IF_NONE)
    clahe: Clahe | None = field(default=None, metadata=LEFT_OUT_IF_NONE)

    def check(self, images: NDArray[Any]) -> None:
        """Refuse images of a different pixel type or number of channels.

        Raises
        ------
        InputError
            If the pixel type differs.
        ShapeError
            If the shape is not (n, height, width) for gray or (n, height, width, channels) for other scans.
        """
        if images.dtype != np.dtype(self.pixel_type):
            raise InputError(
                f"pixels of type {images.dtype}",
                expected=f"{self.pixel_type}, as in training",
                do="read the scans in the same format as the training scans",
            )
        good = images.ndim == 3 if self.channels == 1 else images.ndim == 4 and images.shape[3] == self.channels
        if not good:
            wanted = "(n, height, width)" if self.channels == 1 else f"(n, height, width, {self.channels})"
            raise ShapeError(f"images of shape {images.shape}", expected=wanted)

    @property
    def changes_pixels(self) -> bool:
        """Whether the integer stage does anything."""
        return self.clip_percentiles is not None or self.method in CHANGING

    def integers(self, images: Pixels) -> Pixels:
        """Do the integer stage: changed copies, or the images themselves where nothing is to be done."""
        self.check(images)
        return _integers(images, self.method, self.clip_percentiles, self.clahe)

    def integers_of(self, images: Pixels, cases: NDArray[np.int64]) -> Pixels:
        """Return a copy of some images after the integer stage, made a few at a time."""
        self.check(images)
        done = np.empty_like(images, shape=(len(cases), *images.shape[1:]), order="C", subok=False)
        row = 0
        for block in image_blocks(images, cases):
            done[row : row + len(block)] = self.integers(block)
            row += len(block)
        return done

    def affine(self, images: Pixels, cases: NDArray[np.int64] | None = None) -> Affine:
        """Return the affine stage for images that went through `integers`.

        Parameters
        ----------
        cases : rows of `images`, whose affine stage it is; None for all
        """
        self.check(images)
        if self.centre is None or self.width is None:
            return _image_affine(images, np.arange(len(images)) if cases is None else cases)
        return Affine(centre=np.array([self.centre]), width=np.array([self.width]))

    def apply(self, images: Pixels) -> NDArray[np.float32]:
        """Return the network's input, shape (n, channels, height, width)."""
        pixels = self.integers(images)
        affine = self.affine(pixels)
        channels_first = with_channels(pixels).transpose(0, 3, 1, 2).astype(np.float32)
        centred = channels_first - affine.centre.astype(np.float32)[:, :, None, None]
        scaled: NDArray[np.float32] = centred / affine.width.astype(np.float32)[:, :, None, None]
        return scaled

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Preprocessing:
        """Build from what `to_dict` gave.

        Raises
        ------
        StoreError
            If it is something else.
        """
        try:
            found = TypeAdapter(cls).validate_python(dict(data))
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            raise _damaged(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from error
        for numbers in (found.centre, found.width):
            n = found.channels if numbers is None else len(numbers)
            if n != found.channels or (numbers is None) != (found.method == "image"):
                raise _damaged(f"{found.method} with {numbers} for {found.channels} channels")
        if (found.clahe is None) == (found.method == "clahe"):
            raise _damaged(f"{found.method} with {found.clahe} as settings of CLAHE")
        return found


def _damaged(what: str) -> StoreError:
    return StoreError(
        f"the preprocessing in run.json is damaged: {what}",
        expected="what scantrial writes there",
        do="restore it from a copy, or delete the run's folder and run the study again",
    )


Moments = tuple[tuple[float, ...], tuple[float, ...]]
"""Mean and standard deviation of each of three channels, of pixels in [0, 1]."""


def fit_preprocessing(
    images: Pixels,
    cases: NDArray[np.int64],
    method: str,
    *,
    clip_percentiles: tuple[float, float] | None = None,
    clahe: Clahe | None = None,
    moments: Moments | None = None,
) -> Preprocessing:
    """Fit the numbers of a preprocessing on training cases.

    Parameters
    ----------
    images : shape (n, height, width) or (n, height, width, channels), uint8 or uint16; may be memory-mapped
    cases : rows of `images` to fit on: the training cases only
    method : ``none`` (scaling to [0, 1] only), ``dataset`` (mean 0 and deviation 1 over all training pixels of a
        channel), ``image`` (the same within each channel of each image), ``equalize`` (each channel's histogram
        flattened, then scaled to [0, 1]), ``clahe`` (the same around each pixel, with limited contrast), ``pretrained``
        (scaled to [0, 1], then standardised by `moments`; images that are not RGB by their averages over the channels).
        Standard deviations are of the population. Constant pixels become 0.
    clip_percentiles : clip each channel of each image at these before anything else; None does not
    clahe : the settings of ``clahe``, if not the usual ones
    moments : what pretrained weights take, for ``pretrained`` only

    Raises
    ------
    InputError
        If the method is unknown or ``dataset`` has no case to fit on.
    ShapeError
        If the images are not an array of scans.
    """
    if method not in METHODS:
        raise InputError(f"no normalisation is called {method!r}", expected=f"one of {listed(METHODS)}")
    if method == "clahe":
        clahe = clahe or Clahe()
    elif clahe is not None:
        raise InputError(f"normalisation {method!r} with {clahe}", expected="settings of CLAHE for clahe alone")
    if images.ndim not in (3, 4) or images.dtype not in (np.uint8, np.uint16):
        raise ShapeError(
            f"images of shape {images.shape} and type {images.dtype}",
            expected="(n, height, width[, channels]) of uint8 or uint16",
        )
    channels = 1 if images.ndim == 3 else images.shape[3]
    if method == "pretrained" and moments is None:
        raise InputError("normalisation 'pretrained' without pretrained weights", expected="a network of timm")
    known: Method = next(name for name in METHODS if name == method)
    prepare = partial(_integers, method=known, clip_at=clip_percentiles, how=clahe)
    centre, width = _fit_numbers(images, cases, method, channels, prepare)
    if moments is not None:
        centre, width = (_of_pixels(numbers, images, channels) for numbers in moments)
    return Preprocessing(
        method=known,
        pixel_type=images.dtype.name,
        channels=channels,
        centre=centre,
        width=width,
        clip_percentiles=clip_percentiles,
        clahe=clahe,
    )


def _integers(images: Pixels, method: Method, clip_at: tuple[float, float] | None, how: Clahe | None) -> Pixels:
    clipped = images if clip_at is None else contrast.clip_percentiles(images, clip_at)
    if how is not None:
        return contrast.adaptive_equalize(clipped, how)
    return equalize(clipped) if method == "equalize" else clipped


def equalize(images: Pixels) -> Pixels:
    """Flatten the histogram of each channel of each image; the pixel type stays.

    A pixel of value v becomes ``round((C(v) - C_min) / (N - C_min) x max)`` with C the cumulative histogram, C_min its
    value at the darkest pixel, N the number of pixels (Gonzalez and Woods, Digital Image Processing, 4th ed., section
    3.3, stretched to the full range). A constant image stays as it is.
    """
    return contrast.by_plane(images, _equalize_plane)


def _equalize_plane(plane: NDArray[Any]) -> NDArray[Any]:
    largest = int(np.iinfo(plane.dtype).max)
    cumulative = np.bincount(plane.ravel(), minlength=largest + 1).cumsum()
    darkest = int(cumulative[plane.min()])
    if darkest == plane.size:
        return plane
    levels = np.rint((cumulative - darkest) * (largest / (plane.size - darkest))).clip(0, largest)
    flattened: NDArray[Any] = levels.astype(plane.dtype)[plane]
    return flattened


def _of_pixels(numbers: tuple[float, ...], images: Pixels, channels: int) -> tuple[float, ...]:
    """Return numbers of three channels in pixel units; for images that are not RGB their average."""
    largest = float(np.iinfo(images.dtype).max)
    chosen = numbers if channels == len(numbers) else (sum(numbers) / len(numbers),) * channels
    return tuple(largest * number for number in chosen)


def _fit_numbers(
    images: Pixels, cases: NDArray[np.int64], method: str, channels: int, prepare: Callable[[Pixels], Pixels]
) -> tuple[tuple[float, ...] | None, tuple[float, ...] | None]:
    if method == "image":
        return None, None
    if method == "dataset":
        return _dataset_moments(images, cases, prepare)
    return (0.0,) * channels, (float(np.iinfo(images.dtype).max),) * channels


def _dataset_moments(
    images: Pixels, cases: NDArray[np.int64], prepare: Callable[[Pixels], Pixels]
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation of each channel: sums of whole numbers, so that blocks and order cannot change them."""
    if len(cases) == 0:
        raise InputError("normalisation 'dataset' with no training case", expected="at least one training case")
    n_channels = 1 if images.ndim == 3 else images.shape[3]
    count, total, squares = 0, [0] * n_channels, [0] * n_channels
    for block in image_blocks(images, cases):
        values = with_channels(prepare(block)).reshape(-1, n_channels).astype(np.float64)
        for start in range(0, len(values), _BLOCK_PIXELS):
            part = values[start : start + _BLOCK_PIXELS]
            count += len(part)
            for channel in range(n_channels):
                total[channel] += int(part[:, channel].sum())
                squares[channel] += int(np.dot(part[:, channel], part[:, channel]))
    means = tuple(value / count for value in total)
    variances = ((count * square - value * value) / count**2 for square, value in zip(squares, total, strict=True))
    return means, tuple(variance**0.5 or 1.0 for variance in variances)


def _image_affine(images: Pixels, cases: NDArray[np.int64]) -> Affine:
    n_channels = 1 if images.ndim == 3 else images.shape[3]
    centre = np.empty((len(cases), n_channels))
    width = np.empty((len(cases), n_channels))
    row = 0
    for block in image_blocks(images, cases):
        values = with_channels(block).astype(np.float64)
        centre[row : row + len(block)] = values.mean(axis=(1, 2))
        width[row : row + len(block)] = values.std(axis=(1, 2))
        row += len(block)
    width[width == 0] = 1.0
    return Affine(centre=centre, width=width)


def image_blocks(images: Pixels, cases: NDArray[np.int64]) -> Iterator[Pixels]:
    """Yield copies of the cases' images a few at a time, so that there is never a copy of the whole data set."""
    n_at_once = max(1, _BLOCK_PIXELS // max(1, images[0].size)) if len(images) else 1
    for start in range(0, len(cases), n_at_once):
        yield images[cases[start : start + n_at_once]]
