"""A small study with scans of its own, carried out by `fake_engine` or not at all."""

from __future__ import annotations

import json
import os
import textwrap
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from tests.unit.study.fake_engine import result_of

from scantrial.core.progress import silent
from scantrial.data.scanset import ScanSet
from scantrial.recipe.task import RunTask
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.study.executor import local_executor
from scantrial.study.file import parse_study, study_to_yaml
from scantrial.study.record import cases_table, data_record
from scantrial.study.study import Study
from scantrial.study.to_plan import study_to_plan
from scantrial.study.trial import Execution, Hooks, Outcome, Watch, run_study

TEXT = textwrap.dedent(
    """
    study: Which?
    data: {source: phantom, split: given}
    recipe: {model: {name: mlp, hidden: [4]}, epochs: 2, loss: bce}
    factors: {loss: [bce, ce]}
    seeds: 2
    """
)
SPLIT = ("train",) * 6 + ("val",) * 3 + ("test",) * 3


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A study folder, an engine beside it, and what is done with both.

    Parameters
    ----------
    path : an empty folder of the test's
    worker_pids : returns the worker processes that were started and are still there
    """

    path: Path
    worker_pids: Callable[[], list[int]] = list

    @property
    def folder(self) -> StudyFolder:
        """Return the study folder, which need not be there yet."""
        return StudyFolder(self.path / "study")

    def study(self, *sets: str, text: str = TEXT, seeds: int | None = None) -> Study:
        """Return the small study, or another one, with some settings changed."""
        return parse_study(text, sets=sets, seeds=seeds, base=self.path)

    def scans(self, *, brighter: int = 0, split: Iterable[str] = SPLIT, file: str = "scans.npy") -> ScanSet:
        """Return twelve scans of six by five pixels; equal pixels have the same fingerprint wherever they lie."""
        path = self.path / file
        path.parent.mkdir(exist_ok=True)
        images = np.arange(12 * 30, dtype=np.int64).reshape(12, 6, 5) % 200 + brighter
        np.save(path, images.astype(np.uint8))
        mapped = np.load(path, mmap_mode="r")
        return ScanSet(
            images=mapped,
            labels=np.arange(12, dtype=np.int64) % 2,
            class_names=("well", "sick"),
            split=np.array(list(split)),
            sources=tuple(f"{number}.png" for number in range(12)),
            patients=None,
            fingerprint=sha256(mapped.tobytes()).hexdigest(),
            images_path=path,
            origin={"name": file},
        )

    def behave(self, **how: str) -> None:
        """Say what runs (``arm/seed-S``) and processes are to do."""
        (self.path / "engine" / "behaviour.json").write_text(json.dumps(how))

    def trained(self) -> list[str]:
        """Return the runs that the engine was given, and whether each found a checkpoint."""
        path = self.path / "engine" / "trained.log"
        return path.read_text().splitlines() if path.is_file() else []

    def timed(self) -> list[str]:
        """Return the arms that were timed, each with its threads, in the order they began."""
        path = self.path / "engine" / "timed.log"
        return path.read_text().splitlines() if path.is_file() else []

    def run(
        self,
        study: Study | None = None,
        scans: ScanSet | None = None,
        watch: Watch = lambda event, clock: None,
        hear: Callable[[str], None] = silent,
        **how: Any,
    ) -> Outcome:
        """Carry out a study with the fake engine."""
        fields = {"engine": "fake_engine:train", "engine_reason": "a test", "prepare": "fake_engine:prepare"}
        execution = Execution(**{**fields, "executor": local_executor, **how})
        hooks = Hooks(watch=watch, note=hear)
        return run_study(study or self.study(), scans or self.scans(), self.folder, execution, hooks)

    def record(self, study: Study | None = None, *, finished: Iterable[str] = ()) -> None:
        """Write a study folder without any process: its plan, its scans, and some finished runs."""
        study = study or self.study()
        scans = self.scans()
        text = study_to_yaml(study)
        self.folder.write_data(data_record(scans, study.spec.data), cases_table(scans, thumbnails=False))
        self.folder.write_study(
            text, study_to_plan(study), sha256=sha256(text.encode()).hexdigest(), change="first version"
        )
        for name in finished:
            arm, _, seed = name.partition("/seed-")
            self.folder.write_run(result_of(self.task(study, scans, RunKey(arm, int(seed)))))

    def task(self, study: Study, scans: ScanSet, key: RunKey) -> RunTask:
        """Return one run as an engine is given it."""
        return RunTask(
            arm=key.arm,
            seed=key.seed,
            recipe=study.arm(key.arm).recipe,
            images=scans.images,
            labels=scans.labels,
            class_names=scans.class_names,
            cases={split: scans.cases_of(split) for split in ("train", "val", "test")},
            device="cpu",
            threads=1,
            checkpoint_path=Path(os.devnull),
            checkpoint_every_s=0.0,
            engine_reason="a test",
            open_test=lambda chosen_epoch: None,
        )

    def contents(self) -> dict[str, bytes]:
        """Return every file of the study folder but the lock."""
        files = [path for path in self.folder.path.rglob("*") if path.is_file() and path.name != ".lock"]
        return {str(path.relative_to(self.folder.path)): path.read_bytes() for path in files}
