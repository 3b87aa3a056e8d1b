"""Every pair of images whose hashes are near, without comparing all pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from scantrial.audit.phash import N_ORIENTATIONS, distances, n_bits_set, nearest_orientation

MAX_RADIUS = 11
"""Distances up to here are found without fail: of three chunks one then differs in three bits at most."""

_TILE = N_ORIENTATIONS
"""Hashes that are compared at once; the number of all of them is a multiple of it."""

_TILES_AT_ONCE = 4_096
_ASKED_AT_ONCE = 4_096
_LOOKED_UP_AT_ONCE = 32_768
"""Sizes of the pieces that the work is done in: what a piece needs stays in a processor's cache."""

_MORE = 1 << 31

Buckets = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class HashPairs:
    """Pairs of images whose hashes are near, each pair once.

    Parameters
    ----------
    first, second : shape (n_pairs,), positions, first < second
    orientation : shape (n_pairs,), the orientation of `second` that is nearest to `first` as it is
    distance : shape (n_pairs,), bits that differ
    n_looked_up : buckets that were looked up
    n_candidates : pairs that were compared bit by bit
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    orientation: NDArray[np.int64]
    distance: NDArray[np.int64]
    n_looked_up: int
    n_candidates: int

    def __len__(self) -> int:
        return len(self.first)


def near_pairs(hashes: NDArray[np.uint64], *, radius: int) -> HashPairs:
    """Find every pair within `radius` bits in any of the eight orientations.

    Multi-index hashing: hashes are cut into three chunks. Two that differ in at most ``r = 3 q + a`` bits differ in at
    most q bits of one of the first a + 1 chunks, or in at most q - 1 of one of the others: if not, they would differ
    in ``(a + 1)(q + 1) + (2 - a) q = r + 1``. So only images in the same or a neighbouring bucket of some chunk are
    compared, and most buckets are passed over by a look at two words.

    Parameters
    ----------
    hashes : shape (n, 8), of `orientation_hashes`
    radius : 0 to 11

    Notes
    -----
    Exact. The cost is n times the number of neighbouring buckets (3,588 at 10 bits, 718 at 8), as long as buckets are
    mostly empty: up to some 200,000 images, if their hashes are spread. Memory: some 150 bytes an image, up to 64 MB
    of tables, and the pairs found.

    References
    ----------
    Norouzi, Punjani, Fleet (2012), Fast search in Hamming space with multi-index hashing, CVPR, section 2.1.
    """
    if not 0 <= radius <= MAX_RADIUS:
        raise ValueError(f"radius {radius}, expected 0 to {MAX_RADIUS}")
    plain, turned = np.ascontiguousarray(hashes[:, 0]), hashes.ravel()
    found: list[NDArray[np.int64]] = [np.zeros((2, 0), dtype=np.int64)]
    n_looked_up = n_candidates = 0
    for number, chunk in enumerate(_CHUNKS if len(hashes) else ()):
        cases = np.argsort(chunk.values(plain), kind="stable")
        asked, index = plain[cases], _Index(chunk, turned)
        for n_flips, masks in enumerate(chunk.masks((radius - number) // len(_CHUNKS))):
            n_looked_up += len(cases) * len(masks)
            for rows, buckets in index.promising(asked, masks, radius - n_flips):
                for row, tiles in index.tiles_of(rows, buckets):
                    n_candidates += tiles.size * _TILE
                    near, place = index.near(asked[row], tiles, radius)
                    first, second = cases[row[near]], index.order[place] // N_ORIENTATIONS
                    found.append(np.stack([first, second])[:, first < second])
    return _deduplicated(np.concatenate(found, axis=1), hashes, n_looked_up, n_candidates)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Chunk:
    """Some adjacent bits of a hash."""

    start: int
    n_bits: int

    def values(self, hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
        return np.asarray(((hashes >> np.uint64(self.start)) & np.uint64((1 << self.n_bits) - 1)).astype(np.uint32))

    def others(self, hashes: NDArray[np.uint64]) -> NDArray[np.uint32]:
        """Return 31 bits of the other chunks."""
        end = np.uint64(self.start + self.n_bits)
        rolled = (hashes >> end) | (hashes << (np.uint64(64) - end))
        return np.asarray((rolled & np.uint64(_MORE - 1)).astype(np.uint32))

    def masks(self, n_flips: int) -> list[NDArray[np.int64]]:
        """Return every set of 0, 1, up to `n_flips` bits; nothing where that is below 0."""
        places = range(self.n_bits)
        return [
            np.array([sum(1 << bit for bit in bits) for bits in combinations(places, n)]) for n in range(n_flips + 1)
        ]


_CHUNKS = (_Chunk(start=0, n_bits=22), _Chunk(start=22, n_bits=21), _Chunk(start=43, n_bits=21))


class _Index:
    """Hashes sorted by the value of one chunk, in tiles of eight that are compared at once, and two words a bucket.

    A word holds 31 bits of the other chunks of the bucket's first, or second, hash; its top bit tells that the bucket
    holds more hashes than these two. A bucket that the words do not rule out is compared by the tiles that
    it touches; what they hold of its neighbours is compared along, which is cheaper than to leave it out.
    """

    def __init__(self, chunk: _Chunk, hashes: NDArray[np.uint64]) -> None:
        values = chunk.values(hashes)
        self.chunk = chunk
        self.order = np.argsort(values, kind="stable")
        self.hashes = hashes[self.order].reshape(-1, _TILE)
        in_order = values[self.order]
        starts = np.flatnonzero(np.r_[True, in_order[1:] != in_order[:-1]])
        ends, buckets = np.r_[starts[1:], len(values)], in_order[starts]
        self.first = np.zeros(1 << chunk.n_bits, dtype=np.int32)
        self.n_tiles = np.zeros_like(self.first)
        self.first[buckets] = starts // _TILE
        self.n_tiles[buckets] = -(-ends // _TILE) - starts // _TILE
        self.words = np.zeros((2, 1 << chunk.n_bits), dtype=np.uint32)
        for rank in (0, 1):
            there = starts + rank < ends
            more = np.where(starts + rank + 1 < ends, np.uint32(_MORE), np.uint32(0))
            told = chunk.others(self.hashes.ravel()[starts[there] + rank])
            self.words[rank, buckets[there]] = told | more[there]

    def promising(
        self, asked: NDArray[np.uint64], masks: NDArray[np.int64], limit: int
    ) -> Iterator[tuple[NDArray[np.int64], Buckets]]:
        """Yield (rows of `asked`, buckets that may hold a hash near to theirs), in pieces.

        Parameters
        ----------
        masks : bits of the chunk in which the buckets differ from the hashes asked about
        limit : bits of the other chunks that may differ
        """
        keys, others = self.chunk.values(asked).astype(np.int64), self.chunk.others(asked)
        for low in range(0, len(keys), _ASKED_AT_ONCE):
            mine, words = keys[low : low + _ASKED_AT_ONCE], others[low : low + _ASKED_AT_ONCE]
            n_masks = max(1, _LOOKED_UP_AT_ONCE // len(mine))
            for start in range(0, len(masks), n_masks):
                buckets = mine ^ masks[start : start + n_masks, None]
                near, more = self._told(0, buckets, words, limit)
                hits = np.flatnonzero(near | more)
                rows, buckets = hits % len(mine), buckets.ravel()[hits]
                second = np.logical_or(*self._told(1, buckets, words[rows], limit))
                kept = np.flatnonzero(near.ravel()[hits] | second)
                yield rows[kept] + low, buckets[kept]

    def _told(
        self, rank: int, buckets: Buckets, asked: NDArray[np.uint32], limit: int
    ) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        """Return whether a bucket's hash of this rank may be within the limit, and whether the bucket holds more."""
        apart = self.words[rank].take(buckets)
        apart ^= asked
        return n_bits_set(apart) <= limit + 1, apart >= np.uint32(_MORE)  # The top bit may be one of those set.

    def tiles_of(
        self, rows: NDArray[np.int64], buckets: Buckets
    ) -> Iterator[tuple[NDArray[np.int64], NDArray[np.int32]]]:
        """Yield (row, tile) for each tile of the rows' buckets, in pieces."""
        n_tiles, first = self.n_tiles[buckets], self.first[buckets]
        ends = np.cumsum(n_tiles, dtype=np.int64)
        low = 0
        while low < len(rows):
            done = int(ends[low - 1]) if low else 0
            high = max(low + 1, int(np.searchsorted(ends, done + _TILES_AT_ONCE, side="right")))
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


def _deduplicated(
    pairs: NDArray[np.int64], hashes: NDArray[np.uint64], n_looked_up: int, n_candidates: int
) -> HashPairs:
    """Keep each pair once, with the orientation in which it is nearest."""
    n = len(hashes)
    code = np.unique(pairs[0] * n + pairs[1])
    first, second = code // max(n, 1), code % max(n, 1)
    return HashPairs(
        first=first,
        second=second,
        orientation=nearest_orientation(hashes, first, second),
        distance=distances(hashes, first, second),
        n_looked_up=n_looked_up,
        n_candidates=n_candidates,
    )
