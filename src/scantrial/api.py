"""The commands as functions, for notebooks and scripts.

>>> import scantrial
>>> outcome = scantrial.run("demo", out="demo")          # doctest: +SKIP
>>> scantrial.report("demo")                              # doctest: +SKIP
"""

from __future__ import annotations

import importlib.util
import re
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypedDict, Unpack, get_args

from numpy.typing import NDArray

from scantrial.analysis.assumptions import assume
from scantrial.analysis.power_table import PowerPlan
from scantrial.analysis.power_table import plan_power as plan_design
from scantrial.audit.records import Audit, AuditSettings
from scantrial.core.about import answers
from scantrial.core.errors import DataError, InputError, MissingExtraError
from scantrial.core.files import write_atomic
from scantrial.core.machine import return_freed_memory
from scantrial.core.names import listed, nearest, slug
from scantrial.core.progress import Progress, silent
from scantrial.core.records import SPLITS, SaliencyMaps
from scantrial.data.load import load
from scantrial.data.scanset import ScanSet
from scantrial.data.spec import DataSpec, ImageSpec, SourceSpec, SplitSpec
from scantrial.data.splits import apply_split
from scantrial.findings.case import CaseView, case_view
from scantrial.findings.judging import Choices, Judgement, judge
from scantrial.findings.reading import read_study_folder as read_folder
from scantrial.findings.view import ReportView, build_view
from scantrial.recipe.plan import stored_recipe
from scantrial.store.folder import RunKey, StudyFolder, open_folder
from scantrial.store.lock import holder_of
from scantrial.study import builtin
from scantrial.study.answering import record_answers
from scantrial.study.execute import Execution, Hooks, Outcome, Watch, nothing, run_study
from scantrial.study.executor import local_executor
from scantrial.study.file import parse_study, read_study_file
from scantrial.study.plan import planned_data
from scantrial.study.study import Study
from scantrial.study.test_cases import (
    CountedCases,
    count_test_cases,
    design_of,
    pilot_basis,
    planned_effects,
    planned_pairs,
)
from scantrial.study.timing import StudyTime, measure_time, not_measured, time_from_pilot
from scantrial.study.workers import WorkerChoice
from scantrial.train.choice import choose_engine

