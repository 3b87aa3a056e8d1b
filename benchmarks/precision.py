"""How much faster training and evaluation in bfloat16 are than in float32.

    python benchmarks/precision.py [--models cnn cnn-gap mlp-256] [--sides 64 128] [--turns 7] [--device cpu]

Seconds of float32 divided by seconds of bf16 for some steps of 32 cases with Adam, and for the evaluation of as many
cases; median, and smallest and largest, of some turns in which both take their turn one after the other. On the CPU one
thread and its CPU seconds, so that another process on the machine hardly matters. The first turn is not counted.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import numpy as np

N_STEPS, BATCH = 4, 32
PRECISIONS = ("float32", "bf16")


def make_task(model, side, precision, device):
    from scantrial.recipe.spec import Recipe
    from scantrial.recipe.task import RunTask

    rng = np.random.default_rng(0)
    n = N_STEPS * BATCH
    return RunTask(
        arm="base",
        seed=0,
        recipe=Recipe.model_validate({"model": model, "epochs": 100, "precision": precision}),
        images=rng.integers(0, 255, (2 * n, side, side), dtype=np.uint8),
        labels=rng.integers(0, 2, 2 * n),
        class_names=("small", "large"),
        cases={"train": np.arange(n), "val": np.arange(n, 2 * n)},
        device=device,
        threads=1,
        checkpoint_path=Path(tempfile.gettempdir()) / "scantrial-benchmark-without-checkpoint.pt",
        checkpoint_every_s=float("inf"),
        engine_reason="benchmark",
        open_test=lambda _: None,
    )


def seconds(work, device):
    import torch

    if device == "cpu":
        begun = time.process_time()
        work()
        return time.process_time() - begun
    torch.cuda.synchronize()
    begun = time.perf_counter()
    work()
    torch.cuda.synchronize()
    return time.perf_counter() - begun


def measure(model, side, *, turns, device):
    """Return the ratios of each turn but the first, of training and of evaluation, and the seconds of float32."""
    from scantrial.train.evaluate import logits_of
    from scantrial.train.process import set_process
    from scantrial.train.reference import train_epoch
    from scantrial.train.run import set_up
    from scantrial.train.steps import epoch_steps

    set_process(1)
    ready = {precision: set_up(make_task(model, side, precision, device)) for precision in PRECISIONS}

    def train(precision, epoch):
        setup, state = ready[precision]
        train_epoch(setup, state, epoch_steps(setup.task, epoch))

    def evaluate(precision, _epoch):
        setup, state = ready[precision]
        logits_of(state.network, setup.val, n_at_once=BATCH, precision=precision)

    found = {}
    for name, work in (("training", train), ("evaluation", evaluate)):
        took = [
            [seconds(partial(work, precision, epoch), device) for precision in PRECISIONS]
            for epoch in range(1, turns + 2)
        ][1:]
        found[name] = [exact / rough for exact, rough in took], statistics.median(exact for exact, _ in took)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--models", nargs="+", default=["cnn", "cnn-gap", "mlp-256"])
    parser.add_argument("--sides", nargs="+", type=int, default=[64, 128])
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    asked = parser.parse_args()
    for side in asked.sides:
        for model in asked.models:
            for name, (ratios, whole) in measure(model, side, turns=asked.turns, device=asked.device).items():
                print(
                    f"{model} {side} px, {name}: {statistics.median(ratios):.2f} times as fast "
                    f"({min(ratios):.2f} to {max(ratios):.2f}); float32 {1000 * whole / N_STEPS / BATCH:.3g} ms a case",
                    flush=True,
                )


if __name__ == "__main__":
    main()
