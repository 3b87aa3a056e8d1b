"""Where a step of the fused engine's kernel goes: what it takes with parts of it left out.

    python benchmarks/kernel_profile.py [--units 256] [--threads 2] [--repeats 40]

One step of a first layer of 65,536 pixels on a batch of 32 is: the gradient product, Adam's update, and the product
with the next batch, all in one pass over weights and moments. A part is left out by giving the kernel no cases, no next
batch, or another optimiser. Medians in milliseconds, with the range of the middle half.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from scantrial.train.kernel import ADAM, SGD, Kernel, SweepArguments, chosen_variant

N_PIXELS, BATCH, N_IMAGES = 65536, 32, 1600


class Layer:
    """A first layer with its moments, scans, and two batches."""

    def __init__(self, n_pixels, n_units):
        rng = np.random.default_rng(0)
        self.pixels = rng.integers(0, 255, (N_IMAGES, n_pixels), dtype=np.uint8)
        self.weight = rng.normal(0, 0.01, (n_pixels, n_units)).astype(np.float32)
        self.average, self.square = (np.full_like(self.weight, start) for start in (1e-4, 1e-6))
        self.delta = rng.normal(0, 0.01, (BATCH, n_units)).astype(np.float32)
        self.next = np.zeros((BATCH, n_units), np.float32)
        self.centre, self.width = np.zeros(1, np.float32), np.full(1, 255, np.float32)
        self.rng = rng

    def arguments(self, **changed):
        """Return a step on two fresh batches, Adam's unless it is changed."""
        rows = self.rng.permutation(N_IMAGES)[: 2 * BATCH].astype(np.int64)
        self.rows, self.next_rows = rows[:BATCH].copy(), rows[BATCH:].copy()
        names = ("weight", "average", "square", "pixels", "centre", "width", "rows", "delta", "next_rows", "next")
        at = {name: getattr(self, name).ctypes.data for name in names}
        n_pixels, n_units = self.weight.shape
        shape = {"pixel_bytes": 1, "n_planes": 1, "n_pixels": n_pixels, "n_units": n_units, "n_tables": 1}
        adam = {"optimizer": ADAM, "shrink": 1, "average_gain": 0.1, "square_keep": 0.999, "square_gain": 0.001}
        adam |= {"root_scale": 1, "eps": 1e-8, "rate": 1e-3}
        return SweepArguments(**{**at, **shape, **adam, "n_cases": BATCH, "n_next": BATCH, **changed})


PARTS = {
    "the whole step": {},
    "without the next batch's product": {"n_next": 0},
    "the same, and one case in place of 32": {"n_next": 0, "n_cases": 1},
    "without it, plain SGD in place of Adam": {"n_next": 0, "optimizer": SGD, "average": None, "square": None},
    "the next batch's product alone": {"n_cases": 0},
}


def milliseconds(kernel, layer, changed, *, repeats):
    """Return the times of so many steps, after three that do not count."""
    found = []
    for _ in range(repeats + 3):
        step = layer.arguments(**changed)
        begun = time.perf_counter()
        kernel.sweep(step)
        found.append(1e3 * (time.perf_counter() - begun))
    return found[3:]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--units", type=int, default=256)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=40)
    options = parser.parse_args()
    variant = chosen_variant()
    print(f"{N_PIXELS} pixels, {options.units} units, batches of {BATCH}, {options.threads} threads, {variant}")
    layer = Layer(N_PIXELS, options.units)
    with Kernel(threads=options.threads, variant=variant) as kernel:
        for name, changed in PARTS.items():
            found = milliseconds(kernel, layer, changed, repeats=options.repeats)
            low, middle, high = np.percentile(found, [25, 50, 75])
            print(f"{name:<52}{middle:6.1f} ms ({low:.1f} to {high:.1f})")


if __name__ == "__main__":
    main()
