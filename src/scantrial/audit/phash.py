"""Perceptual hashes: which images look alike, though their pixels differ.

The hash of an image is the sign pattern of its 64 lowest cosine frequencies against their median. A flip changes the
signs of odd frequencies and a transposition swaps the two directions, so the hashes of all eight orientations come
from one transform.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

HASH_SIDE = 32
"""Side in pixels of the image that is hashed."""

N_ORIENTATIONS = 8
_LOW = 8
_N_INTERLEAVED = 3


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
    for orientation in range(N_ORIENTATIONS // 2):
        turned = low * (odd[None, :] if orientation & 1 else 1.0) * (odd[:, None] if orientation & 2 else 1.0)
        middle = np.sort(turned.reshape(len(low), -1), axis=1)[:, [31, 32]].mean(axis=1)  # sooner than np.median
        bits = turned > middle[:, None, None]
        hashes[:, orientation] = _packed(bits)
        hashes[:, orientation | 4] = _packed(bits.transpose(0, 2, 1))
    return hashes


def _cosines() -> NDArray[np.float64]:
    frequency, place = np.arange(_LOW)[:, None], np.arange(HASH_SIDE)[None, :]
    return np.asarray(np.cos(np.pi * frequency * (2 * place + 1) / (2 * HASH_SIDE)))


def _packed(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """Pack 8 x 8 comparisons with the median; bit i goes to third i mod 3, so that coarse ones are spread evenly."""
    order = np.argsort(np.arange(64) % _N_INTERLEAVED, kind="stable")
    octets = np.packbits(bits.reshape(len(bits), 64)[:, order], axis=1, bitorder="little")
    return np.ascontiguousarray(octets).view("<u8")[:, 0].astype(np.uint64)


def n_bits_set(values: NDArray[np.unsignedinteger[Any]]) -> NDArray[np.integer[Any]]:
    """Count the bits that are set in each number."""
    if hasattr(np, "bitwise_count"):
        return np.asarray(np.bitwise_count(values))
    octets = np.ascontiguousarray(values).view(np.uint8).reshape(*values.shape, values.itemsize)
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
