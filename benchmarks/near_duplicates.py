"""Seconds and memory of the search for near duplicates at 5,000, 20,000 and 100,000 hashes.

    python benchmarks/near_duplicates.py [--sizes 5000 20000 100000]

Two kinds of hashes: random bits, and, where ``$SCANTRIAL_DATA`` has the chest radiographs, bits as they have them,
drawn from a normal distribution with the mean and the covariance of their 64 cosine frequencies (the harder kind).
One in a hundred is a copy that differs in up to eight bits. The radius is 10 bits, cut down by calibration as the audit
does.
"""

from __future__ import annotations

import argparse
import math
import os
import resource
import time

import numpy as np

import scantrial
from scantrial.audit.duplicates import N_CALIBRATION, calibrated_radius
from scantrial.audit.hash_search import near_pairs
from scantrial.audit.phash import HASH_SIDE, distances, hashes_of_frequencies, low_frequencies
from scantrial.data.fit import resize


def random_hashes(n, rng):
    return hashes_of_frequencies(rng.normal(size=(n, 8, 8)))


def radiograph_hashes(n, rng):
    scans = scantrial.load_scans("chest-xray").images[::5, ..., 0]
    small = np.stack([resize(image, (HASH_SIDE, HASH_SIDE)) for image in scans]).astype(np.float32)
    low = low_frequencies(small).reshape(len(small), -1)
    return hashes_of_frequencies(rng.multivariate_normal(low.mean(axis=0), np.cov(low.T), n).reshape(n, 8, 8))


def with_copies(hashes, rng):
    rows = rng.choice(len(hashes) // 2, len(hashes) // 100, replace=False)
    for row in rows:
        flips = rng.choice(64, int(rng.integers(0, 9)), replace=False).astype(np.uint64)
        hashes[len(hashes) - 1 - row, 0] = hashes[row, 0] ^ np.bitwise_xor.reduce(np.uint64(1) << flips, initial=0)
    return hashes


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[5_000, 20_000, 100_000])
    options = parser.parse_args()
    print(
        "| hashes | n | radius | seconds | pairs | looked up | compared | peak memory |\n"
        "| --- | --- | --- | --- | --- | --- | --- | --- |"
    )
    kinds = {
        "random": random_hashes,
        **({"as of radiographs": radiograph_hashes} if "SCANTRIAL_DATA" in os.environ else {}),
    }
    for kind, make in kinds.items():
        times = [measure(kind, make, n) for n in options.sizes]
        power = math.log(times[-1] / times[0]) / math.log(options.sizes[-1] / options.sizes[0])
        ratio = (options.sizes[-1] * math.log(options.sizes[-1])) / (options.sizes[0] * math.log(options.sizes[0]))
        print(f"{kind}: {times[-1] / times[0]:.1f}-fold, as n to the {power:.2f}; n log n: {ratio:.1f}-fold")


def measure(kind, make, n):
    rng = np.random.default_rng(0)
    hashes = with_copies(make(n, rng), rng)
    apart = distances(hashes, *rng.integers(0, n, (2, N_CALIBRATION)))
    radius = min(10, calibrated_radius(apart, n))
    start = time.process_time()
    found = near_pairs(hashes, radius=radius)
    seconds = time.process_time() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"| {kind} | {n:,} | {radius} | {seconds:.2f} | {len(found):,} | {found.n_looked_up:,} | "
        f"{found.n_candidates:,} | {peak:.0f} MB |",
        flush=True,
    )
    return seconds


if __name__ == "__main__":
    main()
