"""How cost grows: with the number of images, their side, the width of the network, the number of runs, and of scans.

    python benchmarks/growth.py [--repeats 3] [--only images|side|hidden|runs]
    python benchmarks/growth.py --scans arrays28 arrays256 files28 [--most 100000]

The first three are seconds an epoch of both engines (`mlp-256` and its like with BCE, drawn noise, batches of 32, the
first epoch left out); every point is a process of its own and the points take turns. The runs are a whole
`scantrial run` of a small study, two workers, with the audit before it and the report after it.

With ``--scans``, 1,000, 10,000 and 100,000 scans are listed, decoded into an empty cache, opened, split, audited and
trained on with two workers, each step in a process of its own (`scan_growth.py`): arrays by class of 28 or 256 pixels a
side, or PNG files. CPU seconds and memory are counted, so that other work on the machine matters little; only ratios in
one call are to be compared. The arrays are written block by block, and removed in the end; 256 pixels need 14 GB.

Adds to `docs/data/growth.json`; `python benchmarks/pages.py` draws the curves.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from PIL import Image

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


STEPS = ("list", "decode", "open", "split", "audit", "train")
KINDS = {"arrays28": 28, "arrays256": 256, "files28": 28}
COUNTS = (1_000, 10_000, 100_000, 1_000_000)


def drawn(n, side, number):
    """Return n noisy scans of a class: a bright disc on a ground of large spots, lower in the second class."""
    rng = np.random.default_rng([n, side, number])
    across, down = np.meshgrid(*[np.linspace(-1, 1, side)] * 2)
    place = rng.uniform(-0.3, 0.3, (2, n, 1, 1))
    disc = (across - place[0]) ** 2 + (down - place[1] - 0.1 * number) ** 2 < 0.2
    spots = rng.integers(0, 120, (n, 7, 7), dtype=np.uint8)
    ground = np.repeat(np.repeat(spots, -(-side // 7), axis=1), -(-side // 7), axis=2)[:, :side, :side]
    noise = rng.integers(0, 60, (n, side, side), dtype=np.uint8)
    return ground + noise + np.where(disc, np.uint8(60), np.uint8(0))


def write_scans(folder, kind, n):
    """Write n scans of two classes, a block at a time."""
    for number, name in enumerate(("healthy", "ill")):
        if kind.startswith("arrays"):
            folder.mkdir(exist_ok=True)
            shape = (n // 2, KINDS[kind], KINDS[kind])
            target = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", np.uint8, shape)
        else:
            target = None
            (folder / name).mkdir(parents=True)
        block = np.empty(0, dtype=np.uint8)
        for start in range(0, n // 2, 500):
            is_large = start > 0 and KINDS[kind] > 64  # drawn once, then shifted: a tenth of the time
            block = np.roll(block, 1, axis=2) if is_large else drawn(500, KINDS[kind], 2 * start + number)
            block = block[: n // 2 - start]
            if target is not None:
                target[start : start + len(block)] = block
                continue
            for row, image in enumerate(block, start=start):
                Image.fromarray(image).save(folder / name / f"{row:06d}.png")


def measure_scans(kind, most, steps):
    """Yield what each step takes on each number of scans."""
    # One thread of BLAS: threads that wait for each other count as CPU time where other work runs beside.
    env = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    for n in (n for n in COUNTS if n <= most):
        with tempfile.TemporaryDirectory() as scratch:
            source = Path(scratch) / "scans"
            write_scans(source, kind, n)
            for step in steps:
                command = [sys.executable, Path(__file__).with_name("scan_growth.py"), step, source, scratch]
                done = subprocess.run(list(map(str, command)), check=True, stdout=subprocess.PIPE, env=env)
                found = json.loads(done.stdout.splitlines()[-1])
                print(kind, f"{n:,}", step, {name: round(value, 2) for name, value in found.items()}, flush=True)
                yield {"what": "scans", "value": n, "loop": f"{kind} {step}", **found}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", nargs="+", choices=POINTS, default=list(POINTS))
    parser.add_argument("--scans", nargs="+", choices=KINDS, default=[])
    parser.add_argument("--steps", nargs="+", choices=STEPS, default=STEPS)
    parser.add_argument("--most", type=int, default=100_000)
    options = parser.parse_args()
    record = json.loads(RECORD.read_text()) if RECORD.exists() else []
    for kind in options.scans:
        for found in measure_scans(kind, options.most, options.steps):
            record.append(found)
            RECORD.write_text(json.dumps(record, indent=1) + "\n")
    if options.scans:
        return
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
