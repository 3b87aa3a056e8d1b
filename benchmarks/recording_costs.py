"""What it costs to record, at the end of each epoch, what the checks of learning curves look at.

    python benchmarks/recording_costs.py [--epochs 3] [--models mlp-256 mlp-64x3 cnn]

CPU seconds of one thread, so that another process on the machine hardly matters; the median of some epochs, after one
that is not counted. The work is 1,600 training and 400 validation images of 256x256 pixels (64x64 for convolutional
networks) and a batch of 32; an epoch is training and validation.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

N_TRAIN, N_VAL = 1600, 400


def make_task(model):
    from scantrial.recipe.spec import Recipe
    from scantrial.recipe.task import RunTask

    side = 64 if model.startswith("cnn") else 256
    rng = np.random.default_rng(0)
    return RunTask(
        arm="base",
        seed=0,
        recipe=Recipe.model_validate({"model": model, "epochs": 100}),
        images=rng.integers(0, 255, (N_TRAIN + N_VAL, side, side), dtype=np.uint8),
        labels=rng.integers(0, 2, N_TRAIN + N_VAL),
        class_names=("small", "large"),
        cases={"train": np.arange(N_TRAIN), "val": np.arange(N_TRAIN, N_TRAIN + N_VAL)},
        device="cpu",
        threads=1,
        checkpoint_path=Path(tempfile.gettempdir()) / "scantrial-benchmark-without-checkpoint.pt",
        checkpoint_every_s=float("inf"),
        engine_reason="benchmark",
        open_test=lambda _: None,
    )


def cpu_s(work):
    begun = time.process_time()
    work()
    return time.process_time() - begun


def watched(network, scans, n_at_once):
    from scantrial.train.evaluate import logits_of
    from scantrial.train.units import watched_units

    with watched_units(network) as units:
        logits_of(network, scans, n_at_once=n_at_once)
    return units.dead_share()


def measure(model, epochs):
    from scantrial.train.evaluate import logits_of
    from scantrial.train.reference import train_epoch
    from scantrial.train.run import grad_norm, set_up, weight_norm
    from scantrial.train.steps import epoch_steps

    setup, state = set_up(make_task(model))
    network, n_at_once = state.network, setup.n_at_once
    parts = {
        "training": lambda epoch: train_epoch(setup, state, epoch_steps(setup.task, epoch)),
        "validation": lambda _: logits_of(network, setup.val, n_at_once=n_at_once),
        "validation, units watched": lambda _: watched(network, setup.val, n_at_once),
        "weight norm": lambda _: weight_norm(network),
        "norm of the last gradient": lambda _: grad_norm(network),
        "training cases measured (train_eval)": lambda _: logits_of(network, setup.train, n_at_once=n_at_once),
    }
    times = {name: [] for name in parts}
    for epoch in range(1, epochs + 2):
        for name, work in parts.items():
            times[name].append(cpu_s(lambda work=work, epoch=epoch: work(epoch)))
    return {name: statistics.median(seconds[1:]) for name, seconds in times.items()}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--models", nargs="+", default=["mlp-256", "mlp-64x3", "cnn"])
    options = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    for model in options.models:
        times = measure(model, options.epochs)
        epoch = times["training"] + times["validation"]
        watching = times.pop("validation, units watched") - times["validation"]
        print(f"\n{model}: an epoch takes {epoch:.2f} s of CPU time")
        for name, seconds in {**times, "watching units": watching}.items():
            print(f"  {name:<38}{seconds:>8.3f} s{100 * seconds / epoch:>7.1f} %")


if __name__ == "__main__":
    main()
