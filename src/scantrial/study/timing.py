"""The training time of a study: from the times of a pilot, or from two epochs of each recipe on this machine."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from scantrial.core.custom_code import allowed
from scantrial.core.format import counted, joined
from scantrial.core.machine import n_cores
from scantrial.core.names import resolve
from scantrial.core.plain import Plain, fields_of
from scantrial.core.progress import Progress
from scantrial.data.arm_images import decoding
from scantrial.data.scanset import ScanSet
from scantrial.recipe.task import RunTask
from scantrial.store.folder import StudyFolder
from scantrial.study.costs import cost_key, epoch_seconds, refuse_test, seen_epoch_s, timed_task
from scantrial.study.study import Arm, Study
from scantrial.study.trial import Execution


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmTime(Plain):
    """How long one arm trains at one seed.

    Parameters
    ----------
    epoch_s : seconds of one epoch, or None if not known
    n_epochs : over all rounds, if none stops early
    may_stop : whether early stopping may end its runs before that
    """

    arm: str
    n_epochs: int
    epoch_s: float | None
    may_stop: bool = False

    def _content(self) -> dict[str, Any]:
        return {**fields_of(self), "run_s": self.run_s}

    @property
    def run_s(self) -> float | None:
        """Seconds of one run that does not stop early."""
        return None if self.epoch_s is None else self.n_epochs * self.epoch_s


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyTime(Plain):
    """How long a study trains, one run after the other, if no run stops early.

    Parameters
    ----------
    source : where the times are from, or why there are none, in words
    n_folds : of all repeats of a cross-validation; 1 for a study with one test set
    """

    arms: tuple[ArmTime, ...]
    n_seeds: int
    source: str
    n_folds: int = 1

    @property
    def total_s(self) -> float | None:
        """Seconds of all runs, one after the other; None if an arm's time is not known."""
        times = [arm.run_s for arm in self.arms]
        known = [seconds for seconds in times if seconds is not None]
        return self.n_seeds * self.n_folds * sum(known) if len(known) == len(times) else None

    def _content(self) -> dict[str, Any]:
        folds = {"n_folds": self.n_folds} if self.n_folds > 1 else {}
        return {"total_s": self.total_s, "n_seeds": self.n_seeds, **folds, "source": self.source, "arms": self.arms}


def time_from_pilot(study: Study, folder: StudyFolder, *, n_train: int | None) -> StudyTime:
    """Take the seconds of an epoch from a pilot's runs of the same recipe, whatever their rate and number of epochs.

    Parameters
    ----------
    n_train : planned training cases; times are scaled to them if the pilot had another number
    """
    scale = _train_scale(folder, n_train)
    seen = seen_epoch_s(folder, shape=study.spec.data.image.shape)
    known = [seen.get(cost_key(arm.recipe)) for arm in study.arms]
    scaled = "" if scale == 1 else f", scaled by {scale:.2g} for the number of training cases"
    return StudyTime(
        arms=tuple(
            _arm_time(arm, None if epoch_s is None else scale * epoch_s)
            for arm, epoch_s in zip(study.arms, known, strict=True)
        ),
        n_seeds=len(study.seeds),
        n_folds=max(1, len(study.folds)),
        source=f"runs of the pilot with the same network, loss, batch size and image size, on its machine{scaled}"
        f"{_left_out(study)}",
    )


def _train_scale(folder: StudyFolder, n_train: int | None) -> float:
    of_pilot = sum(folder.data()["counts"]["train"].values())
    return 1.0 if n_train is None or not of_pilot else n_train / of_pilot


def _arm_time(arm: Arm, epoch_s: float | None) -> ArmTime:
    may_stop = arm.recipe.early_stopping is not None
    return ArmTime(arm=arm.name, n_epochs=arm.recipe.n_epochs, epoch_s=epoch_s, may_stop=may_stop)


def not_measured(study: Study) -> StudyTime:
    """Return a time that is not known."""
    return StudyTime(
        arms=tuple(_arm_time(arm, None) for arm in study.arms),
        n_seeds=len(study.seeds),
        n_folds=max(1, len(study.folds)),
        source="not measured; --time measures it with two epochs of each recipe on this machine",
    )


def measure_time(study: Study, scans: ScanSet, execution: Execution, *, progress: Progress) -> StudyTime:
    """Train two epochs of each recipe here and take the second, because the first one includes warm-up.

    Nothing is kept, and no test row is read: the engine is given training and validation cases only. Sets the threads
    and the allocator of this process, as a worker does.
    """
    load = _load()
    threads = execution.threads or max(1, n_cores() // (execution.workers or 1))
    with allowed(execution.custom_classes), tempfile.TemporaryDirectory() as folder:
        prepared = resolve(execution.prepare)(execution.device, threads)
        engine = resolve(execution.engine)
        seconds: dict[str, float] = {}
        keys = {arm.name: cost_key(arm.recipe) for arm in study.arms}
        distinct = {keys[arm.name]: arm for arm in reversed(study.arms)}
        for number, (key, arm) in enumerate(distinct.items(), start=1):
            path = Path(folder) / str(number)
            task = _task(study, arm, scans, device=prepared["device"], threads=threads, path=path)
            seconds[key] = arm.recipe.ensemble * epoch_seconds(engine, task)
            progress("timing recipes", number, len(distinct))
    return StudyTime(
        arms=tuple(_arm_time(arm, seconds[keys[arm.name]]) for arm in study.arms),
        n_seeds=len(study.seeds),
        n_folds=max(1, len(study.folds)),
        source=f"the second of two epochs of each recipe, measured on this machine: {prepared['device']}, "
        f"{counted(threads, 'thread')}, one run at a time{_busy(load)}"
        f"{_left_out(study)}",
    )


def _left_out(study: Study) -> str:
    """Return in words what a run of some arm computes besides its epochs that takes long, or nothing."""
    recipes = [arm.recipe for arm in study.arms]
    parts = {
        "the pass over a backbone that is frozen as a whole": any(recipe.model.freeze == "all" for recipe in recipes),
        "the evaluation of several views": any(recipe.test_time_views > 1 for recipe in recipes),
    }
    left_out = joined([part for part, is_there in parts.items() if is_there])
    return f"; not in it: {left_out}" if left_out else ""


def _load() -> float:
    """Return the mean number of processes that needed a core in the last minute."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def _busy(load: float) -> str:
    if load <= n_cores() + 0.5:
        return ""
    return f"; the machine was busy (load {load:.1f} on {counted(n_cores(), 'core')}), and a free one may be faster"


def _task(study: Study, arm: Arm, scans: ScanSet, *, device: str, threads: int, path: Path) -> RunTask:
    return timed_task(
        RunTask(
            arm=arm.name,
            seed=study.seeds[0],
            recipe=arm.recipe,
            images=scans.shaped(decoding(arm.recipe.image, study.spec.data.image)).images,
            labels=scans.labels,
            class_names=scans.class_names,
            cases={"train": scans.cases_of("train"), "val": scans.cases_of("val")},
            device=device,
            threads=threads,
            checkpoint_path=path,
            checkpoint_every_s=float("inf"),
            engine_reason="",
            open_test=refuse_test,
            weights_files=study.weights_files,
        )
    )
