"""How cost grows: with the number of images, their side, the width of the network, and the number of runs.

    python benchmarks/growth.py [--repeats 3] [--only images|side|hidden|runs]

The first three are seconds an epoch of both engines (`mlp-256` and its like with BCE, drawn noise, batches of 32, the
first epoch left out); every point is a process of its own and the points take turns. The last is a whole
`scantrial run` of a small study, two workers, with the audit before it and the report after it. Adds to
`docs/data/growth.json`; `python benchmarks/pages.py` draws the curves.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from engines import LOOPS, measure

RECORD = Path(__file__).resolve().parent.parent / "docs" / "data" / "growth.json"
POINTS = {
    "images": (200, 632, 2000, 6324, 20000),
    "side": (28, 64, 128, 256, 512),
    "hidden": (16, 64, 256, 1024),
    "runs": (2, 4, 8, 16, 32),
}
BASE = {"images": 1600, "side": 256, "hidden": 256}
LEAST_STEPS = 300
"""Small points are measured over so many epochs that at least as many steps are taken."""

STUDY = """
study: How long do so many runs take?
data:
  source: {{name: phantom, n_cases: 720, size: 64}}
  split: {{test: given, val: 0.25}}
recipe: {{model: {{name: mlp, hidden: [64]}}, epochs: 10}}
factors:
  loss: [bce, ce]
seeds: {seeds}
primary: {{metric: accuracy, split: test, margin: 0.05}}
"""


def epoch_seconds(what, value, engine, *, threads):
    """Return the median seconds an epoch at one point."""
    at = {**BASE, what: value}
    rng = np.random.default_rng(0)
    n_val = 100
    with tempfile.TemporaryDirectory() as folder:
        shape = (at["images"] + n_val, at["side"], at["side"])
        np.save(f"{folder}/images.npy", rng.integers(0, 256, shape, dtype=np.uint8))
        np.save(f"{folder}/labels.npy", rng.integers(0, 2, shape[0]))
        np.save(f"{folder}/n_train.npy", at["images"])
        epochs = max(2, 1 + int(np.ceil(LEAST_STEPS / (at["images"] / 32))))
        found = measure(
            LOOPS[f"scantrial, {engine} engine"],
            network="M1",
            epochs=epochs,
            threads=threads,
            data=folder,
            peers=None,
            more=("--hidden", str(at["hidden"])),
        )
    return statistics.median(found["epoch_s"][1:])


def study_seconds(n_runs):
    """Return the seconds of a whole `scantrial run` of so many runs."""
    with tempfile.TemporaryDirectory() as folder:
        study = Path(folder) / "study.yaml"
        study.write_text(STUDY.format(seeds=n_runs // 2))
        command = [sys.executable, "-m", "scantrial", "run", study, "--out", f"{folder}/out", "--workers", "2"]
        begun = time.perf_counter()
        subprocess.run(list(map(str, command)), check=True, capture_output=True)
        return time.perf_counter() - begun


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=POINTS, default=list(POINTS))
    options = parser.parse_args()
    record = json.loads(RECORD.read_text()) if RECORD.exists() else []
    for _ in range(options.repeats):
        for what in options.only:
            for value in POINTS[what]:
                if what == "runs":
                    found = {"run": study_seconds(value)}
                else:
                    engines = ("reference", "fused")
                    found = {name: epoch_seconds(what, value, name, threads=options.threads) for name in engines}
                print(what, value, {name: round(seconds, 4) for name, seconds in found.items()}, flush=True)
                record += [{"what": what, "value": value, "loop": name, "seconds": s} for name, s in found.items()]
                RECORD.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
