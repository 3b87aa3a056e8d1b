"""Perceptual hashes: which images look alike, though their pixels differ.

The hash of an image is the sign pattern of its 64 lowest cosine frequencies against their median. A flip changes the
signs of odd frequencies and a transposition swaps the two directions, so the hashes of all eight orientations come
from one transform.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

HASH_SIDE = 32
"""Side in pixels of the image that is hashed."""

N_ORIENTATIONS = 8
_LOW = 8
_N_CHUNKS = 4
_CHUNK_BITS = 16
_CHUNK_SIZE = 1 << _CHUNK_BITS
_PIECE = 200_000
"""Comparisons made at a time: their arrays stay in a processor's cache."""

MAX_RADIUS = 11
"""Distances up to here are found without fail: of four chunks one then differs in two bits at most."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HashPairs:
    """Pairs of images whose hashes are near, each pair once.

    Parameters
    ----------
    first, second : shape (n_pairs,), positions, first < second
    orientation : shape (n_pairs,), the orientation of `second` that is nearest to `first` as it is
    distance : shape (n_pairs,), bits that differ
    n_candidates : pairs that were compared bit by bit
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    orientation: NDArray[np.int64]
    distance: NDArray[np.int64]
    n_candidates: int

    def __len__(self) -> int:
        return len(self.first)


def orient(images: NDArray[np.float32], orientation: int) -> NDArray[np.float32]:
    """Return images of shape (n, side, side) in one of eight orientations.

    The number's bits say what is done: the columns are reversed (1), the rows (2), then both are exchanged (4).
    """
    if orientation & 1:
        images = images[:, :, ::-1]
    if orientation & 2:
        images = images[:, ::-1, :]
    return images.transpose(0, 2, 1) if orientation & 4 else images


def orientation_hashes(images: NDArray[np.float32]) -> NDArray[np.uint64]:
    """Return the 64-bit hashes of the eight orientations, shape (n, 8), of images of shape (n, 32, 32).

    References
    ----------
    Zauner (2010), Implementation and benchmarking of perceptual image hash functions, thesis, section 3.2.1; size and
    median as in ImageHash's `phash`.
    """
    return hashes_of_frequencies(low_frequencies(images))


