"""What the checks look at: a small gray picture, a histogram and two hashes of every case, computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scantrial.audit.phash import HASH_SIDE, N_ORIENTATIONS, orientation_hashes
from scantrial.core.machine import n_cores
from scantrial.core.progress import Progress, silent
from scantrial.core.scratch import scratch_array
from scantrial.data.fit import gray_of, resize_all
from scantrial.data.folders import cache_folder
from scantrial.data.scanset import Pixels, ScanSet

THUMBNAIL = 64
"""Side of the small pictures in pixels."""

N_BINS = 64
"""Bins of a histogram, from black to the brightest value in the data set."""

SHARP_SIDE = 128
"""The longest side in pixels of the picture whose sharpness is measured: larger ones are scaled down to it."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STATISTICS = ("mean", "sd", "q05", "q25", "q50", "q75", "q95", "entropy")
_BLOCK, _BLOCK_PIXELS = 64, 1 << 21
"""Images, and pixels, that are looked at together."""

_COUNTED_AT_ONCE = 1 << 17
"""Pixels whose values are counted together, which stay in a processor's cache."""

_ROWS = 1024
"""Small pictures that are summed together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """Facts of n cases, in the order they were asked for.

    Parameters
    ----------
    thumbnails : shape (n, 64, 64), uint8, gray, scaled so that 255 is `top`; many are in a file of the cache
    hashes : shape (n, 8), uint64, perceptual hash of each of the eight orientations
    digests : n digests, SHA-256 of type, shape and pixels
    histograms : shape (n, 64), float32, rows sum to 1
    statistics : shape (n, 8), float64: the columns of `STATISTICS`, 1 is `top`; entropy in bits over the bins
    sharpness : shape (n,), mean absolute Laplacian of the picture scaled to at most 128 pixels, 1 is `top`
    at_floor, at_top : shape (n,), share of pixels at 0 and at the largest value of the pixel type
    peaks : shape (n,), the largest pixel of each image, in pixel units
    is_widened : shape (n,), whether an image of 16 bits was one of 8: multiples of 257, not all equal
    top : the largest pixel value of the data set, at least 1; 255 for 8 bits
    """

    thumbnails: NDArray[np.uint8]
    hashes: NDArray[np.uint64]
    digests: list[bytes]
    histograms: NDArray[np.float32]
    statistics: NDArray[np.float64]
    sharpness: NDArray[np.float64]
    at_floor: NDArray[np.float64]
    at_top: NDArray[np.float64]
    peaks: NDArray[np.int64]
    is_widened: NDArray[np.bool_]
    top: int

    def __len__(self) -> int:
        return len(self.digests)

    @property
    def own_tops(self) -> NDArray[np.float64]:
        """The brightest value of the scans of each image's own depth, as a share of `top`, shape (n,)."""
        if not self.is_widened.any() or self.is_widened.all():
            return np.ones(len(self))
        of_sixteen = max(1, int(self.peaks[~self.is_widened].max()))
        return np.where(self.is_widened, 65535, of_sixteen) / self.top

    def small(self, side: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the pictures of some rows averaged down to `side` x `side`, from 0 to 1.

        Parameters
        ----------
        side : a divisor of 64
        rows : positions; a picture takes 16 KB while it is averaged, so ask for some hundreds at a time

        Returns
        -------
        shape (len(rows), side, side)
        """
        step = THUMBNAIL // side
        # Whole numbers: no order of the sum changes them. Whole rows first, which lie side by side.
        blocks = self.thumbnails[rows].reshape(len(rows), side, step, THUMBNAIL)
        below = blocks[:, :, 0].astype(np.uint16)
        for down in range(1, step):
            below += blocks[:, :, down]
        total = below[:, :, ::step].astype(np.uint32)
        for across in range(1, step):
            total += below[:, :, across::step]
        return np.asarray(total.astype(np.float32) / np.float32(step * step) / np.float32(255))

    def mean_picture(self, rows: NDArray[np.int64] | None = None) -> NDArray[np.float64]:
        """Return the mean of the thumbnails of some rows, or of all, shape (64, 64)."""
        n = len(self) if rows is None else len(rows)
        total = np.zeros((THUMBNAIL, THUMBNAIL), dtype=np.int64)
        for start in range(0, n, _ROWS):
            some = slice(start, start + _ROWS)
            total += self.thumbnails[some if rows is None else rows[some]].sum(axis=0, dtype=np.int64)
        return np.asarray(total / n)


def case_facts(
    scans: ScanSet, cases: NDArray[np.int64], *, in_colour: bool = True, progress: Progress = silent
) -> CaseFacts:
    """Look at every case once, in threads.

    Parameters
    ----------
    cases : case numbers
    in_colour : whether three channels are red, green and blue; else their mean is looked at, as of other numbers
    progress : called with the cases read
    """
    images: Pixels = scans.images.view(np.ndarray)  # a slice of a memmap takes several times as long
    facts = _empty_facts(len(cases), _top(images))
    n_at_once = max(1, min(_BLOCK, _BLOCK_PIXELS // images[0].size))
    parts = [slice(start, min(start + n_at_once, len(cases))) for start in range(0, len(cases), n_at_once)]
    with ThreadPoolExecutor(n_cores()) as pool:
        found = pool.map(lambda part: _look(facts, part, images[cases[part]], in_colour=in_colour), parts)
        for part, digests in zip(parts, found, strict=True):
            facts.digests[part] = digests
            progress("looking at scans", part.stop, len(cases))
    return facts


def _empty_facts(n: int, top: int) -> CaseFacts:
    return CaseFacts(
        thumbnails=scratch_array((n, THUMBNAIL, THUMBNAIL), np.uint8, folder=cache_folder()),
        hashes=np.empty((n, N_ORIENTATIONS), dtype=np.uint64),
        digests=[b""] * n,
        histograms=np.empty((n, N_BINS), dtype=np.float32),
        statistics=np.empty((n, len(STATISTICS))),
        sharpness=np.empty(n),
        at_floor=np.empty(n),
        at_top=np.empty(n),
        peaks=np.empty(n, dtype=np.int64),
        is_widened=np.empty(n, dtype=bool),
        top=top,
    )


def _top(images: Pixels) -> int:
    """Return 255 for 8 bits; for 16 bits the largest value there is, since 12 bits are often kept in 16."""
    if images.dtype == np.uint8:
        return 255
    return max(1, *(int(block.max()) for block in _blocks(images)))


def _blocks(images: Pixels) -> Iterator[Pixels]:
    return (images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK))


def _look(facts: CaseFacts, part: slice, images: Pixels, *, in_colour: bool) -> list[bytes]:
    """Write the facts of some images into their rows, and return the digests."""
    top = facts.top
    gray = images if images.ndim == 3 else _stacked([gray_of(image, in_colour=in_colour) for image in images])
    small = resize_all(gray, (HASH_SIDE, HASH_SIDE)).astype(np.float32)
    facts.thumbnails[part] = _thumbnails(gray, top)
    facts.hashes[part] = orientation_hashes(small / np.float32(top))
    facts.sharpness[part] = [value / top for value in _sharpness_of_all(gray)]
    facts.peaks[part] = images.reshape(len(images), -1).max(axis=1)
    facts.is_widened[part] = [_was_eight_bits(image) for image in images]
    n_at_once = max(1, _COUNTED_AT_ONCE // max(gray[0].size, top + 1))
    for start in range(0, len(gray), n_at_once):
        some = gray[start : start + n_at_once]
        _count(facts, slice(part.start + start, part.start + start + len(some)), some)
    return [digest_of(image) for image in images]


def _stacked(images: Sequence[Pixels]) -> Pixels:
    found: Pixels = np.stack(images)  # type: ignore[assignment] # one type, the data set's
    return found


def digest_of(image: Pixels) -> bytes:
    """Return the SHA-256 of type, shape and pixels: equal for equal decoded images, whatever files they came from."""
    digest = hashlib.sha256(f"{image.dtype.name} {image.shape}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def _thumbnails(gray: Pixels, top: int) -> NDArray[np.uint8]:
    small = resize_all(gray, (THUMBNAIL, THUMBNAIL))
    if top == 255 and small.dtype == np.uint8:
        return small.astype(np.uint8, copy=False)
    return np.asarray(np.rint(small * (255.0 / top)).astype(np.uint8))


def _count(facts: CaseFacts, part: slice, gray: Pixels) -> None:
    """Write what the counts of all values tell: histogram in bins, mean, deviation, quantiles, entropy, ends."""
    n, n_values, size = len(gray), facts.top + 1, gray[0].size
    place = np.arange(n)[:, None] * n_values
    counts = np.bincount((gray.reshape(n, -1) + place).ravel(), minlength=n * n_values).reshape(n, n_values)
    share = counts / size
    values = np.arange(n_values) / facts.top
    squares = values**2
    below = np.cumsum(share, axis=1)
    of_bin = (np.arange(n_values) * N_BINS) // n_values
    bins = np.stack([np.bincount(of_bin, weights=row, minlength=N_BINS) for row in share])
    facts.histograms[part] = bins
    facts.at_floor[part] = share[:, 0]
    facts.at_top[part] = share[:, -1] if facts.top == np.iinfo(gray.dtype).max else 0.0
    statistics = facts.statistics[part]
    for column, quantile in enumerate(QUANTILES, start=2):
        statistics[:, column] = values[(below < quantile - 1e-12).sum(axis=1)]
    for row, (one, in_bins) in enumerate(zip(share, bins, strict=True)):
        mean = float(one @ values)
        there = in_bins[in_bins > 0]
        statistics[row, :2] = mean, np.sqrt(max(0.0, one @ squares - mean**2))
        statistics[row, -1] = -(there * np.log2(there)).sum()


def sharpness_of(gray: Pixels) -> float:
    """Return the mean absolute Laplacian (four neighbours, no borders) of a gray picture, 0 for one below 3 x 3 pixels.

    A picture with a side above 128 pixels is scaled down first: the noise of single pixels is not sharpness.
    """
    return _sharpness_of_all(_stacked([gray]))[0]


def _sharpness_of_all(gray: Pixels) -> list[float]:
    """Return the sharpness of pictures of shape (n, height, width)."""
    height, width = gray.shape[1:]
    scale = min(1.0, SHARP_SIDE / max(height, width))
    shape = (max(1, round(height * scale)), max(1, round(width * scale)))
    if min(shape) < 3:
        return [0.0] * len(gray)
    values = (gray if scale == 1 else resize_all(gray, shape)).astype(np.float32)
    beside = values[:, :-2, 1:-1] + values[:, 2:, 1:-1] + values[:, 1:-1, :-2] + values[:, 1:-1, 2:]
    return [float(one.mean(dtype=np.float64)) for one in np.abs(4 * values[:, 1:-1, 1:-1] - beside)]


def _was_eight_bits(picture: Pixels) -> bool:
    """Whether an image of 16 bits holds the values of 8, times 257."""
    return picture.dtype == np.uint16 and bool(picture.max() > picture.min()) and not (picture % 257).any()