if TYPE_CHECKING:
    from scantrial.analysis.comparison import Comparison
    from scantrial.findings.predictions_file import Pairs, Rescored, Rule
    from scantrial.report.formats import Written
    from scantrial.train.predict import PredictedFiles

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
    return read_study_file(study, sets=sets, seeds=seeds)


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
    workers : runs trained at the same time, each in a process of its own, default 1; ``auto`` times a few steps with
        several numbers of workers and takes what ends the study soonest; a folder's first run fixes it
    threads : threads for each run, default: the cores shared among the workers; a folder's first run fixes it
    engine : ``reference``, plain PyTorch; ``fused``, many times faster where the first layer is linear on pixels; or
        ``auto``, the default, which takes the fused one where it can. A folder's first run fixes it
    device : default ``auto``: CUDA, MPS or the CPU, whichever is there first; a folder's first run fixes it
    checkpoint_every_s : seconds between checkpoints, taken at an epoch's end, default 60; 0 is every epoch
    reuse : other study folders, whose finished runs are taken over instead of trained where they are equal in
        everything: recipe, seed, scans, split, engine, threads, device, versions
    """

    workers: int | Literal["auto"]
    threads: int | None
    engine: EngineName
    device: DeviceName
    checkpoint_every_s: float
    reuse: Sequence[str | Path]


def run(
    study: Study | str | Path,
    *,
    out: str | Path | None = None,
    seeds: int | None = None,
    sets: Sequence[str] = (),
    watch: Watch | None = None,
    progress: Progress = silent,
    on_audit: Callable[[Audit], None] | None = None,
    on_workers: Callable[[WorkerChoice], None] | None = None,
    **options: Unpack[RunOptions],
) -> Outcome:
    """Carry out a study: audit its scans, then train every run that its folder does not hold yet.

    What the audit finds does not keep it from training. The same call goes on where an earlier one stopped, and ends
    with the same numbers.

    Parameters
    ----------
    out : the study folder, default: the study's name in the working directory
    seeds, sets : see `load_study`
    watch : called as ``watch(event, clock)`` with everything that happens
    progress : told how far the decoding and the audit of the scans are, and the timing of workers
    on_audit : called with what the audit found, before anything is trained
    on_workers : called with how many runs are trained at the same time, and why
    options : see `RunOptions`

    Raises
    ------
    StudyFileError, DataError
        Before anything is trained.
    LockedError
        If another process holds the folder.
    InputError, StoreError
        If a folder to be reused holds no study or is damaged, before anything is trained.
    """
    if not isinstance(study, Study):
        study = load_study(study, sets=sets, seeds=seeds)
    require_torch("training")
    folder = StudyFolder(out if out is not None else default_folder(study))
    execution = _execution(study, folder, options)
    scans = load_scans(study.spec.data, base=study.base, progress=progress)

    def audit_first(folder: StudyFolder) -> None:
        from scantrial.audit.stored import keep_audit  # noqa: PLC0415 - only who trains or audits pays for it

        found = keep_audit(folder, scans, progress=progress)
        return_freed_memory()
        if on_audit is not None:
            on_audit(found)

    hooks = Hooks(
        watch=watch or nothing,
        before=audit_first,
        timing=progress,
        chosen=on_workers or nothing,
    )
    return run_study(study, scans, folder, execution, hooks)


def audit(
    data: Study | DataSpec | str | Path,
    *,
    patient: str | None = None,
    split: SplitSpec | None = None,
    settings: AuditSettings | None = None,
    page: Path | str | None = None,
    progress: Progress = silent,
) -> Audit:
    """Look for what is wrong with some scans: leakage, duplicates, shift, shortcuts, labels.

    Parameters
    ----------
    data : a study (its scans, split, patients and acknowledgements are used), a study file or a built-in study's name,
        a study folder (its runs' validation and test predictions are used as well, which is logged), or a source:
        a catalogue name, folder, ``.npz`` or ``.csv`` file, with its own splits
    patient : a regular expression that finds the patient in a file's name, in place of the data's own
    split : in place of the data's own
    page : a file to write what was found to, as one self-contained HTML page with pictures

    Raises
    ------
    StudyFileError, DataError
        If the study or the scans cannot be read.
    """
    from scantrial.audit.audit import audit_scans, audited_cases  # noqa: PLC0415 - only who audits pays for it
    from scantrial.audit.stored import stored_scores  # noqa: PLC0415

    study, folder = _study_to_audit(data)
    if study is not None:
        scans = _scans_to_audit(study.spec.data, study.base, patient, split, progress)
    elif isinstance(data, DataSpec):
        scans = _scans_to_audit(data, None, patient, split, progress)
    else:
        scans = load(SourceSpec(name=str(data)), image=ImageSpec(), patient=patient, progress=progress)
        scans = scans if split is None else apply_split(scans, split)
    acknowledge = study.spec.acknowledge if study is not None else ()
    found = audit_scans(
        scans,
        settings=settings,
        acknowledged={item.finding: item.reason for item in acknowledge},
        scores=None if folder is None else stored_scores(folder, audited_cases(scans)),
        progress=progress,
    )
    if page is not None:
        from scantrial.report.audit_document import audit_page  # noqa: PLC0415 - drawing takes a second to load

        write_atomic(Path(page), audit_page(found, scans, source=_named(data)))
    return found


def _named(data: Study | DataSpec | str | Path) -> str:
    """Return what is audited in a word."""
    if isinstance(data, Study):
        return data.name
    return data.source.name if isinstance(data, DataSpec) else str(data)


def _study_to_audit(data: Study | DataSpec | str | Path) -> tuple[Study | None, StudyFolder | None]:
    """Return the study that `data` names, and its folder where it names one; neither where it is a source of scans."""
    if isinstance(data, Study):
        return data, None
    if isinstance(data, DataSpec):
        return None, None
    if isinstance(data, str) and data in builtin.builtin_names():
        return load_study(data), None
    path = Path(data)
    if path.suffix.lower() in (".yaml", ".yml"):
        return load_study(path), None
    folder = StudyFolder(path)
    if folder.exists():
        return parse_study(folder.study_text(), source=str(path / "study.yaml")), folder
    return None, None


def _scans_to_audit(
    data: DataSpec, base: Path | None, patient: str | None, split: SplitSpec | None, progress: Progress
) -> ScanSet:
    changes = {"patient": patient, "split": split}
    asked = data.model_copy(update={key: value for key, value in changes.items() if value is not None})
    return load_scans(asked, base=base, progress=progress)


def default_folder(study: Study) -> Path:
    """Return the folder that `run` takes when none is named: the study's name in the working directory.

    An English name becomes a slug. Of any other a slug would lose the letters, so only what some file system
    refuses is replaced in it.
    """
    if study.name.isascii():
        return Path(slug(study.name))
    return Path(re.sub(r"[\s\x00-\x1f\x7f/\\:*?\"<>|]+", "-", study.name).strip("-.") or slug(study.name))


class PlanOptions(TypedDict, total=False):
    """What a plan is made with, as keywords of `plan`; `scantrial.analysis.assumptions.MEANINGS` says what is assumed.

    Parameters
    ----------
    value, disagreement, correlation, sd_training, shared : assumptions in the place of the defaults; not with a pilot
    difference : the true difference to be found, in the metric's unit; default: the margin
    n_cases : plan with this many test cases, of the same kind as the study's
    """

    value: float | None
    disagreement: float | None
    correlation: float | None
    sd_training: float | None
    shared: float | None
    difference: float | None
    n_cases: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyPlan:
    """What a study can show, and how long it takes.

    Parameters
    ----------
    cases : its test cases, counted
    pairs : the arms that are compared with each other
    effects : of the factors of a factorial study, by name
    notes : what a reader has to know of how the cases were counted
    """

    question: str
    plan: PowerPlan
    time: StudyTime
    cases: CountedCases
    pairs: tuple[tuple[str, str], ...]
    effects: tuple[str, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return plain data for JSON."""
        return {
            "study": self.question,
            "pairs": [list(pair) for pair in self.pairs],
            "effects": list(self.effects),
            "test_cases": {"by_class": dict(self.cases.by_class), "source": self.cases.source},
            **self.plan.to_dict(),
            "warnings": [*self.notes, *self.plan.warnings],
            "time": self.time.to_dict(),
        }


def plan(
    study: Study | str | Path,
    *,
    pilot: str | Path | None = None,
    seeds: int | None = None,
    sets: Sequence[str] = (),
    measure: bool = False,
    progress: Progress = silent,
    **options: Unpack[PlanOptions],
) -> StudyPlan:
    """Say before any training what a study can show, and how long it takes.

    Parameters
    ----------
    pilot : folder of a finished study whose spreads are taken in the place of assumptions; its test rows are read for
        that, which is logged
    seeds, sets : see `load_study`
    measure : train two epochs of each recipe to tell how long the study takes; decodes the scans, reads no test row
    options : see `PlanOptions`

    Raises
    ------
    StudyFileError, DataError
        As in `run`; scans that are not here are no hindrance where the split states how many test cases there are.
    InputError
        If a number cannot be, or the metric needs a pilot.
    """
    for name in options:
        _one_of("option", name, PlanOptions.__annotations__)
    given: dict[str, Any] = dict(options)
    difference, n_cases = given.pop("difference", None), given.pop("n_cases", None)
    _refuse_both(pilot, given)
    if not isinstance(study, Study):
        study = load_study(study, sets=sets, seeds=seeds)
    cases, notes = count_test_cases(study, n_cases=n_cases)
    design = design_of(study, cases)
    store = None if pilot is None else open_folder(pilot)
    basis = assume(design, given) if store is None else pilot_basis(store, design.metric)
    found = plan_design(design, basis, difference=difference)
    if measure:
        require_torch("timing")
        scans = load_scans(study.spec.data, base=study.base, progress=progress)
        taken = measure_time(study, scans, _execution(study, None, {}), progress=progress)
    else:
        taken = not_measured(study) if store is None else time_from_pilot(study, store, n_train=cases.n_train)
    effects = planned_effects(study)
    if effects:
        notes = (*notes, "Effects of factors are means over arms: for them the numbers, of two arms, are careful.")
    return StudyPlan(
        question=study.spec.study,
        plan=found,
        time=taken,
        cases=cases,
        pairs=planned_pairs(study),
        effects=effects,
        notes=notes,
    )


def _refuse_both(pilot: str | Path | None, given: Mapping[str, Any]) -> None:
    stated = [f"--{name.replace('_', '-')}" for name, value in given.items() if value is not None]
    if pilot is not None and stated:
        raise InputError(
            f"--pilot {pilot} and {listed(stated)}: a pilot measures what is assumed without one",
            do="leave out one or the other",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What a study folder holds and what is still to come.

    Parameters
    ----------
    question : the study's question
    finished, diverged, failed, waiting : runs by their state; diverged ones are finished, too
    running : where each run stood a few seconds ago: arm, seed, epoch, n_epochs, val_accuracy
    reused : finished runs that were taken over, each with its folder, arm and seed there
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
    reused: tuple[tuple[RunKey, Mapping[str, Any]], ...]
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
    facts = {key: store.facts(key) for key in finished}
    return Status(
        folder=store.path,
        question=store.plan().study,
        finished=tuple(finished),
        diverged=tuple(key for key in finished if facts[key].status == "diverged"),
        failed=tuple((failure.key, failure.message) for failure in failures if failure.key not in busy),
        running=tuple(item for key, item in running.items() if key in busy),
        waiting=tuple(key for key in store.planned_keys() if key not in seen),
        reused=tuple((key, found.reused_from) for key, found in facts.items() if found.reused_from is not None),
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


def about(study: Study | str | Path, *, out: str | Path | None = None) -> dict[str, str]:
    """Return what the author answered about a study, by question (`scantrial.core.about` has them all).

    Parameters
    ----------
    study : a study file, a built-in's name, or a study folder
    out : a folder of this study that takes the answers over: nothing is trained, no scan is read, and the log of
        versions of the study file tells that they changed

    Raises
    ------
    InputError, StudyFileError
        If there is no such study, or its file has faults.
    StudyConflictError
        If `out` is the folder of another question.
    """
    if not isinstance(study, Study):
        if StudyFolder(study).exists():
            return answers(StudyFolder(study).plan().about)
        study = load_study(study)
    if out is not None:
        record_answers(study, open_folder(out))
    return answers(None if study.spec.about is None else study.spec.about.model_dump(exclude_none=True))


def report(folder: str | Path, *, format: str = "html", assets: str | Path | None = None) -> Path:
    """Write the report of a study folder into it and return its path.

    Needs neither the scans nor PyTorch.

    Parameters
    ----------
    format : ``html``, one file; ``pdf``, for paper; ``md``, Markdown with its figures beside it
    assets : a folder to write every figure and table to as well, as files for a paper

    Raises
    ------
    InputError
        If there is no study folder, or no such format.
    MissingExtraError
        If PDF is asked for and Typst is not installed.
    """
    return reports(folder, formats=(format,), assets=assets).reports[format]


def reports(
    folder: str | Path, *, formats: Sequence[str] = ("html", "pdf", "md"), assets: str | Path | None = None
) -> Written:
    """Write the report of a study folder in several formats from one logged reading; see `report`."""
    from scantrial.report.formats import write_reports  # noqa: PLC0415 - drawing takes a second to load

    return write_reports(folder, formats, assets=assets)


def report_and_results(folder: str | Path) -> tuple[Path, ReportView]:
    """Write the report of a study folder; return its path and the numbers in it, from one logged reading."""
    from scantrial.report.formats import write_report  # noqa: PLC0415 - drawing takes a second to load

    store = open_folder(folder)
    view = build_view(read_folder(store, by="report", purpose="report and printed results"))
    return write_report(store.path, view=view), view


def results(folder: str | Path) -> ReportView:
    """Return all the numbers of a study folder: per run, over seeds per arm, and the verdicts.

    Reads test rows, which is logged.
    """
    return build_view(read_folder(open_folder(folder), by="results", purpose="metrics of every run"))


def compare(
    folder: str | Path,
    *,
    metric: str | None = None,
    margin: float | None = None,
    control: str | None = None,
    pairs: bool = False,
    level: float = 0.95,
    bootstrap: bool | None = None,
) -> Judgement:
    """Judge a study folder: which arms are better, worse or equivalent, and what became of its hypotheses.

    Without further words the comparisons, the metric and the margin are those that the study file declares. Reads
    test rows, which is logged.

    Parameters
    ----------
    metric : another metric than the declared one; it has no margin of its own
    margin : the smallest difference that matters, in the metric's unit
    control : set every other arm against this one
    pairs : compare all pairs of arms
    level : confidence level, default 0.95
    bootstrap : whether to set a crossed bootstrap beside the comparisons, which takes seconds each; default: no

    Raises
    ------
    InputError
        If there is no study, or what is asked for is no metric or no arm of it.
    """
    choices = Choices(
        metric=metric, margin=margin, control=control, pairs=pairs, level=level, bootstrap=bool(bootstrap)
    )
    return judge(read_folder(open_folder(folder), by="compare", purpose="verdicts"), choices=choices)


def show(folder: str | Path, case: int, *, arm: str | None = None, seed: int | None = None) -> CaseView:
    """Return one scan under every arm: probabilities, decisions, right or wrong.

    Parameters
    ----------
    case : case number, as in ``cases.parquet`` and the report
    arm, seed : only this arm, only this seed
    """
    return case_view(open_folder(folder), case, arm=arm, seed=seed)


def study_scans(folder: str | Path, *, progress: Progress = silent) -> ScanSet:
    """Load the scans that a study folder was trained on, with their split; they have to be where they were then.

    Raises
    ------
    DataError
        If they are not there, or are other scans now.
    """
    store = open_folder(folder)
    paths = store.environment().get("import_paths", ()) if (store.path / "environment.json").is_file() else ()
    scans = load_scans(planned_data(store.plan(), store), base=Path(paths[0]) if paths else None, progress=progress)
    if scans.fingerprint != store.data()["fingerprint"]:
        raise DataError("the scans have changed since the study was run", expected="the scans of the study")
    return scans


def saliency(folder: str | Path, case: int, *, arm: str, seed: int, scans: ScanSet) -> SaliencyMaps:
    """Compute where the network of one run looks on one scan: input gradient and occlusion.

    Parameters
    ----------
    scans : see `study_scans`

    Raises
    ------
    InputError
        If there is no such run, it kept no weights, or its network is a class of the user's own, which is not loaded
        from a study folder.
    """
    require_torch("saliency")
    from scantrial.train.inference import load_predictor  # noqa: PLC0415 - PyTorch only where it is needed
    from scantrial.train.saliency import explain  # noqa: PLC0415

    store, key = open_folder(folder), RunKey(arm, seed)
    facts = store.facts(key)
    if stored_recipe(facts).model.is_custom:
        raise InputError("the network is a class of the user's own", expected="a network of scantrial's")
    return explain(load_predictor(facts, store.weights(key)), scans.images[case])


class CompareOptions(TypedDict, total=False):
    """How to compare predictions, as keywords of `compare_predictions`.

    Parameters
    ----------
    metric : default accuracy
    split : whose rows are judged, default ``test``; a file without such a column has test rows only
    threshold : a case is called positive when its score exceeds it; default for probabilities: 0.5
    threshold_rule : ``sensitivity`` or ``youden``: chosen for each run on validation rows
    target_sensitivity : of the first rule, default 0.90
    positive : the class that scores are of, where labels are names
    margin : the smallest difference that matters, in the metric's unit; without it nothing is called equivalent
    control : every other arm is set against it
    pairs : ``all`` or ``control``; default: all, or against the control where one is named
    level : confidence level, default 0.95
    bootstrap : whether to cross-check by a crossed bootstrap; default: where it takes some 20 s at most
    """

    metric: str
    split: str
    threshold: float | None
    threshold_rule: Rule | None
    target_sensitivity: float | None
    positive: str | None
    margin: float | None
    control: str | None
    pairs: Pairs | None
    level: float
    bootstrap: bool | None


def compare_predictions(file: str | Path, **options: Unpack[CompareOptions]) -> Rescored:
    """Compare arms by anyone's predictions: a CSV or Parquet file with a row for each run and case.

    Its columns are ``arm, seed, case, label`` and either ``score`` or ``p_CLASS`` for each class; if known also
    ``patient`` and ``split``.

    Parameters
    ----------
    options : see `CompareOptions`

    Raises
    ------
    InputError
        With every fault of the file, each with its rows.
    """
    from scantrial.findings.predictions_file import ComparisonRequest, rescore  # noqa: PLC0415 - SciPy takes a moment to load
    from scantrial.store.prediction_files import read_prediction_file  # noqa: PLC0415 - as above

    for name in options:
        _one_of("option", name, CompareOptions.__annotations__)
    chosen: dict[str, Any] = dict(options)
    positive, rule = chosen.pop("positive", None), chosen.pop("threshold_rule", None)
    asked = ComparisonRequest(rule=rule, **chosen)
    _one_of("split", asked.split, SPLITS)
    wanted = (asked.split,) if rule is None or asked.split == "val" else (asked.split, "val")
    return rescore(read_prediction_file(file, splits=wanted, positive=positive), asked)


def compare_arrays(y_true: NDArray[Any], scores: NDArray[Any], **options: Any) -> Comparison:
    """Compare arms by arrays of predictions: `scantrial.analysis.comparison.compare`, which names the options.

    Parameters
    ----------
    y_true : shape (n_cases,), class indices
    scores : shape (n_runs, n_cases), scores of class 1 of any range; or (n_runs, n_cases, n_classes), probabilities
    options : ``arms`` and ``seeds``, length n_runs; if wanted ``patients``, ``metric``, ``threshold``, ``margin``,
        ``control``, ``level``

    Raises
    ------
    ShapeError, InputError
        If arrays do not belong together, or the metric cannot be had from them.
    """
    from scantrial.analysis.comparison import compare as compare_them  # noqa: PLC0415 - SciPy takes a moment to load

    return compare_them(y_true, scores, **options)


def predict(run_dir: str | Path, files: Sequence[str | Path]) -> PredictedFiles:
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
    require_torch("predicting")
    from scantrial.train.predict import predict_files  # noqa: PLC0415 - PyTorch only where it is needed

    return predict_files(Path(run_dir), [Path(file) for file in files])


def _execution(study: Study, folder: StudyFolder | None, options: RunOptions) -> Execution:
    for name in options:
        _one_of("option", name, RunOptions.__annotations__)
    threads = options.get("threads")
    device = _one_of("device", options.get("device", "auto"), get_args(DeviceName))
    engine = _one_of("engine", options.get("engine", "auto"), get_args(EngineName))
    choice = choose_engine(
        engine,
        {arm.name: arm.recipe for arm in study.arms},
        device=device,
        fixed=None if folder is None else folder.fixed_engine(),
    )
    return Execution(
        engine=choice.engine,
        engine_reason=choice.reason,
        prepare="scantrial.train.process:prepare_process",
        executor=local_executor,
        device="cpu" if engine == "fused" else device,
        workers=_workers(options.get("workers", 1)),
        threads=None if threads is None else _at_least_one("threads", threads),
        checkpoint_every_s=_no_less_than_zero("checkpoint-every", options.get("checkpoint_every_s", 60.0)),
        reuse=tuple(Path(path) for path in options.get("reuse", ())),
    )


def _workers(asked: int | str) -> int | None:
    if asked == "auto":
        return None
    if isinstance(asked, str):
        raise InputError(f"--workers {asked}", expected="a whole number, 1 or more, or auto")
    return _at_least_one("workers", asked)


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


def require_torch(needed_for: str) -> None:
    """Refuse what needs PyTorch where it is not installed, naming the extra."""
    if importlib.util.find_spec("torch") is None:
        raise MissingExtraError(extra="train", package="PyTorch", needed_for=needed_for)
