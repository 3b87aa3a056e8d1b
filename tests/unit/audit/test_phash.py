"""Perceptual hashes: eight orientations from one transform, and a search that misses nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scantrial.audit.duplicates import calibrated_radius
from scantrial.audit.hash_search import MAX_RADIUS, near_pairs
from scantrial.audit.phash import distances, hashes_of_frequencies, n_bits_set, orient, orientation_hashes


def pictures(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 32, 32)).astype(np.float32)


@pytest.mark.parametrize("orientation", range(8))
def test_the_hash_of_an_orientation_is_that_of_the_turned_picture(orientation):
    """Hashes by signs and transposition equal the hash of the picture itself, flipped and transposed."""
    images = pictures(20)
    turned = np.ascontiguousarray(orient(images, orientation))
    assert (orientation_hashes(images)[:, orientation] == orientation_hashes(turned)[:, 0]).all()


def test_the_eight_orientations_are_all_there_are():
    """Flips and transpositions of one picture: eight different ones, closed under turning by a quarter."""
    image = pictures(1)
    seen = {np.ascontiguousarray(orient(image, k)).tobytes() for k in range(8)}
    assert len(seen) == 8
    assert np.ascontiguousarray(np.rot90(image[0])[None]).tobytes() in seen


def test_a_hash_agrees_with_the_definition():
    """Bits of i mod 3, one third after the other, say whether low frequency i of SciPy's cosine transform exceeds the median."""
    from scipy.fft import dctn

    image = pictures(1)[0]
    low = dctn(image.astype(float), norm=None)[:8, :8].ravel()
    bits = low > np.median(low)
    order = [*range(0, 64, 3), *range(1, 64, 3), *range(2, 64, 3)]
    expected = sum(int(bits[source]) << place for place, source in enumerate(order))
    assert int(orientation_hashes(image[None])[0, 0]) == expected


def brute_force(hashes: np.ndarray, radius: int) -> dict[tuple[int, int], int]:
    found = {}
    for a in range(len(hashes)):
        for b in range(a + 1, len(hashes)):
            apart = min(bin(int(hashes[a, 0]) ^ int(h)).count("1") for h in hashes[b])
            if apart <= radius:
                found[a, b] = apart
    return found


@given(st.integers(0, MAX_RADIUS), st.integers(0, 2**32 - 1))
def test_the_search_finds_what_comparing_all_pairs_finds(radius, seed):
    """Every pair within the radius, with its distance, and no other: among near copies, turned or not."""
    rng = np.random.default_rng(seed)
    hashes = rng.integers(0, 2**64, (24, 8), dtype=np.uint64)
    for row in range(12):
        flips = rng.choice(64, size=int(rng.integers(0, 14)), replace=False)
        mask = np.bitwise_or.reduce(np.uint64(1) << flips.astype(np.uint64)) if len(flips) else np.uint64(0)
        hashes[row + 12, int(rng.integers(8))] = hashes[row, 0] ^ mask
    found = near_pairs(hashes, radius=radius)
    pairs = zip(found.first.tolist(), found.second.tolist(), found.distance.tolist(), strict=True)
    assert {(a, b): d for a, b, d in pairs} == brute_force(hashes, radius)


@pytest.mark.parametrize("kind", ["spread", "crowded"])
@pytest.mark.parametrize("radius", [0, 2, 5, 8, 10, 11])
def test_the_search_among_many_finds_what_comparing_all_pairs_finds(radius, kind):
    """Of 1,500 images, a third of them near copies, no pair is missed and none added: buckets empty, or crowded."""
    rng = np.random.default_rng(radius)
    low = rng.normal(size=(1500, 8, 8))
    hashes = hashes_of_frequencies(low if kind == "spread" else 0.4 * low + rng.normal(size=(8, 8)))
    for row in range(500):
        flips = rng.choice(64, size=int(rng.integers(0, 14)), replace=False).astype(np.uint64)
        mask = np.bitwise_or.reduce(np.uint64(1) << flips, initial=np.uint64(0))
        hashes[row + 1000, int(rng.integers(8))] = hashes[row, 0] ^ mask
    found = near_pairs(hashes, radius=radius)
    first, second = np.triu_indices(len(hashes), 1)
    apart = distances(hashes, first, second)
    near = apart <= radius
    assert np.array_equal(np.stack([found.first, found.second]), np.stack([first[near], second[near]]))
    assert np.array_equal(found.distance, apart[near])
    assert len(found) > 10


def test_the_work_grows_as_the_number_of_images():
    """Five times the images, 10 bits: five times the buckets looked up, and less than one pair in ten compared."""
    small, large = (
        near_pairs(hashes_of_frequencies(np.random.default_rng(n).normal(size=(n, 8, 8))), radius=10)
        for n in (4_000, 20_000)
    )
    n_buckets = 1794 + 1562 + 232
    assert (small.n_looked_up, large.n_looked_up) == (4_000 * n_buckets, 20_000 * n_buckets)
    work = [found.n_looked_up + found.n_candidates for found in (small, large)]
    assert work[1] / work[0] < 5 * np.log(20_000) / np.log(4_000)


def test_hashes_that_are_all_alike_are_all_found():
    """One bucket holds everything and is compared in several pieces: every pair is found once."""
    found = near_pairs(np.full((300, 8), 5, dtype=np.uint64), radius=2)
    assert len(found) == 300 * 299 // 2


def test_a_radius_that_the_search_cannot_keep_is_refused():
    """Beyond 11 bits pairs could be missed."""
    with pytest.raises(ValueError, match="radius 12, expected 0 to 11"):
        near_pairs(np.zeros((2, 8), dtype=np.uint64), radius=12)


def test_nothing_and_one_image_have_no_pairs():
    """No images, one image: no pair and no fault."""
    for n in (0, 1):
        assert len(near_pairs(np.zeros((n, 8), dtype=np.uint64), radius=10)) == 0


def test_bits_are_counted():
    """Against Python's own count; distances take the nearest orientation."""
    values = np.random.default_rng(1).integers(0, 2**64, (50, 8), dtype=np.uint64)
    expected = [[bin(int(value)).count("1") for value in row] for row in values]
    assert n_bits_set(values).tolist() == expected
    assert n_bits_set(np.array([0, 1, 2**32 - 1], dtype=np.uint32)).tolist() == [0, 1, 32]
    apart = distances(values, np.array([0]), np.array([1]))
    assert apart[0] == min(bin(int(values[0, 0]) ^ int(v)).count("1") for v in values[1])


def test_the_calibrated_radius_leaves_a_scan_few_chance_neighbours():
    """The 0.1 % quantile of different patients up to 10,000 scans; above, the quantile of 10 in n."""
    apart = np.repeat([6, 8, 10, 30], [5, 45, 950, 99_000]).astype(np.int64)
    assert [calibrated_radius(apart, n) for n in (500, 10_000, 20_000, 100_000, 1_000_000)] == [10, 10, 8, 8, 6]
