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
_MANY = 20_000
_TWO_FLIPS = 8
_N_INTERLEAVED = 4
_TILE = N_ORIENTATIONS
"""Hashes that are compared at once; the number of all of them is a multiple of it."""

_PIECE = 4_096
"""Tiles compared at a time: their arrays stay in a processor's cache."""

MAX_RADIUS = 11
"""Distances up to here are found without fail: of four chunks of 16 bits one then differs in two at most."""


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
    """Pack the 64 comparisons with the median; bit i goes to quarter i mod 4, so that coarse ones are spread evenly."""
    bits = values > np.median(values, axis=1, keepdims=True)
    order = np.arange(64).reshape(-1, _N_INTERLEAVED).T.ravel()
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


def near_pairs(hashes: NDArray[np.uint64], *, radius: int, n_chunks: int | None = None) -> HashPairs:
    """Find every pair within `radius` bits in any of the eight orientations.

    Multi-index hashing: hashes are cut into m chunks. Two that differ in at most ``r = m q + a`` bits differ in at most
    q bits of one of the first a + 1 chunks, or in at most q - 1 of one of the others: if not, they would differ in
    ``(a + 1)(q + 1) + (m - 1 - a) q = r + 1``. So only images in the same or a neighbouring bucket of some chunk are
    compared.

    Parameters
    ----------
    hashes : shape (n, 8), of `orientation_hashes`
    radius : 0 to 11
    n_chunks : 4, of 16 bits, or 3, of 21 and 22, whose buckets are emptier and more; default: 3 for more than 20,000
        images and at most 8 bits, where two flips find them, in 718 buckets instead of 188 that are 32 times as full

    Notes
    -----
    Exact with either. The cost is n times the number of neighbouring buckets plus the comparisons, which grow with the
    square of n as buckets fill. Memory: some 150 bytes an image, up to 100 MB of tables, and the pairs found.

    References
    ----------
    Norouzi, Punjani, Fleet (2012), Fast search in Hamming space with multi-index hashing, CVPR, section 2.1.
    """
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"radius {radius}, expected 0 to {MAX_RADIUS}")
    plain, turned = np.ascontiguousarray(hashes[:, 0]), hashes.ravel()
    found: list[NDArray[np.int64]] = [np.zeros((2, 0), dtype=np.int64)]
    n_candidates = 0
    chunks = _CHUNKS[n_chunks or (3 if len(hashes) > _MANY and radius <= _TWO_FLIPS else 4)]
    for number, chunk in enumerate(chunks if len(hashes) else ()):
        cases = np.argsort(chunk.values(plain), kind="stable")
        in_order = plain[cases]
        keys, tiles = chunk.values(in_order), _Tiles(chunk, turned)
        for mask in chunk.masks((radius - number) // len(chunks)):
            for rows, tile in tiles.of_buckets(keys ^ keys.dtype.type(mask)):
                n_candidates += tile.size * _TILE
                row, place = tiles.near(in_order[rows], tile, radius)
                first, second = cases[rows[row]], tiles.order[place] // N_ORIENTATIONS
                found.append(np.stack([first, second])[:, first < second])
    return _deduplicated(np.concatenate(found, axis=1), hashes, n_candidates)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """Some bits of a hash that stand side by side."""

    start: int
    n_bits: int

    def values(self, hashes: NDArray[np.uint64]) -> NDArray[np.unsignedinteger[Any]]:
        kind = np.uint16 if self.n_bits <= 16 else np.uint32  # NumPy sorts 16 bits by counting.
        return np.asarray(((hashes >> np.uint64(self.start)) & np.uint64((1 << self.n_bits) - 1)).astype(kind))

    def masks(self, n_flips: int) -> list[int]:
        """Return every set of at most `n_flips` bits; none where that is below 0."""
        flips = [bits for n in range(n_flips + 1) for bits in combinations(range(self.n_bits), n)]
        return [sum(1 << bit for bit in bits) for bits in flips]


_CHUNKS = {
    3: (_Chunk(start=0, n_bits=22), _Chunk(start=22, n_bits=21), _Chunk(start=43, n_bits=21)),
    4: tuple(_Chunk(start=start, n_bits=16) for start in range(0, 64, 16)),
}


class _Tiles:
    """Hashes sorted by the value of one chunk, in tiles of eight that are compared at once.

    A bucket is compared by the tiles that it touches; what they hold of its neighbours is compared along, which is
    cheaper than to leave it out.
    """

    def __init__(self, chunk: _Chunk, hashes: NDArray[np.uint64]) -> None:
        values = chunk.values(hashes)
        self.order = np.argsort(values, kind="stable")
        self.hashes = hashes[self.order].reshape(-1, _TILE)
        count = np.bincount(values, minlength=1 << chunk.n_bits)
        ends = np.cumsum(count)
        self.first = ((ends - count) // _TILE).astype(np.int32)
        self.n_tiles = np.where(count, -(-ends // _TILE) - self.first, 0).astype(np.int32)

    def of_buckets(
        self, values: NDArray[np.unsignedinteger[Any]]
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32]]]:
        """Yield (rows of `values`, tiles of their buckets), in pieces."""
        n_tiles = self.n_tiles[values]
        rows = np.flatnonzero(n_tiles)
        n_tiles, first = n_tiles[rows], self.first[values[rows]]
        ends = np.cumsum(n_tiles, dtype=np.int64)
        low = 0
        while low < len(rows):
            done = int(ends[low - 1]) if low else 0
            high = max(low + 1, int(np.searchsorted(ends, done + _PIECE, side="right")))
            n = n_tiles[low:high]
            # A tile's number: the bucket's first, counting up by one within the bucket.
            start = first[low:high] - (ends[low:high] - n - done).astype(np.int32)
            yield np.repeat(rows[low:high], n), np.repeat(start, n) + np.arange(n.sum(), dtype=np.int32)
            low = high

    def near(
        self, asked: NDArray[np.uint64], tiles: NDArray[np.int32], radius: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Compare each hash with its tile; return (positions in `asked`, places in the order) within the radius."""
        near = np.flatnonzero(n_bits_set(self.hashes.take(tiles, axis=0) ^ asked[:, None]) <= radius)
        row = near // _TILE
        return row, tiles[row].astype(np.int64) * _TILE + near % _TILE


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
