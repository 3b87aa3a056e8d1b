"""What the checks look at: a small gray picture, a histogram and two hashes of every case, computed once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from scantrial.audit.phash import HASH_SIDE, orientation_hashes
from scantrial.core.machine import n_cores
from scantrial.core.progress import Progress, silent
from scantrial.data.fit import gray_of, resize
from scantrial.data.scanset import Pixels, ScanSet

THUMBNAIL = 64
"""Side of the small pictures in pixels."""

N_BINS = 64
"""Bins of a histogram, from black to the brightest value in the data set."""

SHARP_SIDE = 128
"""The longest side in pixels of the picture whose sharpness is measured: larger ones are scaled down to it."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
STATISTICS = ("mean", "sd", "q05", "q25", "q50", "q75", "q95", "entropy")
_BLOCK = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseFacts:
    """Facts of n cases, in the order they were asked for.

    Parameters
    ----------
    thumbnails : shape (n, 64, 64), uint8, gray, scaled so that 255 is `top`
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
    digests: tuple[bytes, ...]
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

    def small(self, side: int) -> NDArray[np.float32]:
        """Return the pictures averaged down to `side` x `side`, a divisor of 64; shape (n, side, side), 0 to 1."""
        step = THUMBNAIL // side
        blocks = self.thumbnails.reshape(len(self), side, step, side, step)
        return np.asarray(blocks.mean(axis=(2, 4), dtype=np.float32) / np.float32(255))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Block:
    thumbnails: NDArray[np.uint8]
    hashes: NDArray[np.uint64]
    digests: list[bytes]
    histograms: NDArray[np.float32]
    statistics: NDArray[np.float64]
    sharpness: list[float]
    ends: NDArray[np.float64]
    peaks: NDArray[np.int64]
    is_widened: NDArray[np.bool_]


def case_facts(scans: ScanSet, cases: NDArray[np.int64], *, progress: Progress = silent) -> CaseFacts:
    """Look at every case once, in threads.

    Parameters
    ----------
    cases : case numbers
    progress : called with the cases read
    """
    top = _top(scans.images)
    starts = range(0, len(cases), _BLOCK)
    blocks: list[_Block] = []
    with ThreadPoolExecutor(n_cores()) as pool:
        jobs = pool.map(lambda start: _look(scans.images, cases[start : start + _BLOCK], top), starts)
        for start, block in zip(starts, jobs, strict=True):
            blocks.append(block)
            progress("looking at scans", min(start + _BLOCK, len(cases)), len(cases))
    ends = np.concatenate([block.ends for block in blocks])
    return CaseFacts(
        thumbnails=np.concatenate([block.thumbnails for block in blocks]),
        hashes=np.concatenate([block.hashes for block in blocks]),
        digests=tuple(digest for block in blocks for digest in block.digests),
        histograms=np.concatenate([block.histograms for block in blocks]),
        statistics=np.concatenate([block.statistics for block in blocks]),
        sharpness=np.array([value for block in blocks for value in block.sharpness]),
        at_floor=ends[:, 0],
        at_top=ends[:, 1],
        peaks=np.concatenate([block.peaks for block in blocks]),
        is_widened=np.concatenate([block.is_widened for block in blocks]),
        top=top,
    )


def _top(images: Pixels) -> int:
    """Return 255 for 8 bits; for 16 bits the largest value there is, since 12 bits are often kept in 16."""
    if images.dtype == np.uint8:
        return 255
    return max(1, *(int(block.max()) for block in _blocks(images)))


def _blocks(images: Pixels) -> Iterator[Pixels]:
    return (images[start : start + _BLOCK] for start in range(0, len(images), _BLOCK))


def _look(images: Pixels, cases: NDArray[np.int64], top: int) -> _Block:
    pictures = [np.ascontiguousarray(images[case]) for case in cases]
    gray = [gray_of(picture) for picture in pictures]
    histograms, statistics = zip(*(_statistics(picture, top) for picture in gray), strict=True)
    small = np.stack([resize(picture, (HASH_SIDE, HASH_SIDE)) for picture in gray]).astype(np.float32)
    return _Block(
        thumbnails=np.stack([_thumbnail(picture, top) for picture in gray]),
        hashes=orientation_hashes(small / np.float32(top)),
        digests=[digest_of(picture) for picture in pictures],
        histograms=np.stack(histograms),
        statistics=np.stack(statistics),
        sharpness=[sharpness_of(picture) / top for picture in gray],
        ends=np.array([_ends(picture) for picture in gray]),
        peaks=np.array([picture.max() for picture in pictures], dtype=np.int64),
        is_widened=np.array([_was_eight_bits(picture) for picture in pictures]),
    )


def digest_of(image: Pixels) -> bytes:
    """Return the SHA-256 of type, shape and pixels: equal for equal decoded images, whatever files they came from."""
    digest = hashlib.sha256(f"{image.dtype.name} {image.shape}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def _thumbnail(gray: Pixels, top: int) -> NDArray[np.uint8]:
    small = resize(gray, (THUMBNAIL, THUMBNAIL))
    if top == 255 and small.dtype == np.uint8:
        return small.astype(np.uint8)
    return np.asarray(np.rint(small * (255.0 / top)).astype(np.uint8))


def _statistics(gray: Pixels, top: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return the histogram in bins, and mean, deviation, quantiles and entropy, from the counts of all values."""
    counts = np.bincount(gray.ravel(), minlength=top + 1).astype(np.float64)
    share = counts / counts.sum()
    values = np.arange(len(share)) / top
    mean = float(share @ values)
    deviation = float(np.sqrt(max(0.0, share @ values**2 - mean**2)))
    quantiles = values[np.searchsorted(np.cumsum(share), np.array(QUANTILES) - 1e-12)]
    bins = np.bincount((np.arange(len(share)) * N_BINS) // (top + 1), weights=share, minlength=N_BINS)
    there = bins[bins > 0]
    entropy = float(-(there * np.log2(there)).sum())
    return bins.astype(np.float32), np.array([mean, deviation, *quantiles, entropy])


def sharpness_of(gray: Pixels) -> float:
    """Return the mean absolute Laplacian (four neighbours, no borders) of a gray picture, 0 for one below 3 x 3 pixels.

    A picture with a side above 128 pixels is scaled down first: the noise of single pixels is not sharpness.
    """
    scale = min(1.0, SHARP_SIDE / max(gray.shape))
    shape = (max(1, round(gray.shape[0] * scale)), max(1, round(gray.shape[1] * scale)))
    values = (gray if scale == 1 else resize(gray, shape)).astype(np.float32)
    if min(values.shape) < 3:
        return 0.0
    beside = values[:-2, 1:-1] + values[2:, 1:-1] + values[1:-1, :-2] + values[1:-1, 2:]
    return float(np.abs(4 * values[1:-1, 1:-1] - beside).mean(dtype=np.float64))


def _was_eight_bits(picture: Pixels) -> bool:
    """Whether an image of 16 bits holds the values of 8, times 257."""
    return picture.dtype == np.uint16 and bool(picture.max() > picture.min()) and not (picture % 257).any()


def _ends(gray: Pixels) -> tuple[float, float]:
    limit = np.iinfo(gray.dtype).max
    return float((gray == 0).mean()), float((gray == limit).mean())
