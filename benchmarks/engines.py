"""Seconds per epoch of both engines beside the loop that a notebook holds.

    python benchmarks/engines.py [--epochs 4] [--repeats 2] [--threads 2]

Each measurement is a process of its own (an engine sets flush-to-zero and the allocator for its process), and the
variants take turns, so that a machine that drifts drifts for all. The work is 1,600 training and 400 validation images
of 256x256 and a batch of 32; an epoch is training and validation. The first epoch of each process is left out. Only the
ratios carry over to another machine. `--epochs 30 --repeats 1` shows what subnormal weights do to the notebook.
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

MODELS = {"M1 mlp-256 bce": ("mlp-256", "bce"), "M2 mlp-64x3 ce": ("mlp-64x3", "ce")}
VARIANTS = ("notebook", "notebook, fused Adam", "scantrial reference", "scantrial fused")
N_TRAIN, N_VAL, SIDE, BATCH = 1600, 400, 256, 32


def make_scans():
    """Noise with a bright disc whose radius tells the class."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, N_TRAIN + N_VAL)
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    discs = np.stack([np.hypot(rows, columns) < radius for radius in (60, 80)])
    images = rng.integers(0, 150, (len(labels), SIDE, SIDE), dtype=np.uint8)
    images += discs[labels].astype(np.uint8) * 80
    return images, labels


def notebook_epochs(model, loss, epochs, *, fused):
    """The loop as the course writes it: float tensors in memory, a DataLoader, Adam."""
    import torch
    from torch import nn
    from torch.utils.data import DataLoader, TensorDataset

    images, labels = make_scans()
    n_outputs = 1 if loss == "bce" else 2
    sizes = {"mlp-256": [256], "mlp-64x3": [64, 64, 64]}[model]
    layers, n_in = [nn.Flatten()], SIDE * SIDE
    for size in sizes:
        deep = [nn.BatchNorm1d(size), nn.ReLU(), nn.Dropout(0.5)] if model == "mlp-64x3" else [nn.ReLU()]
        layers += [nn.Linear(n_in, size), *deep]
        n_in = size
    network = nn.Sequential(*layers, nn.Linear(n_in, n_outputs))
    criterion = nn.BCEWithLogitsLoss() if loss == "bce" else nn.CrossEntropyLoss()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3, fused=fused or None)
    x = torch.from_numpy(images).float() / 255
    y = torch.from_numpy(labels).float()[:, None] if loss == "bce" else torch.from_numpy(labels)
    train = DataLoader(TensorDataset(x[:N_TRAIN], y[:N_TRAIN]), batch_size=BATCH, shuffle=True)
    val = DataLoader(TensorDataset(x[N_TRAIN:], y[N_TRAIN:]), batch_size=BATCH)
    times = []
    for _ in range(epochs):
        begun = time.perf_counter()
        network.train()
        total = 0.0
        for inputs, target in train:
            optimizer.zero_grad()
            value = criterion(network(inputs), target)
            value.backward()
            optimizer.step()
            total += value.item() * len(inputs)
        network.eval()
        with torch.no_grad():
            for inputs, target in val:
                total += criterion(network(inputs), target).item()
        times.append(time.perf_counter() - begun)
    return times


def engine_epochs(engine, model, loss, epochs, *, threads):
    """`train_run` on the same scans; an epoch ends when it is told."""
    from scantrial.recipe.spec import Recipe
    from scantrial.recipe.task import RunTask
    from scantrial.train import fused, reference

    images, labels = make_scans()
    task = RunTask(
        arm="base",
        seed=0,
        recipe=Recipe.model_validate({"model": model, "loss": loss, "epochs": epochs, "batch_size": BATCH}),
        images=images,
        labels=labels,
        class_names=("small", "large"),
        cases={"train": np.arange(N_TRAIN), "val": np.arange(N_TRAIN, N_TRAIN + N_VAL)},
        device="cpu",
        threads=threads,
        checkpoint_path=Path(tempfile.gettempdir()) / "scantrial-benchmark-without-checkpoint.pt",
        checkpoint_every_s=float("inf"),
        engine_reason="benchmark",
        open_test=lambda _: None,
    )
    ends = []
    train = {"reference": reference, "fused": fused}[engine].train_run
    train(task, lambda _record, _n_epochs: ends.append(time.perf_counter()))
    return np.diff(ends).tolist()


def measure_one(variant, model, loss, epochs, threads):
    """Print the seconds of each epoch but the first, as JSON."""
    import torch

    torch.set_num_threads(threads)
    if variant.startswith("scantrial"):
        times = engine_epochs(variant.split()[1], model, loss, epochs + 1, threads=threads)
    else:
        times = notebook_epochs(model, loss, epochs + 1, fused="fused" in variant)[1:]
    print(json.dumps(times))


def measure_aside(variant, model, loss, options):
    command = [sys.executable, __file__, "--one", variant, model, loss]
    command += ["--epochs", str(options.epochs), "--threads", str(options.threads)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--one", nargs=3, metavar=("VARIANT", "MODEL", "LOSS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure_one(*options.one, options.epochs, options.threads)
        return
    print(f"{N_TRAIN} + {N_VAL} images of {SIDE}x{SIDE}, batch {BATCH}, {options.threads} threads, CPU")
    for title, (model, loss) in MODELS.items():
        times = {variant: [] for variant in VARIANTS}
        for _ in range(options.repeats):
            for variant in VARIANTS:
                times[variant] += measure_aside(variant, model, loss, options)
        plain, base = (statistics.median(times[name]) for name in VARIANTS[:2])
        print(f"\n{title:<24}{'s/epoch':>8}{'min':>8}{'max':>8}{'/ fused notebook':>18}{'notebook /':>12}{'n':>4}")
        for variant, seconds in times.items():
            middle = statistics.median(seconds)
            spread = f"{middle:>8.2f}{min(seconds):>8.2f}{max(seconds):>8.2f}"
            print(f"{variant:<24}{spread}{middle / base:>18.2f}{plain / middle:>12.2f}{len(seconds):>4}")


if __name__ == "__main__":
    main()
