"""A worker process: trains, or only times, the runs that its parent names, one after the other.

Started as ``python -m scantrial.study.worker``. Commands come as JSON lines on standard input,
answers go as JSON lines to the original standard output; whatever a network prints goes to standard
error. The end of standard input means that the parent is gone: the process ends at once, whatever it
is doing, and releases its share of the study's lock. Nothing is lost: files appear whole or not at
all, and a run continues from its last checkpoint.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from scantrial.core.custom_code import CustomClass, allowed
from scantrial.core.errors import ScantrialError, StoreError, TrainingError
from scantrial.core.files import make_within
from scantrial.core.machine import peak_memory, return_freed_memory
from scantrial.core.memory import memory_error
from scantrial.core.names import resolve
from scantrial.core.records import SPLITS, EpochRecord, Split
from scantrial.recipe.task import RunTask
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.store.lock import refuse_removed
from scantrial.store.run_files import keeps_sheet
from scantrial.store.schema import dump_json
from scantrial.study.costs import epoch_seconds, timed_task
from scantrial.study.identity import Identities, where
from scantrial.study.live import LiveHistory
from scantrial.study.record import ArmImages

_TIMED_STEPS = 8
_TIMED_S = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSetup:
    """What a worker needs to know once, before any run.

    Parameters
    ----------
    folder : the study folder
    images_path : the ``.npy`` file of all scans
    arm_images : the images of each arm that has its own, by the arm's name
    prepare : "module:function" called as ``prepare(device, threads)`` before anything else; returns the
        environment as plain data, with the "device" that was chosen
    engine : "module:function", an `scantrial.recipe.task.Engine`
    engine_reason : why this engine
    device : ``auto``, ``cpu``, ``cuda`` or ``mps``
    threads : threads for one run
    checkpoint_every_s : seconds between checkpoints
    keep_weights : whether the chosen epoch's weights are kept
    custom_classes : the networks of the user's own that may be imported
    weights_files : files of pretrained weights, by their SHA-256
    """

    folder: str
    images_path: str
    prepare: str
    engine: str
    engine_reason: str
    device: str
    threads: int
    checkpoint_every_s: float
    keep_weights: bool
    custom_classes: tuple[CustomClass, ...] = ()
    weights_files: Mapping[str, str] = field(default_factory=dict)
    arm_images: Mapping[str, ArmImages] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> WorkerSetup:
        """Read the plain data of `dataclasses.asdict`."""
        classes = tuple(CustomClass.from_dict(item) for item in content["custom_classes"])
        images = {arm: ArmImages(**item) for arm, item in content["arm_images"].items()}
        return cls(**{**content, "custom_classes": classes, "arm_images": images})


class _Worker:
    """The state of one worker process between its runs."""

    def __init__(self, setup: WorkerSetup, answers: TextIO) -> None:
        self.setup = setup
        self.answers = answers
        self.folder = StudyFolder(setup.folder)
        self.environment: dict[str, Any] = resolve(setup.prepare)(setup.device, setup.threads)
        self.engine = resolve(setup.engine)
        self.identities = Identities(self.folder, {arm: one.fingerprint for arm, one in setup.arm_images.items()})
        self.plan = self.folder.plan()
        needed = {arm.recipe.packages for arm in self.plan.arms}
        self.wheres = {
            packages: where(self.environment, engine=setup.engine, threads=setup.threads, packages=packages)
            for packages in needed
        }
        self.class_names = tuple(self.folder.data()["class_names"])
        self.images = np.load(setup.images_path, mmap_mode="r")
        self.labels, self.splits = _read_cases(self.folder, len(self.images))
        self.folds = self.folder.fold_table()

    def answer(self, **message: Any) -> None:
        """Send one message to the parent."""
        self.answers.write(dump_json(message, indent=None) + "\n")
        self.answers.flush()

    def train(self, key: RunKey) -> None:
        """Train one run, write its folder, and tell the parent how it ended."""
        partial = self._make_partial(key)
        live = LiveHistory(self.folder, key)

        def tell(record: EpochRecord, n_epochs: int) -> None:
            refuse_removed(self.folder.path)
            live.note(record)
            told = {"epoch": record.epoch, "n_epochs": n_epochs, "val_accuracy": record.val_accuracy}
            self.answer(kind="epoch", peak_bytes=peak_memory(), **told)

        with allowed(self.setup.custom_classes):
            task = replace(self._task(key, partial / "checkpoint.pt"), taken_up=live.take_up)
            result = self.engine(task, tell)
        return_freed_memory()  # writing needs copies of the weights, of other sizes than what training has freed
        refuse_removed(self.folder.path)
        images = self.setup.arm_images.get(key.arm)
        facts = replace(
            result.facts,
            seed=key.seed,
            repeat=key.repeat,
            fold=key.fold,
            identity={"what": self.identities.what(key), "where": self._where(key)},
            images=images and {"fingerprint": images.fingerprint, "n_enlarged": images.n_enlarged},
        )
        sheet = result.sheet if keeps_sheet(self.plan, key) else None
        self.folder.write_run(replace(result, facts=facts, sheet=sheet), keep_weights=self.setup.keep_weights)
        self.answer(kind="done", status=result.facts.status)

    def _make_partial(self, key: RunKey) -> Path:
        """Make the folder of an unfinished run, but not that of a study that was deleted meanwhile."""
        partial = self.folder.partial_path(key)
        try:
            make_within(self.folder.path, partial)
        except FileNotFoundError:
            refuse_removed(self.folder.path)
            raise
        return partial

    def take_over(self, key: RunKey, offers: list[dict[str, Any]]) -> bool:
        """Copy a finished run that was trained as this one would be, if one is on offer; return whether one was."""
        for offer in offers:
            if offer["where"] == self._where(key):
                source, theirs = StudyFolder(offer["folder"]), RunKey.from_dict(offer)
                facts = self.folder.take_over(key, source, theirs, keep_weights=self.setup.keep_weights)
                self.answer(kind="done", status=facts.status, reused_from=f"{offer['folder']}, {theirs}")
                return True
        return False

    def time(self, arm: str, threads: int) -> None:
        """Train a few steps of an arm, and tell the parent how long a whole epoch takes and what memory was needed.

        Nothing is kept, and no test row is read.
        """
        key = RunKey(arm, 0, *(self.plan.folds or [()])[0])
        whole = replace(self._task(key, self.folder.partial_path(key) / "timed"), threads=threads)
        task = timed_task(whole, n_train=_TIMED_STEPS * whole.recipe.batch_size)
        with allowed(self.setup.custom_classes):
            seconds = epoch_seconds(self.engine, task, enough_s=_TIMED_S)
        return_freed_memory()
        scale = whole.recipe.ensemble * whole.cases_an_epoch / task.cases_an_epoch
        self.answer(kind="timed", epoch_s=scale * seconds, peak_bytes=peak_memory() + _copied_bytes(whole))

    def _open_test(self, key: RunKey, chosen_epoch: int) -> None:
        purpose = f"evaluation after training, epoch {chosen_epoch}"
        self.folder.log_test_opening(by="run", purpose=purpose, runs=[key])

    def _where(self, key: RunKey) -> str:
        return self.wheres[self.plan.arm(key.arm).recipe.packages]

    def _task(self, key: RunKey, checkpoint_path: Path) -> RunTask:
        images = self.setup.arm_images.get(key.arm)
        return RunTask(
            arm=key.arm,
            seed=key.drawn_seed,
            recipe=self.plan.arm(key.arm).recipe,
            images=self.images if images is None else np.load(images.path, mmap_mode="r"),
            labels=self.labels,
            class_names=self.class_names,
            cases=self._cases_of(key),
            device=self.environment["device"],
            threads=self.setup.threads,
            checkpoint_path=checkpoint_path,
            checkpoint_every_s=self.setup.checkpoint_every_s,
            engine_reason=self.setup.engine_reason,
            open_test=lambda chosen_epoch: self._open_test(key, chosen_epoch),
            where=self._where(key) + ("" if images is None else f", images {images.fingerprint}"),
            weights_files={sha256: Path(path) for sha256, path in self.setup.weights_files.items()},
            called=f"arm {key.arm}, {key.words}",
        )

    def _cases_of(self, key: RunKey) -> Mapping[Split, Any]:
        """Return the cases of each split, in a cross-validation as the run's fold uses them."""
        numbers, splits = self.splits
        if self.folds is not None and key.place is not None:
            splits = self.folds.parts(*key.place)
        return {split: np.sort(numbers[splits == split]) for split in SPLITS}


