"""An engine that trains nothing: it tells epochs, then does what ``behaviour.json`` beside it says.

Tests copy it into a folder of their own, where worker processes find it by its name.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from scantrial.core import errors
from scantrial.core.machine import peak_memory
from scantrial.core.records import SPLITS, EpochRecord, RunFacts, RunResult, SplitPredictions
from scantrial.recipe.task import RunTask, Tell

HERE = Path(__file__).parent


def behaviour() -> dict[str, str]:
    """Return what each run is to do, and under "prepare", "torch" and "cpu" what the process is to do."""
    path = HERE / "behaviour.json"
    return json.loads(path.read_text()) if path.is_file() else {}


def prepare(device: str, threads: int) -> dict[str, Any]:
    """Set nothing up; fail as asked."""
    kind = behaviour().get("prepare")
    if kind == "a bug":
        raise AttributeError("no such device")
    if kind is not None:
        raise getattr(errors, kind)("no such device", expected="cpu", do="leave it out")
    return {
        "device": "cpu" if device == "auto" else device,
        "torch": behaviour().get("torch", "1.0"),
        "cpu_capability": "NONE",
        **({"cpu": behaviour()["cpu"]} if "cpu" in behaviour() else {}),
    }


def train(task: RunTask, tell: Tell) -> RunResult:
    """Tell the recipe's epochs, then do what the run is to do; what is printed must disturb nobody."""
    print("printed by a network")
    if task.engine_reason == "timing":
        return be_timed(task, tell)
    what = behaviour().get(f"{task.arm}/seed-{task.seed}", "")
    with (HERE / "trained.log").open("a") as log:
        log.write(f"{task.arm}/seed-{task.seed} {'goes on' if task.checkpoint_path.exists() else 'starts'}\n")
    for epoch in range(1, task.recipe.epochs + 1):
        tell(epoch_record(epoch), task.recipe.epochs)
    misbehave(what, task)
    task.open_test(task.recipe.epochs)
    (HERE / "test-rows-were-read").touch()
    if what == "raise after test":
        raise ValueError("too late")
    return result_of(task)


def be_timed(task: RunTask, tell: Tell) -> Any:
    """Take for each epoch what ``pace/ARM/THREADS`` says, in seconds, until it is enough; ``fail`` fails."""
    pace = behaviour().get(f"pace/{task.arm}/{task.threads}", "0.001")
    with (HERE / "timed.log").open("a") as log:
        log.write(f"{task.arm} {task.threads}\n")
    if pace == "fail":
        raise errors.TrainingError("it does not fit into memory")
    for epoch in range(1, task.recipe.epochs + 1):
        time.sleep(float(pace))
        (HERE / "peak.txt").write_text(str(peak_memory()))
        tell(epoch_record(epoch), task.recipe.epochs)


def misbehave(what: str, task: RunTask) -> None:
    """Fail in one of many ways."""
    if what == "kill once":
        what = "" if (HERE / "killed").exists() else "kill"
        (HERE / "killed").touch()
    if what in ("exit", "kill"):
        print("a warning\nand the last words", file=sys.stderr, flush=True)
        os._exit(7) if what == "exit" else os.kill(os.getpid(), signal.SIGKILL)
    if what == "bad_alloc":
        ctypes.CDLL("libstdc++.so.6")["_ZSt17__throw_bad_allocv"]()  # nobody catches it, as in a library's own thread
    if what == "too large":
        np.empty(1 << 60, np.uint8)
    if what == "wait":
        time.sleep(60)
    if what == "checkpoint":
        task.checkpoint_path.write_bytes(b"state")
    if what in ("checkpoint", "raise"):
        raise errors.TrainingError("it fell over")
    if what == "store":
        raise errors.StoreError("the disk is full", do="free some space")


def epoch_record(epoch: int) -> EpochRecord:
    """Return an epoch with plain numbers."""
    return EpochRecord(
        round=1,
        epoch=epoch,
        lr=1e-3,
        train_loss=1 / epoch,
        train_accuracy=0.5,
        val_loss=1 / epoch,
        val_accuracy=epoch / (epoch + 1),
    )


def result_of(task: RunTask) -> RunResult:
    """Return a whole result with the task's own cases and labels."""
    parts = []
    for split in SPLITS:
        cases = task.cases[split]
        logits = np.full((len(cases), 1), task.seed, dtype=np.float32)
        p = np.full(len(cases), 0.75)
        parts.append(
            SplitPredictions(
                split=split,
                cases=cases,
                y_true=task.labels[cases],
                logits=logits,
                output_names=task.class_names[1:],
                y_prob=np.column_stack([1 - p, p]),
            )
        )
    facts = RunFacts(
        arm=task.arm,
        seed=task.seed,
        status="finished",
        n_epochs=task.recipe.epochs,
        chosen_epoch=task.recipe.epochs,
        selection="last",
        diverged_epoch=None,
        engine="fake",
        engine_reason=task.engine_reason,
        device=task.device,
        threads=task.threads,
        n_parameters=1,
        recipe=task.recipe.to_dict(),
        preprocessing={},
        class_names=task.class_names,
        image_shape=(1, *task.images.shape[1:3]),
        pixel_type=str(task.images.dtype),
    )
    history = tuple(epoch_record(epoch) for epoch in range(1, task.recipe.epochs + 1))
    return RunResult(facts=facts, history=history, predictions=tuple(parts), weights={"w": np.zeros(2)})
