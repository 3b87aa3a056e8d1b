"""The studies of a folder, kept in memory as far as they were read; only the log of openings is ever written.

Reading test rows is logged, as everywhere: once for each run and start of the server, before the rows are handed out.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from scantrial import api
from scantrial.audit.records import Audit
from scantrial.audit.stored import read_audit
from scantrial.core.errors import InputError
from scantrial.core.files import matching
from scantrial.core.records import SPLITS, EpochRecord, RunFacts, Split, SplitPredictions
from scantrial.data.places import is_place_of
from scantrial.findings.reading import RunData, StudyData, fitting_together
from scantrial.recipe.plan import Plan
from scantrial.store.folder import RunKey, StudyFolder
from scantrial.store.links import refuse_links
from scantrial.store.lock import holder_of
from scantrial.store.protocol import FIXED_FILES
from scantrial.store.verify import study_mismatches
from scantrial.web.cases import CaseIndex, read_cases

T = TypeVar("T")

BY = "serve"
PURPOSE = "pages in a browser, since this server started"
LOOK_S = 0.5
"""Seconds after which the list of studies is read again."""
KEPT_PICTURES = 4
"""Studies whose thumbnails stay in memory at the same time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """What a folder holds, as two short texts that change when it changes.

    Parameters
    ----------
    results : for everything that depends on finished runs
    live : for running runs, failures, and the process that trains
    """

    results: str
    live: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishedRun:
    """What is read of a finished run without its predictions; `stamp` changes when the run is replaced."""

    stamp: int
    facts: RunFacts
    history: tuple[EpochRecord, ...]


