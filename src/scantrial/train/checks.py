"""Checks before a run starts; all faults are reported at once."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from scantrial.core.errors import InputError, itemised
from scantrial.recipe.augment import colour_fault
from scantrial.recipe.task import RunTask
from scantrial.train.precision import why_not
from scantrial.train.steps import batch_bounds


def check_task(task: RunTask) -> None:
    """Refuse a run that cannot be trained.

    Raises
    ------
    InputError
        With every fault found.
    """
    faults = list(_data_faults(task)) or list(_recipe_faults(task))
    if faults:
        raise InputError(f"the run of {task.title} cannot be trained:\n{itemised(faults)}")


def _data_faults(task: RunTask) -> Iterator[str]:
    n = len(task.images)
    if task.labels.shape != (n,):
        yield f"{n} images with labels of shape {task.labels.shape}; expected ({n},)"
        return
    if len(task.class_names) < 2:
        yield f"{len(task.class_names)} class(es); expected at least 2"
    for split in ("train", "val"):
        if len(task.cases.get(split, ())) == 0:
            yield f"no {split} case; expected at least 1"
    for split, cases in task.cases.items():
        if len(cases) and not 0 <= cases.min() <= cases.max() < n:
            yield f"{split} cases from {cases.min()} to {cases.max()}; expected 0 to {n - 1}"
        elif len(cases) and not 0 <= task.labels[cases].min() <= task.labels[cases].max() < len(task.class_names):
            yield f"a {split} label outside 0 to {len(task.class_names) - 1}, the named classes"


def _recipe_faults(task: RunTask) -> Iterator[str]:
    recipe = task.recipe
    colours = colour_fault(recipe.augment, n_channels=1 if task.images.ndim == 3 else task.images.shape[3])
    if colours is not None:
        yield colours
    if recipe.select.metric in ("auroc", "balanced_accuracy"):
        absent = sorted(set(range(len(task.class_names))) - set(task.labels[task.cases["val"]].tolist()))
        if absent:
            names = ", ".join(task.class_names[index] for index in absent)
            chosen = f"select by {recipe.select.metric}, but no val case is of class {names}"
            yield f"{chosen}; expected every class, or select by val_loss"
    unable = why_not(recipe.precision, device=task.device)
    if unable is not None:
        yield unable
    sizes = np.diff(batch_bounds(task.cases_an_epoch, recipe.batch_size), axis=1)
    if recipe.model.norm_needs_two and 1 in sizes:
        yield "batches of one case with batch normalisation, which needs 2 or more; raise batch_size"