def low_frequencies(images: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the lowest 8 x 8 coefficients of the cosine transform, shape (n, 8, 8)."""
    basis = _cosines()
    return np.asarray(np.einsum("ui,nij,vj->nuv", basis, images.astype(np.float64), basis, optimize=True))


def hashes_of_frequencies(low: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Return the hashes of the eight orientations, shape (n, 8), from coefficients of shape (n, 8, 8)."""
    odd = np.where(np.arange(_LOW) % 2, -1.0, 1.0)
    hashes = np.empty((len(low), N_ORIENTATIONS), dtype=np.uint64)
    for orientation in range(N_ORIENTATIONS):
        turned = low * (odd[None, :] if orientation & 1 else 1.0) * (odd[:, None] if orientation & 2 else 1.0)
        turned = turned.transpose(0, 2, 1) if orientation & 4 else turned
        hashes[:, orientation] = _packed(turned.reshape(len(low), -1))
    return hashes


def _cosines() -> NDArray[np.float64]:
    frequency, place = np.arange(_LOW)[:, None], np.arange(HASH_SIDE)[None, :]
    return np.asarray(np.cos(np.pi * frequency * (2 * place + 1) / (2 * HASH_SIDE)))


def _packed(values: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Pack the 64 comparisons with the median; bit i goes to chunk i mod 4, so that coarse ones are spread evenly."""
    bits = values > np.median(values, axis=1, keepdims=True)
    order = np.arange(64).reshape(-1, _N_CHUNKS).T.ravel()
    weights = np.uint64(1) << np.arange(64, dtype=np.uint64)
    packed: NDArray[np.uint64] = (bits[:, order] * weights).sum(axis=1, dtype=np.uint64)
    return packed


def n_bits_set(values: NDArray[np.uint64]) -> NDArray[np.integer[Any]]:
    """Count the bits that are set in each number."""
    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(values))
    octets = np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, 8)
    return np.asarray(_BITS_OF_OCTET[octets].sum(axis=-1))


_BITS_OF_OCTET = np.array([bin(octet).count("1") for octet in range(256)], dtype=np.int64)


def distances(hashes: NDArray[np.uint64], first: NDArray[np.int64], second: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the smallest distance of pairs over the eight orientations of the second, shape (n_pairs,)."""
    return np.asarray(n_bits_set(hashes[first, :1] ^ hashes[second]).min(axis=1), dtype=np.int64)


def nearest_orientation(
    hashes: NDArray[np.uint64], first: NDArray[np.int64], second: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return the orientation of the second in which each pair is nearest, shape (n_pairs,)."""
    return np.asarray(n_bits_set(hashes[first, :1] ^ hashes[second]).argmin(axis=1), dtype=np.int64)


def near_pairs(hashes: NDArray[np.uint64], *, radius: int) -> HashPairs:
    """Find every pair within `radius` bits in any of the eight orientations.

    Multi-index hashing: two hashes that differ in at most `radius` of 64 bits differ in at most radius // 4 bits of
    one of their four chunks of 16, so only images in the same or a neighbouring bucket of some chunk are compared.

    Parameters
    ----------
    hashes : shape (n, 8), of `orientation_hashes`
    radius : 0 to 11

    Notes
    -----
    Exact. The cost is n times the number of neighbouring buckets, plus the comparisons, which are few as long as the
    buckets are: hashes that are all alike make it quadratic.

    References
    ----------
    Norouzi, Punjani, Fleet (2012), Fast search in Hamming space with multi-index hashing, CVPR.
    """
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"radius {radius}, expected 0 to {MAX_RADIUS}")
    plain, turned = np.ascontiguousarray(hashes[:, 0]), hashes.ravel()
    owner = np.repeat(np.arange(len(hashes), dtype=np.int32), N_ORIENTATIONS)
    found: list[NDArray[np.int64]] = [np.zeros((2, 0), dtype=np.int64)]
    n_candidates = 0
    for chunk in range(_N_CHUNKS):
        shift = np.uint64(chunk * _CHUNK_BITS)
        keys = ((plain >> shift) & np.uint64(_CHUNK_SIZE - 1)).astype(np.int32)
        asked = ((turned >> shift) & np.uint64(_CHUNK_SIZE - 1)).astype(np.int32)
        buckets = _Buckets(keys)
        for mask in _masks(radius // _N_CHUNKS):
            for query, case in buckets.matches(asked ^ np.int32(mask)):
                n_candidates += len(query)
                near = np.flatnonzero(n_bits_set(plain[case] ^ turned[query]) <= radius)
                near = near[case[near] < owner[query[near]]]
                found.append(np.stack([case[near], owner[query[near]]]).astype(np.int64))
    return _deduplicated(np.concatenate(found, axis=1), hashes, n_candidates)


def _masks(n_bits: int) -> list[int]:
    return [sum(1 << bit for bit in bits) for n in range(n_bits + 1) for bits in combinations(range(_CHUNK_BITS), n)]


class _Buckets:
    """Cases sorted by the value of one chunk."""

    def __init__(self, keys: NDArray[np.int32]) -> None:
        self.order = np.argsort(keys, kind="stable").astype(np.int32)
        ends = np.cumsum(np.bincount(keys, minlength=_CHUNK_SIZE))
        self.starts = np.concatenate([[0], ends]).astype(np.int32)
        self.counts = np.diff(self.starts)

    def matches(self, asked: NDArray[np.int32]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32]]]:
        """Yield (queries, cases) whose values are equal, in pieces."""
        count = self.counts[asked]
        queries = np.flatnonzero(count)
        count = count[queries]
        start = self.starts[asked[queries]]
        ends = np.cumsum(count, dtype=np.int64)
        low = 0
        while low < len(queries):
            done = int(ends[low - 1]) if low else 0
            high = max(low + 1, int(np.searchsorted(ends, done + _PIECE, side="right")))
            n = count[low:high]
            # The place in the sorted cases: the bucket's start, counting up by one within the bucket.
            place = np.repeat(start[low:high] - (np.cumsum(n) - n), n) + np.arange(n.sum())
            yield np.repeat(queries[low:high], n), self.order[place]
            low = high


def _deduplicated(pairs: NDArray[np.int64], hashes: NDArray[np.uint64], n_candidates: int) -> HashPairs:
    """Keep each pair once, with the orientation in which it is nearest."""
    n = len(hashes)
    code = np.unique(pairs[0] * n + pairs[1])
    first, second = code // max(n, 1), code % max(n, 1)
    return HashPairs(
        first=first,
        second=second,
        orientation=nearest_orientation(hashes, first, second),
        distance=distances(hashes, first, second),
        n_candidates=n_candidates,
    )
