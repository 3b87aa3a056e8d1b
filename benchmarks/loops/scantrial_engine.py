"""One run of scantrial, as a study carries it out; `--variant` names the engine."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from common import BATCH, LR, Clock, arguments, load_scans

from scantrial.recipe.spec import Recipe
from scantrial.recipe.task import RunTask
from scantrial.train import fused, reference

RECIPES = {"M1": ("mlp-256", "bce"), "M2": ("mlp-64x3", "ce"), "cnn": ("cnn", "ce")}


def main():
    options = arguments()
    clock = Clock()
    images, labels, n_train = load_scans(options.data)
    model, loss = RECIPES[options.network]
    if options.network == "M1" and options.hidden != 256:
        model = {"name": "mlp", "hidden": [options.hidden]}
    recipe = {"model": model, "loss": loss, "epochs": options.epochs, "batch_size": BATCH}
    task = RunTask(
        arm="base",
        seed=0,
        recipe=Recipe.model_validate({**recipe, "optimizer": {"name": "adam", "lr": LR}}),
        images=images,
        labels=labels,
        class_names=("normal", "pneumonia"),
        cases={"train": np.arange(n_train), "val": np.arange(n_train, len(images))},
        device="cpu",
        threads=options.threads,
        checkpoint_path=Path(tempfile.gettempdir()) / "scantrial-benchmark-without-checkpoint.pt",
        checkpoint_every_s=float("inf"),
        engine_reason="benchmark",
        open_test=lambda _: None,
    )
    train = {"reference": reference, "fused": fused}[options.variant].train_run
    train(task, lambda record, _n_epochs: clock.epoch(record.val_accuracy))
    clock.tell()


if __name__ == "__main__":
    main()
