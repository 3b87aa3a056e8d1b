"""What every timed loop shares: its arguments, the scans, and the one line of JSON that it prints.

A loop is a program of its own, so that it can live in another environment than scantrial's; this module needs NumPy
alone. The scans are two files in a folder: ``images.npy`` (uint8, cases x height x width) and ``labels.npy``; the first
``n_train`` cases train, the others validate.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from pathlib import Path

import numpy as np

BATCH, LR = 32, 1e-3
NETWORKS = ("M1", "M2", "cnn")
"""`mlp-256` with BCE; `mlp-64x3` with CE; `cnn` with CE. Adam in all."""


def arguments():
    """Return what the command line asks for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--network", choices=NETWORKS, required=True)
    parser.add_argument("--epochs", type=int, required=True)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--variant", default="")
    parser.add_argument("--hidden", type=int, default=256, help="units of M1's hidden layer")
    return parser.parse_args()


def load_scans(folder):
    """Return (images, labels, number of training cases)."""
    images = np.load(folder / "images.npy", mmap_mode="r")
    labels = np.load(folder / "labels.npy")
    return images, labels, int(np.load(folder / "n_train.npy"))


class Clock:
    """Takes the time at the end of each epoch, and what validation said then."""

    def __init__(self):
        self.begun = time.perf_counter()
        self.last = self.begun
        self.epoch_s, self.val_accuracy = [], []

    def epoch(self, val_accuracy=None):
        now = time.perf_counter()
        self.epoch_s.append(now - self.last)
        self.val_accuracy.append(None if val_accuracy is None else float(val_accuracy))
        self.last = now

    def tell(self):
        """Print the measurement; memory is the process's own peak."""
        peak_mib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({"epoch_s": self.epoch_s, "val_accuracy": self.val_accuracy, "peak_mib": peak_mib}))
