"""How long the diagnosis of learning curves takes.

    python benchmarks/curve_diagnosis.py [--curves N] [--epochs T]

One process, one thread. The curves are made by a formula with noise: falling, overfitting, oscillating and flat ones in
turn, so that every rule has work. Making them is not timed; the first ten diagnoses warm up and are not either.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import Counter

import numpy as np

from scantrial.analysis.diagnosis.curve import Guessing, LearningCurve
from scantrial.analysis.diagnosis.diagnose import diagnose


def make_curve(kind, n_epochs, rng):
    t = np.arange(1, n_epochs + 1)
    rise = {"overfit": 0.01 * np.maximum(t - n_epochs // 3, 0)}.get(kind, 0.0)
    jump = {"oscillating": 0.1 * (-1.0) ** t}.get(kind, 0.0)
    pace = n_epochs / (1.5 if kind == "falling" else 10)
    val_loss = (0.3 + 0.4 * np.exp(-t / pace) + rise) * (1 + rng.normal(0, 0.03, n_epochs))
    return LearningCurve(
        train_loss=(0.05 + 0.6 * np.exp(-t / pace)) * (1 + rng.normal(0, 0.01, n_epochs)),
        train_accuracy=1 - 0.4 * np.exp(-t / pace),
        val_loss=val_loss,
        val_accuracy=0.9 - 0.3 * np.exp(-t / pace) + jump + rng.normal(0, 0.005, n_epochs),
        n_val=400,
        guessing=Guessing(accuracy=0.5, loss=math.log(2), floor=0.5032),
        lr=np.full(n_epochs, 1e-3),
        schedule="cosine",
        dead_units=np.zeros(n_epochs),
        chosen_epoch=int(np.argmin(val_loss)) + 1,
        val_loss_se=0.02,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--curves", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=100)
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    kinds = ("falling", "overfit", "oscillating", "flat")
    curves = [make_curve(kinds[i % 4], options.epochs, rng) for i in range(options.curves)]
    for curve in curves[:10]:
        diagnose(curve)
    begun = time.perf_counter()
    found = Counter(diagnose(curve).label for curve in curves)
    spent = time.perf_counter() - begun
    print(
        f"{options.curves} curves of {options.epochs} epochs: {spent:.2f} s, {1e3 * spent / options.curves:.2f} ms each"
    )
    print(", ".join(f"{label} {n}" for label, n in found.most_common()))


if __name__ == "__main__":
    main()
