"""The commands as functions, for notebooks and scripts.

>>> import scantrial
>>> outcome = scantrial.run("demo", out="demo")          # doctest: +SKIP
>>> scantrial.report("demo")                              # doctest: +SKIP
"""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, get_args

from scantrial.core.errors import InputError, MissingExtraError
from scantrial.core.names import listed, nearest, slug
from scantrial.core.progress import Progress, silent
from scantrial.data.load import load
from scantrial.data.scanset import ScanSet
from scantrial.data.spec import DataSpec, ImageSpec, SourceSpec
from scantrial.data.splits import apply_split
from scantrial.report.case import CaseView, case_view
from scantrial.report.reading import read_study as read_folder
from scantrial.report.view import ReportView, build_view
from scantrial.store.folder import RunKey, StudyFolder, open_folder
from scantrial.store.lock import holder_of
from scantrial.study.arms import Study
from scantrial.study.execute import Clock, Execution, Outcome, Watch, run_study
from scantrial.study.file import read_study
from scantrial.study.pool import Event
from scantrial.train.choice import choose_engine

if TYPE_CHECKING:
    from scantrial.train.judge import JudgedFiles

EngineName = Literal["auto", "reference", "fused"]
DeviceName = Literal["auto", "cpu", "cuda", "mps"]


def load_study(study: str | Path, *, sets: Sequence[str] = (), seeds: int | None = None) -> Study:
    """Read a study file, or a built-in study by its name.

    Parameters
    ----------
    sets : changes as ``KEY=VALUE`` with dotted keys, such as ``recipe.epochs=2``
    seeds : number of seeds instead of the file's

    Raises
    ------
    StudyFileError
        With every fault of the file, each with its line.
    """
    return read_study(study, sets=sets, seeds=seeds)


def load_scans(data: DataSpec | str | Path, *, base: Path | None = None, progress: Progress = silent) -> ScanSet:
    """Load scans as one array, with the split of `data` if it is a full `DataSpec`.

    Parameters
    ----------
    data : the ``data`` part of a study, or just a source: a catalogue name, folder, ``.npz`` or ``.csv`` file
    base : folder that relative paths start from

    Raises
    ------
    DataError
        If the scans cannot be used; every offending file is named.
    """
    if not isinstance(data, DataSpec):
        return load(SourceSpec(name=str(data)), image=ImageSpec(), base=base, progress=progress)
    scans = load(
        data.source,
        image=data.image,
        classes=data.classes,
        patient=data.patient,
        skip_unreadable=data.skip_unreadable,
        base=base,
        progress=progress,
    )
    return apply_split(scans, data.split)


class RunOptions(TypedDict, total=False):
    """How to train, as keywords of `run`.

    Parameters
    ----------
    workers : runs trained at the same time, each in a process of its own, default 1
    threads : threads for each run, default: the cores shared among the workers; a folder's first run fixes it
    engine : ``reference``, plain PyTorch; ``fused``, many times faster where the first layer is linear on pixels; or
        ``auto``, the default, which takes the fused one where it can. A folder's first run fixes it
    device : default ``auto``: CUDA, MPS or the CPU, whichever is there first; a folder's first run fixes it
    checkpoint_every_s : seconds between checkpoints, taken at an epoch's end, default 60; 0 is every epoch
    """

    workers: int
    threads: int | None
    engine: EngineName
    device: DeviceName
    checkpoint_every_s: float


def run(
    study: Study | str | Path,
    *,
    out: str | Path | None = None,
    seeds: int | None = None,
    sets: Sequence[str] = (),
    watch: Watch | None = None,
    progress: Progress = silent,
    **options: Unpack[RunOptions],
) -> Outcome:
    """Carry out a study: train every run that its folder does not hold yet.

    The same call goes on where an earlier one stopped, and ends with the same numbers.

    Parameters
    ----------
    out : the study folder, default: the study's name in the working directory
    seeds, sets : see `load_study`
    watch : called as ``watch(event, clock)`` with everything that happens
    progress : told how far the decoding of the scans is
    options : see `RunOptions`

    Raises
    ------
    StudyFileError, DataError
        Before anything is trained.
    LockedError
        If another process holds the folder.
    """
    if not isinstance(study, Study):
        study = load_study(study, sets=sets, seeds=seeds)
    _require_torch("training")
    folder = StudyFolder(out if out is not None else default_folder(study))
    execution = _execution(study, folder, options)
    scans = load_scans(study.spec.data, base=study.base, progress=progress)
    return run_study(study, scans, folder, execution, watch or _ignore)


