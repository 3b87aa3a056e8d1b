"""A small learnable data set, and tasks on it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from scantrial.recipe.spec import Recipe
from scantrial.recipe.task import RunTask

MakeTask = Callable[..., RunTask]
CASES = {"train": np.arange(41), "val": np.arange(41, 59), "test": np.arange(59, 80)}


@pytest.fixture(autouse=True)
def _process_as_before() -> Iterator[None]:
    """Give the process's threads and subnormal numbers back to the other tests."""
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)
    torch.set_flush_denormal(False)


def make_images(n_classes: int, pixel_type: str, rgb: bool) -> tuple[Any, Any]:
    """Noise whose brightness tells the class, mostly."""
    rng = np.random.default_rng(0)
    labels = np.arange(80, dtype=np.int64) % n_classes
    largest = np.iinfo(pixel_type).max
    shape = (80, 12, 10, 3) if rgb else (80, 12, 10)
    images = rng.integers(0, largest // 4, shape) + (labels * (largest // 4)).reshape(-1, *(1,) * (len(shape) - 1))
    return images.astype(pixel_type), labels


@pytest.fixture
def make_task(tmp_path: Path) -> MakeTask:
    """Make a task from a recipe's keys; the task's own fields go under `task`."""

    def make(
        *,
        n_classes: int = 2,
        pixel_type: str = "uint8",
        rgb: bool = False,
        task: dict[str, Any] | None = None,
        **recipe: Any,
    ) -> RunTask:
        images, labels = make_images(n_classes, pixel_type, rgb)
        defaults = {"model": {"name": "mlp", "hidden": [8]}, "epochs": 3, "batch_size": 8, "optimizer": "adam"}
        fields = {
            "arm": "base",
            "seed": 3,
            "recipe": Recipe.model_validate({**defaults, **recipe}),
            "images": images,
            "labels": labels,
            "class_names": ("normal", "pneumonia", "other")[:n_classes],
            "cases": CASES,
            "device": "cpu",
            "threads": 1,
            "checkpoint_path": tmp_path / "checkpoint.pt",
            "checkpoint_every_s": float("inf"),
            "engine_reason": "asked for",
            "open_test": lambda chosen_epoch: None,
        }
        return RunTask(**{**fields, **(task or {})})

    return make
