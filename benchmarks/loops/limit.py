"""What this machine can do at best, measured: bytes a second through memory, and multiply-adds a second.

A step of M1 must at least read and write the first layer's weights and Adam's two moments once, and multiply each pixel
of its batch twice with every weight. The seconds an epoch that follow assume that memory and arithmetic overlap wholly.
"""

from __future__ import annotations

import json
import statistics
import time

import torch
from common import BATCH, arguments, load_scans

FIRST_LAYER = {"M1": 256, "M2": 64}


def seconds(work, repeats=7):
    """Return the median time of some work, after one turn that does not count."""
    work()
    times = []
    for _ in range(repeats):
        begun = time.perf_counter()
        work()
        times.append(time.perf_counter() - begun)
    return statistics.median(times)


def main():
    options = arguments()
    torch.set_num_threads(options.threads)
    images, _, n_train = load_scans(options.data)
    n_pixels = images.shape[1] * images.shape[2]
    n_steps = n_train / BATCH
    parts = [torch.ones(n_pixels, FIRST_LAYER[options.network]) for _ in range(3)]
    n_bytes = sum(2 * part.numel() * part.element_size() for part in parts)

    def pass_over():
        for part in parts:
            part.mul_(1.0)

    a, b = torch.ones(2048, 2048), torch.ones(2048, 2048)
    bytes_per_s = n_bytes / seconds(pass_over)
    flop_per_s = 2 * 2048**3 / seconds(lambda: a @ b)
    flop = 2 * 2 * BATCH * n_pixels * FIRST_LAYER[options.network]
    memory_s, arithmetic_s = n_steps * n_bytes / bytes_per_s, n_steps * flop / flop_per_s
    found = {"gb_per_s": bytes_per_s / 1e9, "gflop_per_s": flop_per_s / 1e9}
    print(
        json.dumps(
            {**found, "memory_s": memory_s, "arithmetic_s": arithmetic_s, "limit_s": max(memory_s, arithmetic_s)}
        )
    )


if __name__ == "__main__":
    main()