def default_folder(study: Study) -> Path:
    """Return the folder that `run` takes when none is named: the study's name in the working directory.

    An English name becomes a slug. Of any other a slug would lose the letters, so only what some file system
    refuses is replaced in it.
    """
    if study.name.isascii():
        return Path(slug(study.name))
    return Path(re.sub(r"[\s\x00-\x1f\x7f/\\:*?\"<>|]+", "-", study.name).strip("-.") or slug(study.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a study folder holds and what is still to come.

    Parameters
    ----------
    question : the study's question
    finished, diverged, failed, waiting : runs by their state; diverged ones are finished, too
    running : where each run stood a few seconds ago: arm, seed, epoch, n_epochs, val_accuracy
    seconds_left : of the process that is training now, or None
    holder : the process that holds the folder (pid, host, since, command), or None
    """

    folder: Path
    question: str
    finished: tuple[RunKey, ...]
    diverged: tuple[RunKey, ...]
    failed: tuple[tuple[RunKey, str], ...]
    running: tuple[Mapping[str, Any], ...]
    waiting: tuple[RunKey, ...]
    seconds_left: float | None
    holder: Mapping[str, Any] | None


def status(folder: str | Path) -> Status:
    """Tell what is done, running and left in a study folder."""
    store = open_folder(folder)
    holder = holder_of(store.path)
    progress = _note_of(store, holder)
    finished = store.run_keys()
    failures = store.failures()
    running = {RunKey(item["arm"], item["seed"]): item for item in progress.get("running", ())}
    # The note is a few seconds old: what has ended since then no longer runs.
    busy = running.keys() - set(finished)
    seen = {*finished, *busy, *(failure.key for failure in failures)}
    return Status(
        folder=store.path,
        question=store.plan()["study"],
        finished=tuple(finished),
        diverged=tuple(key for key in finished if store.facts(key).status == "diverged"),
        failed=tuple((failure.key, failure.message) for failure in failures if failure.key not in busy),
        running=tuple(item for key, item in running.items() if key in busy),
        waiting=tuple(key for key in store.planned_keys() if key not in seen),
        seconds_left=_seconds_left(progress),
        holder=holder,
    )


def _note_of(store: StudyFolder, holder: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """Return the training process's note of where its runs are; a note of a process that is gone counts for nothing."""
    note = store.progress() if holder is not None else {}
    return note if holder is not None and note.get("pid") == holder.get("pid") else {}


def _seconds_left(note: Mapping[str, Any]) -> float | None:
    """Return what is left of the time that the note spoke of when it was written."""
    left = note.get("seconds_left")
    if left is None:
        return None
    now = time.time()
    age = max(0.0, now - float(note.get("at", now)))
    return max(0.0, float(left) - age)


def report(folder: str | Path) -> Path:
    """Write the report of a study folder as one HTML file and return its path.

    Needs neither the scans nor PyTorch.
    """
    from scantrial.report.html import write_report  # noqa: PLC0415 - drawing takes a second to load

    return write_report(open_folder(folder).path)


def report_and_results(folder: str | Path) -> tuple[Path, ReportView]:
    """Write the report of a study folder; return its path and the numbers in it, from one logged reading."""
    from scantrial.report.html import write_report  # noqa: PLC0415 - drawing takes a second to load

    store = open_folder(folder)
    view = build_view(read_folder(store, by="report", purpose="report and printed results"))
    return write_report(store.path, view=view), view


def results(folder: str | Path) -> ReportView:
    """Return all the numbers of a study folder: per run, and over seeds per arm.

    Reads test rows, which is logged. Makes no comparison between arms.
    """
    return build_view(read_folder(open_folder(folder), by="results", purpose="metrics of every run"))


def show(folder: str | Path, case: int, *, arm: str | None = None, seed: int | None = None) -> CaseView:
    """Return one scan under every arm: probabilities, decisions, right or wrong.

    Parameters
    ----------
    case : case number, as in ``cases.parquet`` and the report
    arm, seed : only this arm, only this seed
    """
    return case_view(open_folder(folder), case, arm=arm, seed=seed)


def predict(run_dir: str | Path, files: Sequence[str | Path]) -> JudgedFiles:
    """Judge new image files with a trained network and its own preprocessing.

    Parameters
    ----------
    run_dir : folder of a finished run, ``DIR/runs/ARM/seed-S``
    files : image files of any readable format, and ``.npy`` arrays of one or more images

    Raises
    ------
    UnreadableScansError
        If a file cannot be judged; all such files are named, and none is judged.
    """
    _require_torch("predicting")
    from scantrial.train.judge import judge_files  # noqa: PLC0415 - PyTorch only where it is needed

    return judge_files(Path(run_dir), [Path(file) for file in files])


def _execution(study: Study, folder: StudyFolder, options: RunOptions) -> Execution:
    for name in options:
        _one_of("option", name, RunOptions.__annotations__)
    threads = options.get("threads")
    device = _one_of("device", options.get("device", "auto"), get_args(DeviceName))
    engine = _one_of("engine", options.get("engine", "auto"), get_args(EngineName))
    choice = choose_engine(
        engine, {arm.name: arm.recipe for arm in study.arms}, device=device, fixed=folder.fixed_engine()
    )
    return Execution(
        engine=choice.engine,
        engine_reason=choice.reason,
        prepare="scantrial.train.process:prepare_process",
        device="cpu" if engine == "fused" else device,
        workers=_at_least_one("workers", options.get("workers", 1)),
        threads=None if threads is None else _at_least_one("threads", threads),
        checkpoint_every_s=_no_less_than_zero("checkpoint-every", options.get("checkpoint_every_s", 60.0)),
    )


def _one_of(what: str, name: str, known: Collection[str]) -> str:
    if name not in known:
        guess = nearest(name, known)
        hint = f" (did you mean {guess!r}?)" if guess else ""
        raise InputError(f"no {what} is called {name!r}{hint}", expected=f"one of {listed(known)}")
    return name


def _no_less_than_zero(name: str, value: float) -> float:
    # Written so that NaN is refused as well.
    if not value >= 0:
        raise InputError(f"--{name} {value}", expected="0 or more")
    return value


def _at_least_one(name: str, value: int) -> int:
    if value < 1:
        raise InputError(f"--{name} {value}", expected="1 or more")
    return value


def _require_torch(needed_for: str) -> None:
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError(extra="train", package="PyTorch", needed_for=needed_for)


def _ignore(event: Event, clock: Clock) -> None:
    """Watch nothing."""