class OpenStudy:
    """One study folder. Methods may be called from several threads; each reads a thing once.

    Parameters
    ----------
    name : of the folder, as in addresses
    shown : its path as somebody would write it where the server was started

    Raises
    ------
    StoreError
        If a link in the folder leads out of it.
    """

    def __init__(self, name: str, path: Path, *, shown: Path | None = None) -> None:
        refuse_links(path)
        self.name = name
        self.shown = path if shown is None else shown
        self.folder = StudyFolder(path)
        self._guard = threading.RLock()
        self._reading = threading.Lock()
        self._finished: dict[RunKey, FinishedRun] = {}
        self._runs: dict[RunKey, tuple[int, RunData]] = {}
        self._opened: dict[RunKey, int] = {}
        self._is_logged = False
        self._memory: dict[str, tuple[Hashable, Any]] = {}
        self._making: dict[str, threading.Lock] = {}

    # ------------------------------------------------------------------ what there is

    def stamp(self) -> Stamp:
        """Return what the folder holds now, from names and times of files alone; refuse links as `OpenStudy` does."""
        path = self.folder.path
        refuse_links(path)
        fixed = [path / name for name in (*FIXED_FILES, "protocol.jsonl")]
        report = path / "report" / "report.html"
        live = [*matching(path, "partial/*.json"), *matching(path, "partial/*/seed-*/*.json"), report]
        runs = matching(path, "runs/*/seed-*/run.json")
        holder = holder_of(path)
        return Stamp(results=_digest([*fixed, *runs]), live=_digest(sorted(live), str((holder or {}).get("pid"))))

    def plan(self) -> Plan:
        """Return the study's plan."""
        path = self.folder.path / "plan.json"
        return self.remembered("plan", _mtime(path), self.folder.plan)

    def labels(self) -> dict[str, str]:
        """Return what to call each arm, by its name."""
        return self.plan().labels

    def arms_with_runs(self) -> dict[str, str]:
        """Return the labels of the arms that have finished runs."""
        done = {key.arm for key in self.finished()}
        return {name: label for name, label in self.labels().items() if name in done}

    def class_names(self) -> tuple[str, ...]:
        """Return the classes in the order of their indices."""
        return tuple(map(str, self.folder.data()["class_names"]))

    def pages_without(self) -> tuple[str, ...]:
        """Return the pages that cannot apply, as their addresses end: no pair of arms, no one threshold."""
        found = []
        with suppress(Exception):  # where the folder is damaged, the page itself says so
            found += ["/compare"] if len(self.plan().arms) < 2 else []
            found += ["/threshold"] if len(self.class_names()) != 2 or self.plan().folds else []
        return tuple(found)

    def knows_scans(self) -> bool:
        """Return whether this machine has read these scans before and still has them: no page makes it read others."""
        source = self.plan().data.get("source", {})
        name = str(source.get("name", "") if isinstance(source, Mapping) else source)
        return is_place_of(str(self.folder.data()["fingerprint"]), name)

    def split_of_cases(self) -> Mapping[int, str]:
        """Return the split of each case."""
        path = self.folder.path / "cases.parquet"

        def read() -> Mapping[int, str]:
            table = self.folder.cases(["case", "split"])
            return dict(zip(table["case"].to_pylist(), table["split"].to_pylist(), strict=True))

        return self.remembered("splits", _mtime(path), read)

    def status(self) -> api.Status:
        """Return what is done, running and left."""
        self.plan()
        return api.status(self.folder.path)

    def remembered(self, what: str, version: Hashable, make: Callable[[], T]) -> T:
        """Return what was made of this version; make it now if there is only one of another version."""
        with self._guard:
            making = self._making.setdefault(what, threading.Lock())
        # A lock for each thing: requests at the same time wait for this thing only.
        with making:
            known = self._memory.get(what)
            if known is None or known[0] != version:
                known = self._memory[what] = version, make()
        found: T = known[1]
        return found

    def audit(self) -> Audit | None:
        """Return the audit of the scans, or None if there is none."""
        return self.remembered("audit", _mtime(self.folder.path / "audit.json"), lambda: read_audit(self.folder))

    def finished(self) -> dict[RunKey, FinishedRun]:
        """Return facts and history of every finished run; no test row is read."""
        self.plan()
        with self._guard:
            found = {key: self._finished_run(key) for key in self.folder.run_keys()}
            self._finished = found
            return dict(found)

    def _finished_run(self, key: RunKey) -> FinishedRun:
        stamp = _mtime(self.folder.run_path(key) / "run.json")
        known = self._finished.get(key)
        if known is not None and known.stamp == stamp:
            return known
        return FinishedRun(stamp=stamp, facts=self.folder.facts(key), history=self.folder.history(key))

    # ------------------------------------------------------------------ predictions

    def open_test(self, *, with_runs: bool = True) -> None:
        """Log that test rows are opened, unless this server has logged it for all of the study's runs.

        Parameters
        ----------
        with_runs : whether the predictions of the runs are read; if not, only scans and classes are
        """
        with self._guard:
            runs = self.finished() if with_runs else {}
            new = {key: run.stamp for key, run in runs.items() if self._opened.get(key) != run.stamp}
            if new or not self._is_logged:
                self.folder.log_test_opening(by=BY, purpose=PURPOSE, runs=list(new))
                self._opened.update(new)
                self._is_logged = True

    def runs(self, *, with_test: bool) -> dict[RunKey, RunData]:
        """Return every finished run with its predictions, including test rows only if asked for."""
        finished = self.finished()
        if with_test:
            self.open_test()
        # Takes seconds for many runs; other requests do not wait for it.
        with self._reading:
            return {key: self._run(key, run, with_test=with_test) for key, run in finished.items()}

    def _run(self, key: RunKey, run: FinishedRun, *, with_test: bool) -> RunData:
        known = self._runs.get(key)
        if known is not None and known[0] == run.stamp and (not with_test or "test" in known[1].predictions):
            return known[1] if with_test else _without_test(known[1])
        splits = SPLITS if with_test else SPLITS[:2]
        # Logged already by `open_test`, for all runs together.
        parts = self.folder.read_logged_predictions(key, splits)
        data = RunData(key=key, facts=run.facts, history=run.history, predictions={part.split: part for part in parts})
        self._runs[key] = run.stamp, data
        return data

    def data(self, *, with_test: bool = True) -> StudyData:
        """Return everything that a report is made of, including test rows if asked for."""
        runs = self.runs(with_test=with_test)
        folder = self.folder
        study = StudyData(
            plan=self.plan(),
            data=folder.data(),
            environment=folder.environment() if (folder.path / "environment.json").is_file() else {},
            study_text=folder.study_text(),
            protocol=tuple(folder.protocol()),
            runs=tuple(runs.values()),
            failures=tuple(folder.failures()),
            openings=tuple(folder.test_openings()),
            cases=folder.cases(["case", "split", "label", "patient", "source"]),
            audit=self.audit(),
            folds=folder.fold_table(),
            mismatches=tuple(study_mismatches(folder)),
            not_logged=folder.not_logged,
        )
        return fitting_together(study)


