"""The time of one epoch of a recipe: from finished runs, or timed by a short training that is not kept."""

from __future__ import annotations

import json
import statistics
import time
from contextlib import suppress
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from scantrial.core.records import EpochRecord, RunFacts
from scantrial.recipe.plan import stored_recipe
from scantrial.recipe.spec import Recipe, ScheduleSpec, SelectSpec
from scantrial.recipe.task import Engine, RunTask
from scantrial.store.folder import StudyFolder

_WITHOUT_COST = ("epochs", "rounds", "select", "schedule", "early_stopping")
"""Parts of a recipe that do not change how long one epoch takes; neither do the learning rate and `_WEIGHTS`."""

_WEIGHTS = ("pretrained", "weights_sha256")
"""Keys of a model that say which weights it starts from."""

_UNTIL_STOPPED = 10_000
"""Most epochs of a timed run; `epoch_seconds` stops it long before."""


def cost_key(recipe: Recipe) -> str:
    """Return a key that two recipes share if one epoch takes equally long with both."""
    kept = {key: value for key, value in recipe.to_dict().items() if key not in _WITHOUT_COST}
    optimizer = {key: value for key, value in kept["optimizer"].items() if key != "lr"}
    model = {key: value for key, value in kept["model"].items() if key not in _WEIGHTS}
    return json.dumps({**kept, "model": model, "optimizer": optimizer}, sort_keys=True)


def seen_epoch_s(folder: StudyFolder, *, shape: tuple[int, int] | None = None) -> dict[str, float]:
    """Return the seconds of an epoch that the folder's finished runs took on average, by `cost_key`.

    Parameters
    ----------
    shape : height and width; only runs on images of that size, but for runs whose recipe has a size of its own
    """
    seen: dict[str, list[float]] = {}
    for key in folder.run_keys():
        facts = folder.facts(key)
        if not facts.n_epochs or "train_s" not in facts.times:
            continue
        recipe = stored_recipe(facts)
        has_own = recipe.image is not None and recipe.image.size is not None
        if has_own or shape is None or tuple(facts.image_shape[1:]) == shape:
            seen.setdefault(cost_key(recipe), []).append(_epoch_s(facts))
    return {key: statistics.fmean(seconds) for key, seconds in seen.items()}


def _epoch_s(facts: RunFacts) -> float:
    return float(facts.times["train_s"]) / facts.n_epochs


def timed_task(task: RunTask, *, n_train: int | None = None) -> RunTask:
    """Return the same run for timing: one network, no test cases, no checkpoints, no features kept, no choice of epoch.

    Parameters
    ----------
    n_train : train on this many cases only, each once, spread evenly, and validate on the same share
    """
    # A few cases may lack a class, but balanced weights and a choice by AUROC need all classes.
    alone = {
        "epochs": _UNTIL_STOPPED,
        "rounds": 1,
        "schedule": ScheduleSpec(name="constant"),
        "select": SelectSpec(name="last"),
        "early_stopping": None,
        "ensemble": 1,
        "loss": task.recipe.loss.model_copy(update={"class_weights": None}),
    }
    n, share = len(task.cases["train"]), 1.0
    if n_train is not None and n_train < task.cases_an_epoch:
        alone["sampling"] = "shuffled"
        n, share = n_train, n_train / task.cases_an_epoch
    return replace(
        task,
        recipe=task.recipe.model_copy(update=alone),
        cases={"train": _some(task.cases["train"], n), "val": _some(task.cases["val"], share * len(task.cases["val"]))},
        checkpoint_every_s=float("inf"),
        engine_reason="timing",
        keep_features=False,
        open_test=refuse_test,
    )


def _some(cases: NDArray[np.int64], n: float) -> NDArray[np.int64]:
    return cases[np.linspace(0, len(cases) - 1, max(1, round(n))).round().astype(np.int64)]


def refuse_test(chosen_epoch: int) -> None:
    """Fail if test rows are asked for during timing."""
    raise AssertionError(f"timing asked for test rows, at epoch {chosen_epoch}")


class _Enough(Exception):
    """The run has been timed and can stop."""


def epoch_seconds(engine: Engine, task: RunTask, *, enough_s: float = 0.0) -> float:
    """Train a `timed_task` for a while and return the seconds of an epoch: the median of all but the first.

    The first one includes warm-up; it counts only if a loss that is not finite ends the run there.

    Parameters
    ----------
    enough_s : stop once this many seconds have passed since the first epoch, but not before the second
    """
    ends = [time.perf_counter()]

    def note(record: EpochRecord, n_epochs: int) -> None:  # noqa: ARG001 - as an engine calls it
        ends.append(time.perf_counter())
        if len(ends) > 2 and ends[-1] - ends[1] >= enough_s:
            raise _Enough

    with suppress(_Enough):
        engine(task, note)
    return float(np.median(np.diff(ends)[1:] if len(ends) > 2 else np.diff(ends)))
