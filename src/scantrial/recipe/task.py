"""`RunTask`: one run of a study, with all that an engine needs to train it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from scantrial.core.progress import silent
from scantrial.core.records import EpochRecord, RunResult, Split
from scantrial.recipe.spec import Recipe
from scantrial.recipe.training import drawn_of_classes


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTask:
    """One run to be trained.

    Parameters
    ----------
    arm : what is trained
    seed : of all draws
    recipe : what to train
    images : shape (n, height, width[, 3]), uint8 or uint16; may be memory-mapped
    labels : shape (n,), class indices
    class_names : in the order of the indices
    cases : case numbers (rows of `images`) of each split, rising
    device : ``cpu``, ``cuda`` or ``mps``
    threads : threads for this run
    checkpoint_path : where an unfinished run is kept; if it exists, the run goes on from there
    checkpoint_every_s : seconds between checkpoints, taken at an epoch's end; 0 is every epoch
    engine_reason : why this engine was chosen, to be recorded
    open_test : called with the chosen epoch before test rows are read, which happens once; an exception ends the run
    where : a hash of the machine, the versions and the code; a checkpoint with a different hash is not resumed
    weights_files : files of pretrained weights, by their SHA-256
    member : the number of the network in an ensemble, whose networks are evaluated together after the last one: nothing
        is predicted, and a checkpoint is also taken after the last epoch; None for a run of its own
    keep_features : write features of a frozen backbone into the user's cache
    taken_up : called with the epochs of the checkpoint that the run goes on from; not for a network of an ensemble
    called : the run in messages; empty for its arm and its seed
    """

    arm: str
    seed: int
    recipe: Recipe
    images: NDArray[np.uint8] | NDArray[np.uint16]
    labels: NDArray[np.int64]
    class_names: tuple[str, ...]
    cases: Mapping[Split, NDArray[np.int64]]
    device: str
    threads: int
    checkpoint_path: Path
    checkpoint_every_s: float
    engine_reason: str
    open_test: Callable[[int], None]
    where: str = ""
    weights_files: Mapping[str, Path] = field(default_factory=dict)
    member: int | None = None
    keep_features: bool = True
    taken_up: Callable[[Sequence[EpochRecord]], None] = silent
    called: str = ""

    @property
    def title(self) -> str:
        """The run, for messages."""
        return self.called or f"arm {self.arm}, seed {self.seed}"

    @property
    def cases_an_epoch(self) -> int:
        """Training cases of one epoch as the recipe draws them, repeats counted."""
        of_classes = np.bincount(self.labels[self.cases["train"]]).tolist()
        return sum(drawn_of_classes(self.recipe.sampling, of_classes))


Tell = Callable[[EpochRecord, int], None]
"""Called at the end of each epoch with its record and the number of epochs in all."""

Engine = Callable[[RunTask, Tell], RunResult]
"""Trains one run. Named as ``"module:function"``, so that worker processes find it."""