def _without_test(run: RunData) -> RunData:
    rest: dict[Split, SplitPredictions] = {split: part for split, part in run.predictions.items() if split != "test"}
    return RunData(key=run.key, facts=run.facts, history=run.history, predictions=rest)


class Shelf:
    """All studies of a folder: the folder itself, or the studies in it.

    Parameters
    ----------
    root : the folder that is served

    Raises
    ------
    InputError
        If it is not a folder.
    """

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise InputError(f"{root} is not a folder", expected="a study folder, or a folder of study folders")
        self.root = root.resolve()
        self.given = root
        self._studies: dict[str, OpenStudy] = {}
        self._cases: OrderedDict[tuple[str, int], CaseIndex] = OrderedDict()
        self._guard = threading.Lock()
        self._reading = threading.Lock()
        self._seen: tuple[float, dict[str, Path]] = float("-inf"), {}

    def names(self) -> tuple[str, ...]:
        """Return the names of the current studies."""
        return tuple(sorted(self._paths()))

    def study(self, name: str) -> OpenStudy:
        """Return a study by its name.

        Raises
        ------
        KeyError
            If there is none of that name; a name is only compared with known ones, never used as a path.
        """
        path = self._paths()[name]
        with self._guard:
            if name not in self._studies:
                shown = self.given if path == self.root else self.given / name
                self._studies[name] = OpenStudy(name, path, shown=shown)
            return self._studies[name]

    def cases(self, study: OpenStudy) -> CaseIndex:
        """Return the cases of a study with their pictures; those of the last few studies stay in memory."""
        key = study.name, _mtime(study.folder.path / "cases.parquet")
        found = self._kept_cases(key)
        if found is None:
            # Takes seconds for many pictures: only requests for the same pictures wait for them.
            with self._reading:
                found = self._kept_cases(key) or read_cases(study.folder)
                self._keep_cases(key, found)
        return found

    def _kept_cases(self, key: tuple[str, int]) -> CaseIndex | None:
        with self._guard:
            if key in self._cases:
                self._cases.move_to_end(key)
            return self._cases.get(key)

    def _keep_cases(self, key: tuple[str, int], found: CaseIndex) -> None:
        with self._guard:
            self._cases[key] = found
            while len(self._cases) > KEPT_PICTURES:
                self._cases.popitem(last=False)

    def _paths(self) -> dict[str, Path]:
        at, found = self._seen
        if time.monotonic() - at > LOOK_S:
            found = {path.name: path for path in self._candidates() if (path / "plan.json").is_file()}
            self._seen = time.monotonic(), found
        return found

    def _candidates(self) -> Iterator[Path]:
        if (self.root / "plan.json").is_file():
            yield self.root
            return
        for path in self.root.iterdir():
            # A link that leads out of the folder is not followed.
            with suppress(OSError):
                if path.is_dir() and path.resolve().is_relative_to(self.root):
                    yield path


def _mtime(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return 0


def _digest(paths: list[Path], *words: str) -> str:
    text = "\n".join([*words, *(f"{path}:{_mtime(path)}" for path in paths)])
    return hashlib.sha256(text.encode(errors="backslashreplace")).hexdigest()[:16]