def _read_cases(
    folder: StudyFolder, n_images: int
) -> tuple[np.ndarray[Any, Any], tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]]:
    """Return labels by case number (-1 where the study does not use the case), and the cases with their splits."""
    table = folder.cases(["case", "split", "label"])
    numbers, splits = table["case"].to_numpy(), np.array(table["split"].to_pylist())
    labels = np.full(n_images, -1, dtype=np.int64)
    labels[numbers] = table["label"].to_numpy()
    return labels, (numbers, splits)


def _copied_bytes(task: RunTask) -> int:
    """Return the bytes of scans that a run holds by itself: all where they change or go to a device, or else none."""
    if task.device == "cpu" and not task.recipe.changes_pixels:
        return 0
    return sum(map(len, task.cases.values())) * int(task.images[0].nbytes)


def _read_commands(commands: queue.Queue[dict[str, Any]]) -> None:
    for line in sys.stdin:
        commands.put(json.loads(line))
    os._exit(0)


def _private_stdout() -> TextIO:
    """Reserve the channel to the parent for answers; printed text goes to standard error."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8", errors="backslashreplace")
    os.dup2(2, 1)
    return answers


def _described(error: Exception) -> dict[str, str | None]:
    """Return an error as plain data for the parent."""
    if not isinstance(error, ScantrialError):
        error = memory_error(error) or TrainingError(f"{type(error).__name__}: {error}")
    return error.to_dict()


def main() -> None:
    """Serve the parent until it ends."""
    answers = _private_stdout()
    commands: queue.Queue[dict[str, Any]] = queue.Queue()
    threading.Thread(target=_read_commands, args=(commands,), daemon=True).start()

    def say(**message: Any) -> None:
        answers.write(dump_json(message, indent=None) + "\n")
        answers.flush()

    try:
        worker = _Worker(WorkerSetup.from_dict(commands.get()), answers)
    except Exception as error:
        say(kind="fatal", error=_described(error))
        return
    say(kind="ready", environment=worker.environment)
    while True:
        command = commands.get()
        try:
            if "time" in command:
                worker.time(command["time"], command["threads"])
            else:
                key = RunKey.from_dict(command)
                if not worker.take_over(key, command["offers"]):
                    worker.train(key)
        except StoreError as error:
            say(kind="fatal", error=_described(error))
        except Exception as error:
            say(kind="failed", error=_described(error))


if __name__ == "__main__":
    main()
